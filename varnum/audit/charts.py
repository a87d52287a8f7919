"""Moved to `varnum.audit.page.charts`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.page.charts")
