"""Moved to `varnum.floats.values`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.floats.values")
