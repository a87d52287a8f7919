"""Moved to `varnum.floats.arrays` and `varnum.floats.qkv`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.floats.arrays", "varnum.floats.qkv", "varnum._gone")
