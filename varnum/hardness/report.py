"""Moved to `varnum.hardness.hardness_steps`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.hardness.hardness_steps")
