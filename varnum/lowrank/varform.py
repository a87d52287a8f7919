"""Moved to `varnum.lowrank.stream` and `varnum.lowrank.scales` and `varnum.floats.norms`."""

from varnum._moved import moved

__getattr__ = moved(
    __name__,
    "varnum.lowrank.stream",
    "varnum.lowrank.scales",
    "varnum.floats.norms",
    _far="farthest",
)
