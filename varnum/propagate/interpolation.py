"""Moved to `varnum.propagate.interpolation_growth`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.propagate.interpolation_growth")
