"""Moved to `varnum.audit.fields`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.fields")
