"""Moved to `varnum.lowrank.pivots.recompress`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.pivots.recompress")
