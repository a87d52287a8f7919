"""Moved to `varnum.lowrank.moments.settings`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.moments.settings")
