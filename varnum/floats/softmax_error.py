"""What rounding does to softmax attention, computed as it stands (claim float-forward).

Assumed, and nothing else: +, -, *, / are correct to half an ulp, a matrix product is a sum of
products in any order (fused or not), exp is within EXP_ULPS = 4 ulps where normal.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from varnum.floats.inputs import finite
from varnum.floats.norms import row_norms
from varnum.floats.rounding import (
    EXACT_U,
    EXP_ULPS,
    dtype_name,
    exact_gamma,
    expm1_up,
    gamma,
    unit_of,
    up,
)
from varnum.tensor import Array, Tensor

_BLOCK = 2048  # queries at a time
FUSED_EXP_ULPS = 32  # fused kernels may use a quicker exp, of about 20 ulp
_DEPTH = {"float32": 87.0, "float64": 708.0}  # e^-this is still normal: -ln TINY is 87.3, 708.4
_EXP = 2 * EXP_ULPS * EXACT_U  # an ulp is at most 2 u
_UNDERFLOW = Fraction(1, 2**1000)  # a product of a weight and a value loses 2^-1022 at most


def exact_error(
    far_q: float, far_k: float, count: int, ratio: float, d: int, like: Tensor,
    exp_error: float | None = None,
) -> float:  # fmt: skip
    """Output error of `exact_rows` in units of range(v) (claim float-forward, any summation order).

    far_q, far_k: largest norms; count: keys; ratio: max|v|/range(v). A fused kernel that rescales
    its running sums rounds each term at most `count` times more, which gamma_{3 count} covers. On
    CUDA the fused kernels are tested only: their accumulation is not documented. exp_error: a
    bound of exp's relative error (`certify_exp_error`, below 1e-3); None: as in fused kernels.
    """
    unit = unit_of(like)
    largest = far_q * far_k
    of_exp = 2 * FUSED_EXP_ULPS * unit if exp_error is None else 1.01 * exp_error
    zeta = gamma(d + 8, unit) * largest + of_exp + 8 * unit * (1 + 2 * largest)
    sums = gamma(3 * count + 16, unit)
    return up(zeta / 2 + sums / max(1 - sums, 1e-30) * 3 * ratio + 4 * unit * ratio)


def merged_error(
    far_q: float, far_k: float, count: int, size: int, ratio: float, d: int, like: Tensor
) -> float:
    """Output error of `merged_rows` in units of range(v): parts of at most `size` keys each.

    Each part's output is off by `exact_error` of its own keys, the logarithm of its mass by at
    most `slip`; that moves the average of the parts by tanh(slip/2) <= slip/2 of the range (claim
    softmax-relative; proofs/float-forward.md, "in parts"). The average itself is float64.
    """
    unit, wide = unit_of(like), float(EXACT_U)
    parts, largest, deep = -(-count // size), far_q * far_k, math.log(size) + 1
    own = exact_error(far_q, far_k, size, ratio, d, like)
    sums = gamma(3 * size + 16, unit)
    logit = 2 * exact_error(far_q, far_k, 1, 0.0, d, like)  # relative error of a weight
    log = 2 * FUSED_EXP_ULPS * unit * deep + 4 * unit * (largest + deep)
    slip = logit + sums / max(1 - sums, 1e-30) + log + 32 * wide * (1 + largest + deep)
    average = gamma(4 * parts + 64) * 3 * ratio
    return up(own + slip / 2 + average + 2 * unit * ratio)


def kernel_error(
    far_q: float, far_k: float, spread: float, count: int, d: int, like: Tensor
) -> float:
    """Relative error of every weight exp(q.k/sigma), up to a factor per row, in `exact_rows`.

    spread: not below the difference of any two logits of one row. Past the normal numbers of the
    format a weight has no digits, and may be 0: then the error is infinite, nothing relative holds.
    On NumPy a row's sum, at most `count`, divides after the product with v: it is such a factor,
    and a weight's share of its row may be smaller. A fused kernel may divide first, so there the
    share counts. It also rescales the weights of earlier keys, each time by another rounded exp:
    for blocks of at least 32 keys that is less than 2 `count` roundings.
    """
    unit = unit_of(like)
    zeta = 2 * exact_error(far_q, far_k, 1, 0.0, d, like)
    depth = _DEPTH[dtype_name(like)]
    if not isinstance(like, np.ndarray):
        zeta += gamma(2 * count + 2 * FUSED_EXP_ULPS, unit)
        depth -= up(math.log(count))
    if not spread + zeta < depth:
        return float("inf")
    return expm1_up(zeta)


def logit_spread(q: Array, k: Array, sigma: float) -> float:
    """Not below the difference of two logits q.k/sigma of one row, float64 (n, d), (L, d)."""
    worst = 0.0
    for start in range(0, len(q), _BLOCK):
        logits = q[start : start + _BLOCK] @ k.T
        worst = max(worst, finite(float((logits.max(1) - logits.min(1)).max())))
    far = float(row_norms(q).max()) * float(row_norms(k).max())
    return up((worst + 2 * gamma(q.shape[1] + 4) * far) / sigma)


def softmax_head_error(M: Fraction, dimension: int, keys: int) -> Fraction:
    """Bound |float64 - exact| of softmax((scale Q) K^T) V: Q, K and V in [0, 1] exact.

    M bounds sum_c |q_c k_c| / sigma over all pairs; scale = 1/sigma rounded twice. Logits are
    within gamma_(D+3) M; the shift by the row maximum rounds once more, 2M at most; exp turns both
    into a relative error eps; sums, division and the product with V have non-negative terms, so
    errors stay relative. A bound above 1 says nothing and is returned as 1.
    """
    logit = exact_gamma(dimension + 3) * M
    zeta = logit + EXACT_U * (2 * M + 2 * logit)
    if zeta > Fraction(1, 4):
        return Fraction(1)
    eps = (1 + zeta + zeta**2) * (1 + _EXP) - 1  # e^z <= 1 + z + z^2 on [0, 1]
    sums = exact_gamma(3 * keys + 3)  # Higham, lemma 3.3, for the quotient of two sums
    relative = (1 + eps) / (1 - eps) * (1 + sums) - 1
    return min(Fraction(1), relative + 4 * keys * _UNDERFLOW)
