"""Moved to `varnum.lowrank.pivots.kernel`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.pivots.kernel")
