"""The capacity bound at work: encode bits in a cache, read all back, with errors at the limit.

Values are the whole numbers 0..q, a step apart, so everything is counted in steps: reading costs at
most 1/4 of a step, attention may err by less than 1/4, and rounding is right below 1/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.errors import InputError
from varnum.floats.rounding import EXACT_U
from varnum.floats.softmax_error import softmax_head_error
from varnum.hardness.keys import Keys
from varnum.hardness.kv import certify_capacity
from varnum.model.attention import exact_attention

QUARTER = Fraction(1, 4)


@dataclass(frozen=True)
class Readback:
    """What was read: counts of wrong values and bits, and the slack.

    error: the attention error injected, in steps (the limit is 1/4); rounding: a bound on float64's
    share; certain: error + rounding < 1/4, so 0 wrong is proved; first_failure: the injected error
    over the limit at which the first value goes wrong on these data.
    """

    keys: str
    values: int
    bits: int
    wrong_values: int
    wrong_bits: int
    error: Fraction
    rounding: Fraction
    certain: bool
    first_failure: float


def attend_rows(keys: Keys, values: Any, b: int) -> tuple[Any, Fraction]:
    """Read every row: (N, d_v) outputs for whole values 0..q, and the rounding bound in steps."""
    rows, d = keys.entries.shape
    query = certify_capacity(rows, 1, b, keys.mu).query
    scale = _up(query / keys.length)
    entries = keys.entries.astype(np.float64)
    k, v = entries[None, None], values.astype(np.float64)[None, None]
    step = max(1, d)
    parts = [
        exact_attention(entries[None, None, i : i + step], k, v, np.full((1, 1, 1, 1), scale))
        for i in range(0, rows, step)
    ]
    bound = (2**b - 1) * softmax_head_error(Fraction(scale) * keys.length, d, rows)
    return np.concatenate(parts, axis=2)[0, 0], bound


def read_back(keys: Keys, values: Any, b: int, factor: Fraction | None = None) -> Readback:
    """Inject the worst error and round: `factor` times the limit, or the largest certain error.

    values (N, d_v) integers in 0..q. The adversary pushes each output further the way it already
    errs, inwards where it does not.
    """
    q = 2**b - 1
    if values.min(initial=0) < 0 or values.max(initial=0) > q:
        raise InputError(f"values: whole numbers from 0 to {q} are allowed")
    out, rounding = attend_rows(keys, values, b)
    slop = 4 * EXACT_U * (q + 1)  # the addition of the error, and the float it is stored in
    error = QUARTER - rounding - slop if factor is None else factor * QUARTER
    if error <= 0:
        raise InputError(f"bits: {b} per value leave no room for float64's rounding")
    push = np.where(
        out > values, 1.0, np.where(out < values, -1.0, np.where(values > 0, -1.0, 1.0))
    )
    step = math.nextafter(float(error), 0) if factor is None else float(error)
    decoded = np.clip(np.rint(out + step * push), 0, q).astype(np.int64)
    wrong = decoded != values
    flipped = sum(int(bits).bit_count() for bits in decoded[wrong] ^ values[wrong])
    return Readback(
        keys.kind,
        values.size,
        values.size * b,
        int(wrong.sum()),
        flipped,
        error,
        rounding,
        error + rounding + slop <= QUARTER,
        float((0.5 - np.abs(out - values).max()) / 0.25),
    )


def random_values(rows: int, d_v: int, b: int, seed: int) -> Any:
    """(N, d_v) random whole numbers 0..q: N d_v b random bits."""
    return np.random.default_rng(seed).integers(0, 2**b, (rows, d_v))


def opposite_values(rows: int, d_v: int, b: int) -> Any:
    """The worst data for orthonormal keys: one row 0, all others q."""
    values = np.full((rows, d_v), 2**b - 1)
    values[0] = 0
    return values


def _up(value: Fraction) -> float:
    number = float(value)
    while Fraction(number) < value:
        number = math.nextafter(number, math.inf)
    return number
