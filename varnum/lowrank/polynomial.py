"""Moved to `varnum.lowrank.monomials.polynomial_kernel`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.lowrank.monomials.polynomial_kernel")
