"""Moved to `varnum.lowrank.limits`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.limits")
