"""Moved to `varnum.floats.arrays`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.floats.arrays")
