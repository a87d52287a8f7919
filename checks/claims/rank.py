"""Ranks and features on small heads: what is certified against what the tokens show.

monomial-rank (exact over the rationals), anisotropic-rank, data-interval (exact rationals),
kernel-residual, rank-lower, moment-certificate, recovery. Adversaries: integer points, the corner
of the box, offsets that make rounding large, tokens with a steep spectrum.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from varnum.balls.scalar import upper
from varnum.lowrank.anisotropic import certify_anisotropic_tail, choose_indices
from varnum.lowrank.counting import rank
from varnum.lowrank.frame import bound_logit_residual, fit_frame
from varnum.lowrank.limits import certify_rank_lower, estimate_rank_reference
from varnum.lowrank.moments.basis import fit_basis
from varnum.lowrank.moments.moment_state import MomentState
from varnum.lowrank.pivots.pivot_kernel import fit_kernel
from varnum.lowrank.recovery.lens import fit_lens
from varnum.lowrank.recovery.recovery_state import RecoveryState
from varnum.proof.checking import Measurement, main, summarise
from varnum.verdict import Unknown

EVERY = 20  # trials that one head stands for
Pairs = list[tuple[float, float]]


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Pairs (measured, claimed) of the six claims; a head for every EVERY trials, at least four."""
    rng = np.random.default_rng(seed)
    found = []
    for claim, (what, trial) in CLAIMS.items():
        pairs: tuple[Pairs, Pairs] = [], []
        for _ in range(max(4, trials // EVERY)):
            for adversarial in (False, True):
                pairs[adversarial].append(trial(rng, adversarial))
        random, adversary = (tuple(np.array(kind, dtype=float).T) for kind in pairs)
        found.append(summarise(claim, what, random, adversary))
    return found


def head(rng: Any, adversarial: bool, tokens: int = 40) -> tuple[Any, Any, float]:
    """q, k (tokens, d) and sigma; adversarial: a steep spectrum and offsets."""
    d = int(rng.integers(2, 7))
    spectrum = 0.5 ** np.arange(d) if adversarial else np.ones(d)
    offsets = rng.standard_normal((2, 1, d)) * 3 * adversarial
    q, k = rng.uniform(-1, 1, (2, tokens, d)) * spectrum + offsets
    return q, k, float(d) ** 0.5


def monomial(rng: Any, adversarial: bool) -> tuple[int, int]:
    """Exact rank of P(q.k) at integer points; adversarial: every coefficient 1, distinct points."""
    d, g = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    coefficients = np.ones(g + 1, int) if adversarial else rng.integers(-1, 2, g + 1)
    q, k = rng.integers(-50, 51, (2, rank(d, g) + 2, d))
    rows = [
        [QQ(sum(int(c) * int(x) ** j for j, c in enumerate(coefficients))) for x in row]
        for row in q @ k.T
    ]
    return DomainMatrix(rows, (len(rows), len(rows)), QQ).rank(), rank(d, g)


def anisotropic(rng: Any, adversarial: bool) -> tuple[float, float]:
    """Omitted part of exp at a point of the box; adversarial: its corner."""
    bounds = [Fraction(int(x), 8) for x in rng.integers(1, 9, 3)]
    kept = choose_indices(bounds, int(rng.integers(1, 15)))
    share = np.ones(3) if adversarial else rng.uniform(-1, 1, 3)
    t = [float(b) * float(s) for b, s in zip(bounds, share, strict=True)]
    terms = (prod(x**a / _FACTORIAL[a] for x, a in zip(t, index, strict=True)) for index in kept)
    error = abs(np.exp(sum(t)) - sum(terms)) - 1e-14 * np.exp(sum(map(abs, t)))  # of float64
    return max(error, 0.0), float(upper(certify_anisotropic_tail(bounds, kept)))


_FACTORIAL = [prod(range(1, n + 1)) for n in range(60)]


def interval(rng: Any, adversarial: bool) -> tuple[float, float]:
    """Largest |(q - q0).(k - k0)/sigma - x.y| over all pairs, exactly, against zeta."""
    q, k, _ = head(rng, adversarial, tokens=6)
    frame = fit_frame(q, k, 4.0)
    x, y = frame.queries(q), frame.keys(k)
    worst = max(
        abs(_dot(_less(a, frame.q0), _less(b, frame.k0)) / 4 - _dot(_exact(u), _exact(w)))
        for (a, u), (b, w) in product(zip(q, x, strict=True), zip(k, y, strict=True))
    )
    return float(worst), bound_logit_residual(frame, q, k, x, y)


def _exact(row: Any) -> list[Fraction]:
    return [Fraction(float(entry)) for entry in row]


def _less(row: Any, centre: Any) -> list[Fraction]:
    return [a - b for a, b in zip(_exact(row), _exact(centre), strict=True)]


def _dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def residual(rng: Any, adversarial: bool) -> tuple[float, float]:
    """Least relative error of the pivot features over row factors, against the certified one."""
    q, k, sigma = head(rng, adversarial)
    kernel = fit_kernel(q, k, sigma, 10.0 ** rng.uniform(-3, -1))
    if isinstance(kernel, Unknown):
        return 0, 1  # refused: nothing is claimed
    features = kernel.phi @ (kernel.psi * kernel.weights[:, None]).T
    logits = q @ k.T / sigma
    ratios = features / np.exp(logits - logits.max(1, keepdims=True))
    low, high = ratios.min(1), ratios.max(1)
    return float(((high - low) / (high + low)).max()), kernel.certified


def lower_bound(rng: Any, adversarial: bool) -> tuple[int, int]:
    """The proved lower bound against a rank that was reached: a truncated SVD's."""
    q, k, sigma = head(rng, adversarial)
    eps = 10.0 ** rng.uniform(-4, -1)
    return certify_rank_lower(q, k, sigma, eps), estimate_rank_reference(q, k, sigma, eps)


def moments(rng: Any, adversarial: bool) -> tuple[float, float]:
    """Error of the row closest to its certified one, in units of the values' range."""
    q, k, sigma = head(rng, adversarial, tokens=200)
    q, k = q / 2, k / 2
    v = rng.standard_normal((len(k), 2))
    state = MomentState(fit_basis(q, k, sigma, q.shape[1], 2, 1, q), v.shape[1])
    state.add(k, v)
    out = np.empty((len(q), 2))
    claimed = state.attend(q, out).error
    logits = q @ k.T / sigma
    weights = np.exp(logits - logits.max(1, keepdims=True))
    exact = weights @ v / weights.sum(1, keepdims=True)
    measured = (np.abs(out - exact) / (v.max(0) - v.min(0))).max(1)
    closest = int(np.argmax(measured / claimed))
    return float(measured[closest]), float(claimed[closest])


def recovery(rng: Any, adversarial: bool) -> tuple[float, float]:
    """The same for block optimal recovery, with a few blocks and products."""
    q, k, sigma = head(rng, adversarial, tokens=200)
    v = np.sign(k[:, :1]) * np.array([1.0, -1.0]) + 0.3 * rng.standard_normal((len(k), 2))
    lens = fit_lens(q, k, sigma, q)
    tops = ((), (1,), (2,), (2, 1))[int(rng.integers(4))]
    state = RecoveryState(lens, int(rng.integers(1, 200)), tops, v.mean(0))
    state.add(k, v)
    out, claimed = state.attend(q)
    logits = q @ k.T / sigma
    weights = np.exp(logits - logits.max(1, keepdims=True))
    exact = weights @ v / weights.sum(1, keepdims=True)
    measured = (np.abs(out - exact) / (v.max(0) - v.min(0))).max(1)
    closest = int(np.argmax(measured / claimed))
    return float(measured[closest]), float(claimed[closest])


CLAIMS: dict[str, tuple[str, Callable[[Any, bool], tuple[float, float]]]] = {
    "monomial-rank": ("exact rank of P(q.k)", monomial),
    "anisotropic-rank": ("omitted part of exp", anisotropic),
    "data-interval": ("logit left over by centring and turning", interval),
    "kernel-residual": ("relative error of pivot features", residual),
    "rank-lower": ("rank excluded below, rank reached", lower_bound),
    "moment-certificate": ("output error over range, per row", moments),
    "recovery": ("output error over range, per row", recovery),
}


if __name__ == "__main__":
    sys.exit(main(measure))
