"""Low rank by sums over the keys of quadratic features, each row certified."""

from varnum._moved import moved_names

__getattr__ = moved_names(__name__, "varnum.lowrank.moments.moment_bound")
