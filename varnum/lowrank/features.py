"""From a certified kernel to an attention output: sums over keys, scale by scale; rounding.

A kernel here is a product of features with an entrywise relative error `certified`, up to a factor
per row. Its output is within range(v) tanh(artanh(certified)/2) of the exact one (claim
softmax-relative), plus the rounding of the sums. Everything is float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import numpy as np

from varnum.errors import InputError
from varnum.floats.guard import certified
from varnum.floats.inputs import tokens
from varnum.floats.rounding import TINY, UNIT, gamma, up
from varnum.tensor import Array

_U = UNIT["float64"]
_LEAST = 1e-270  # times the range: 2^-1022 of each product, times 1e20 products, is below u of it
_FLOAT32 = TINY["float32"]  # lost at most when the output is rounded to a narrower type


class Kernel(Protocol):
    """Features of fixed queries and keys, addressed by slices of them."""

    @property
    def certified(self) -> float:
        """Entrywise relative error of the kernel, from above."""

    @property
    def rank(self) -> int:
        """Number of features."""

    def columns(self, values: Array, part: slice) -> Array:
        """Sum over these keys of c_j Psi_j values_j^T: (n, d_v) -> (r, d_v)."""

    def rows(self, state: Array, part: slice) -> Array:
        """Phi_i . state for these queries: (r, d_v) -> (n, d_v)."""

    def key_mass(self, part: slice) -> float:
        """Not below the sum over keys of the size of c_j Psi_j."""

    def query_size(self, part: slice) -> Array | float:
        """Not below the size of Phi_i; size times size bounds sum_a |Phi_a| |c Psi_a|."""


@certified  # what overflows ends in an infinite bound
def attend(
    kernel: Kernel, v: Array, scales: Sequence[int] | None = None, unit: float = 0.0
) -> tuple[Array, float]:
    """Attention output (L_q, d_v), and its certified error in units of each column's range.

    v (L_k, d_v) float64. With `scales` block-causal; a row's range is over the keys it sees.
    `unit`: unit roundoff of the type that the output will be rounded to.
    """
    v = tokens(v, "v")
    if scales is not None and (min(scales, default=0) < 1 or sum(scales) != len(v)):
        raise InputError(f"scales: {tuple(scales)} do not sum to the {len(v)} tokens of v")
    blocks = _blocks(scales)
    middle = 0.5 * v.max(0) + 0.5 * v.min(0)
    shifted = np.column_stack([v - middle, np.ones(len(v))])
    state, mass, worst, parts = np.zeros((kernel.rank, v.shape[1] + 1)), 0.0, 0.0, []
    biggest, whole = np.abs(v).max(0), v.max(0) - v.min(0)
    low, high = v[0], v[0]
    for part in blocks:
        state = state + kernel.columns(shifted[part], part)
        mass += kernel.key_mass(part)
        answer = kernel.rows(state, part)
        out = answer[:, :-1] / answer[:, -1:] + middle
        operations = gamma(len(v) + kernel.rank + len(blocks) + 16)
        slip = operations * kernel.query_size(part) * up(mass)
        sure = np.where(answer[:, -1] > slip, answer[:, -1] - slip, np.nan)
        ratio = np.nan_to_num(slip / sure, nan=np.inf)
        low = np.minimum(low, v[part].min(0))
        high = np.maximum(high, v[part].max(0))
        still = high == low
        out[:, still] = low[still]
        least = float(np.nan_to_num(sure).min())
        error = _error(
            kernel.certified, float(ratio.max()), unit, high - low, whole,
            np.maximum(biggest, np.abs(out).max(0)), least,
        )  # fmt: skip
        worst = max(worst, error) if error == error else float("inf")
        parts.append(out)
    return np.concatenate(parts), worst


def _blocks(scales: Sequence[int] | None) -> list[slice]:
    """The same slices address queries and keys; one slice takes all of both."""
    if scales is None:
        return [slice(0, None)]
    return [slice(end - n, end) for n, end in zip(scales, accumulate(scales), strict=True)]


def _error(
    eps: float, ratio: float, unit: float, spread: Array, whole: Array, biggest: Array, least: float
) -> float:
    """Kernel error, rounding of sums (ratio) and of the last steps, over columns that move.

    spread, whole, biggest (d_v,): range over what is seen, over all values, the largest size.
    `least`: the smallest denominator. Columns in whose sums products may underflow get no bound.
    """
    if not (eps < 1 and ratio < np.inf):
        return float("inf")
    moving = spread > 0
    if not moving.any():
        return 0.0
    spread = spread[moving]
    if not float(spread.min()) * min(least, 1.0) > _LEAST:
        return float("inf")
    whole, biggest = whole[moving], biggest[moving]  # |v - middle| <= whole/2 up to rounding
    kernel_part = eps / (1 + np.sqrt((1 - eps) * (1 + eps)))
    rest = (
        ratio * 1.5 * whole * (1 + 8 * _U)
        + (8 * _U + 2 * unit) * biggest
        + (_FLOAT32 if unit else 0.0)
    )
    return up(float(kernel_part + np.max(rest / spread))) * (1 + 8 * _U)
