"""Moved to `varnum.lowrank.pivots.pivot_kernel`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.pivots.pivot_kernel")
