"""Moved to `varnum.lowrank.frame` and `varnum.floats.norms`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.frame", "varnum.floats.norms")
