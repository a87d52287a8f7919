"""Moved to `varnum.audit.row_check`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.row_check")
