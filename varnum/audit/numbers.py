"""Moved to `varnum.outward`: `round_up` and `round_down`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.outward", above="round_up", below="round_down", DIGITS="FEW")
