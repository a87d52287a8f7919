"""Moved to `varnum.audit.executor`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.executor")
