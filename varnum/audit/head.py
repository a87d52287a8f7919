"""Moved to `varnum.audit.head_audit`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.head_audit")
