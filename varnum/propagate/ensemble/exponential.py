"""exp of the ensembles, its error proved: the kernel of `varnum.lowrank.proved_exp`, ready made.

Making and certifying it takes longer than a small run, so its numbers stand here; a test and the
check of ensemble-sites make it again, hold them to be the same, and certify its error anew.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from varnum.model.backend import namespace
from varnum.propagate.ensemble.engine import Array, pieces, zeros

ERROR = 2.0**-52  # |exp(x)/e^x - 1| at most, LOW <= x <= HIGH; certified: 1.8945e-16
LOW, HIGH = (float.fromhex(end) for end in ("-0x1.61da04cbafe43p+9", "0x1.628b76e3a7b60p+9"))
PER_LN2, *LN2 = (
    float.fromhex(text)
    for text in ("0x1.71547652b82fep+0", "0x1.62e42fefa3800p-1", "0x1.ef35793c76730p-45")
)
COEFFICIENTS = tuple(
    float.fromhex(text)
    for text in (
        "0x1.0000000000000p+0", "0x1.0000000000000p+0", "0x1.000000000000ap-1",
        "0x1.5555555555506p-3", "0x1.55555555506cfp-5", "0x1.1111111124fa5p-7",
        "0x1.6c16c1847239ep-10", "0x1.a01a013838779p-13", "0x1.a019996abcf67p-16",
        "0x1.71df08199f737p-19", "0x1.28adf414ec028p-22", "0x1.adab93cd5053ep-26",
    )
)  # fmt: skip
_CACHED, _DEVICE = 2**15, 2**24  # numbers at once: twenty passes over them


def exp(x: Array) -> Array:
    """e^x within `ERROR`, of any shape; below LOW 0 (e^LOW < 2^-1020), above HIGH infinite."""
    xp = namespace(x)
    x = xp.asarray(x)
    found = zeros(x.shape, x)
    source, into = x.reshape(-1), found.reshape(-1)
    on_device = not isinstance(x, np.ndarray)
    for part in pieces(len(source), 1, _DEVICE if on_device else _CACHED):
        into[part] = _exp(xp, source[part])
    return found


def _exp(xp: ModuleType, x: Array) -> Array:
    """As certified: x = n ln 2 + r, a polynomial in r, times 2^n; no operation is fused."""
    inside = xp.clip(x, LOW, HIGH)
    n = xp.round(inside * PER_LN2)
    r = inside - n * LN2[0]
    r -= n * LN2[1]
    y = r * COEFFICIENTS[-1]
    for c in COEFFICIENTS[-2:0:-1]:
        y += c
        y *= r
    y += COEFFICIENTS[0]
    n = xp.where(xp.isnan(n), 0.0, n)
    y *= ((xp.astype(n, xp.int64) + 1023) << 52).view(xp.float64)  # 2^n: n > -1023
    y[x < LOW] = 0.0
    y[x > HIGH] = float("inf")
    return y
