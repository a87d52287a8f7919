"""Moved to `varnum.floats.rounding` and `varnum.floats.softmax_error`."""

from varnum._moved import moved

__getattr__ = moved(
    __name__,
    "varnum.floats.rounding",
    "varnum.floats.softmax_error",
    UNIT="EXACT_U",
    gamma="exact_gamma",
)
