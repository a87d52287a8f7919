"""Moved to `varnum.lowrank.moments.moment_state`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.moments.moment_state")
