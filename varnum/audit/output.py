"""Moved to `varnum.audit.leading_monomials`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.leading_monomials")
