"""Ranks that the tokens of one run allow: certified from above, proved from below.

Above: kernel pivots (claim kernel-residual), or the trivial fact that a kernel seen by N queries
has rank at most N and that exact attention uses it. Below: claim rank-lower.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from varnum.formulas import cost as forms
from varnum.lowrank.limits import certify_rank_lower, estimate_rank_reference
from varnum.lowrank.pivots.pivot_kernel import LowRankKernel, fit_kernel

Floats = npt.NDArray[np.float64]
_USUAL = 4  # pivots come out at least about this many times the reference


@dataclass(frozen=True)
class Ranks:
    """For one block of queries against its keys, at an entrywise relative error.

    lower <= the rank of every matrix within the error; some matrix of rank `certified` is. `kernel`
    is what certifies it, None where it is the number of tokens. `reference` is an estimate.
    """

    lower: int
    reference: int
    certified: int
    kernel: LowRankKernel | None

    @property
    def pivots(self) -> int:
        """Pivots behind the certified rank; 0 where it is the number of tokens."""
        return 0 if self.kernel is None else self.kernel.pivots


def certify_ranks(q: Floats, k: Floats, scale: float, eps: float, d_v: int, every: bool) -> Ranks:
    """q (N, d), k (L_k, d), logits scale q.k, 0 < eps < 1. Time O(N L_k min(N, L_k)).

    Pivots are fitted where they could pay, or with `every` always; elsewhere the rank is certified
    by counting tokens. That choice costs or saves time and proves nothing.
    """
    full = min(len(q), len(k))
    if full == 1 or scale == 0:
        return Ranks(1, 1, 1, None)
    sigma = 1 / scale
    lower, reference = 1, full  # what holds where the kernel leaves float64
    with np.errstate(all="ignore"), suppress(np.linalg.LinAlgError):
        reference = estimate_rank_reference(q, k, sigma, eps)
        lower = certify_rank_lower(q, k, sigma, eps)
    exact = forms.exact_scale.integer(N=len(q), L_k=len(k), d=q.shape[1], d_v=d_v)
    kernel = None
    if every or estimate_could_pay(reference, len(k), q.shape[1], d_v, exact):
        kernel = fit_rank(q, k, scale, eps)
    if kernel is None or kernel.rank >= full:
        return Ranks(lower, reference, full, None)
    return Ranks(lower, reference, kernel.rank, kernel)


def estimate_could_pay(reference: int, tokens: int, d: int, d_v: int, exact: int) -> bool:
    """Would pivots cost less than `exact` if there were as few as one may hope for?"""
    return (
        forms.pivot_scale.integer(N=tokens, d=d, d_v=d_v, m=_USUAL * reference, r=reference) < exact
    )


def fit_rank(q: Floats, k: Floats, scale: float, eps: float) -> LowRankKernel | None:
    """Certified features of these tokens, or None."""
    kernel = fit_kernel(q, k, 1 / scale, eps)
    return kernel if isinstance(kernel, LowRankKernel) else None
