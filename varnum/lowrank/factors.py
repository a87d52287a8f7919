"""Moved to `varnum.lowrank.features`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.features")
