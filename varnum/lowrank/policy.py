"""Moved to `varnum.lowrank.moments.moment_settings`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.moments.moment_settings", "varnum._gone")
