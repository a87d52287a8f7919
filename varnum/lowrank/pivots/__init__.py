"""Low rank by kernel pivots."""

from varnum._moved import moved_names

__getattr__ = moved_names(__name__, "varnum.lowrank.pivots.residual")
