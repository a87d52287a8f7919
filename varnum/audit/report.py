"""Moved to `varnum.audit.page.page`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.page.page")
