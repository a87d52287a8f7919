"""Moved to `varnum.floats.rounding`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.floats.rounding")
