"""Moved to `varnum.lowrank.moments.basis` and `varnum.floats.rounding`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.moments.basis", "varnum.floats.rounding")
