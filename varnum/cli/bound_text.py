"""Moved to `varnum._plan_text` and `varnum.text`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum._plan_text", "varnum.text")
