"""Moved to `varnum.audit.options`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.options")
