"""Moved to `varnum.floats.softmax_error` and `varnum.lowrank.softmax`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.floats.softmax_error", "varnum.lowrank.softmax")
