"""Moved to `varnum.lowrank.moments.state`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.moments.state")
