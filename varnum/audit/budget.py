"""Moved to `varnum.audit.budget_walk`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.budget_walk")
