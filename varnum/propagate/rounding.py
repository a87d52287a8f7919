"""Moved to `varnum.propagate.forward_rounding`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.propagate.forward_rounding")
