"""Low rank by all monomials of a minimax polynomial."""

from varnum._moved import moved_names

__getattr__ = moved_names(__name__, "varnum.lowrank.monomials.monomial_features")
