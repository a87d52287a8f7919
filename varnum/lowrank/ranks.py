"""Moved to `varnum.lowrank.counting`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.counting")
