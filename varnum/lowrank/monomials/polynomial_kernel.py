"""All monomials of a minimax polynomial: C(d'+g, g) features, a rank known before the data.

exp(x.y) is replaced by P(x.y), P of least degree with certified relative error on [-M, M],
M = max|x| max|y|. Coordinates whose logits are negligible are left out first (a logit error zeta).
Claims monomial-rank, exp-supnorm, data-interval; rounding: condition P_abs(M) e^M <= e^(2M).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from varnum.approx.degree import certify_least_degree
from varnum.approx.target import relative
from varnum.balls.scalar import upper
from varnum.floats.guard import certified as inside_guard
from varnum.floats.inputs import freeze, positive, tokens, tolerance
from varnum.floats.norms import prefix_norms, row_norms
from varnum.floats.rounding import UNIT, exp_relative, exp_up, gamma, up
from varnum.lowrank.frame import Frame, bound_logit_residual, fit_frame, key_weights
from varnum.lowrank.monomials.monomial_features import (
    exponents,
    feature_count,
    fill_monomials,
    multinomials,
)
from varnum.tensor import Array, Tensor
from varnum.verdict import Unknown

CHUNK = 1024  # tokens per chunk: features and values stay in the cache
_MOST_FEATURES = 20_000  # beyond, no head of a few thousand tokens is worth trying
_SHARE = 0.98  # of the error goes to the polynomial, the rest to rounding
_FAR = 60.0  # e^60 is 1e26: rounding alone, gamma e^(2 M), is past use long before
_LEAST_REACH = 1e-6  # a larger interval is as good, and its polynomial has no tiny denominators
_U = UNIT["float64"]


@dataclass(frozen=True)
class PolynomialKernel:
    """P(x.y) through monomials of x and y (L, d'), with key weights; see `factors.Kernel`."""

    x: Array
    y: Array
    weights: Array
    coefficients: tuple[float, ...]
    certified: float
    size: float  # P_abs(M): sum |c_m| M^m, bounds the sum of |features| of any pair
    frame: Frame | None = None  # for other tokens; None: these alone
    reach: float = 0.0  # M, the polynomial is within `error` of exp on [-M, M], relative
    error: float = 1.0

    def __post_init__(self) -> None:
        freeze(self.x, self.y, self.weights)

    @property
    def degree(self) -> int:
        """g."""
        return len(self.coefficients) - 1

    @property
    def rank(self) -> int:
        """C(d' + g, g)."""
        return feature_count(self.x.shape[1], self.degree)

    def columns(self, values: Array, part: slice) -> Array:
        """Sum over keys of the weighted features times values: the state."""
        state = accumulate_state(self.y[part], values, self.degree, self.weights[part])
        return np.asarray(state * self._fold())

    def rows(self, state: Array, part: slice) -> Array:
        """Features of the queries times the state."""
        x = self.x[part]
        return np.concatenate(
            [
                monomial_rows(x[s : s + CHUNK], self.degree).T @ state
                for s in range(0, len(x), CHUNK)
            ]
        )

    def key_mass(self, part: slice) -> float:
        """Sum of the key weights."""
        return up(float(self.weights[part].sum()), len(self.weights) + 8)

    def query_size(self, part: slice) -> float:
        """P_abs(M): sizes of features are bounded in pairs."""
        return self.size

    def _fold(self) -> Array:
        """c_m m!/alpha! per feature, (r, 1): folded into the state instead of every feature."""
        d = self.x.shape[1]
        degrees = [sum(alpha) for alpha in exponents(d, self.degree)]
        counts = np.array(multinomials(d, self.degree), dtype=float)
        return np.asarray((counts * np.array(self.coefficients)[degrees])[:, None])


def monomial_rows(side: Tensor, degree: int, out: Tensor | None = None) -> Tensor:
    """All monomials of tokens (n, d), feature-major (C(d+g, g), n); NumPy or torch."""
    n, d = int(side.shape[0]), int(side.shape[1])
    rows = feature_count(d, degree)
    if isinstance(side, np.ndarray):
        out = np.empty((rows, n), dtype=side.dtype) if out is None else out[:, :n]
        multiply: Callable[..., object] = np.multiply
    else:
        import torch

        out = side.new_empty((rows, n)) if out is None else out[:, :n]
        multiply = torch.multiply
    out[0] = 1
    if degree:
        out[1 : 1 + d] = side.T
    return fill_monomials(d, degree, out, multiply)


def accumulate_state(
    y: Tensor, values: Tensor, degree: int, weights: Tensor | None = None
) -> Tensor:
    """sum_j w_j monomials(y_j) values_j^T, chunk by chunk: (n, d), (n, d_v) -> (r, d_v)."""
    state, room = None, None
    for start in range(0, int(y.shape[0]), CHUNK):
        part = y[start : start + CHUNK]
        features = monomial_rows(part, degree, room)
        room = features if room is None else room
        chunk = values[start : start + CHUNK]
        if weights is not None:
            chunk = chunk * weights[start : start + CHUNK, None]
        if state is None:
            state = features @ chunk
        else:
            state += features @ chunk
    return state


@inside_guard
def fit_polynomial(
    q: Array, k: Array, sigma: float, eps: float, most: int = _MOST_FEATURES
) -> PolynomialKernel | Unknown:
    """The fewest monomials found with certified entrywise relative error `eps`, or why none.

    q (L_q, d), k (L_k, d), widened to float64. Tries every number of coordinates d' <= d; none
    where half of Taylor's degree needs more than `most` features, before anything is certified.
    Raises InputError for what is not finite or out of place.
    """
    q = tokens(q, "q")
    k = tokens(k, "k", q.shape[1])
    sigma, eps = positive(sigma, "sigma"), tolerance(eps)
    plans = [_plan(q, k, sigma, eps, centre) for centre in (True, False)]
    found = [plan for plan in plans if plan is not None]
    if not found:
        return Unknown("the norms allow logits beyond any useful degree")
    best = min(found, key=lambda plan: plan.features)
    if best.features > _MOST_FEATURES or feature_count(best.size, best.degree // 2) > most:
        why = f"degree {best.degree} in {best.size} coordinates needs {best.features} features"
        return Unknown(why)
    return _certified(best, eps)


@dataclass(frozen=True)
class _Plan:
    """Coordinates of both sides (L, d'), key weights, and a degree that Taylor says is enough."""

    frame: Frame
    x: Array
    y: Array
    weights: Array
    degree: int
    zeta: float  # what is left out of a logit
    reach: float  # not below |x.y|

    @property
    def size(self) -> int:
        return int(self.x.shape[1])

    @property
    def features(self) -> int:
        return feature_count(self.size, self.degree)


def _plan(q: Array, k: Array, sigma: float, eps: float, centre: bool) -> _Plan | None:
    """The fewest features over all numbers of coordinates, centred at the means or as given.

    Centring shrinks the logits of most heads, and enlarges them where tokens surround 0.
    """
    frame = _rotated(fit_frame(q, k, sigma, centre=centre), q, k)
    x, y = frame.queries(q), frame.keys(k)
    weights, slip = key_weights(frame, k, y, squares=False)
    base = bound_logit_residual(frame, q, k, x, y) + slip
    kept, left = _reaches(x, y)
    best: _Plan | None = None
    for size in range(1, q.shape[1] + 1):
        zeta, reach = up(base + float(left[size])), up(float(kept[size]))
        if not (zeta < eps / 2 and reach < _FAR):
            continue
        degree = _degree_for(reach, (1 + eps) / exp_up(zeta) - 1)
        plan = _Plan(frame, x[:, :size], y[:, :size], weights, degree, zeta, reach)
        if best is None or plan.features < best.features:
            best = plan
    return best


def _certified(plan: _Plan, eps: float) -> PolynomialKernel | Unknown:
    zeta = plan.zeta
    room = ((1 + eps) / exp_up(zeta) - 1) * _SHARE
    reach = max(plan.reach, _LEAST_REACH)
    if _least_rounding(reach, room) > eps:
        return Unknown(f"rounding in float64 leaves more than {eps:.3g}, with logits {reach:.3g}")
    found = certify_least_degree(relative(Fraction(reach)), Fraction(room))
    if isinstance(found, Unknown):
        return found
    coefficients = tuple(float(c) for c in found.poly.coefficients())
    size = up(sum(abs(c) * reach**m for m, c in enumerate(coefficients)), 4 * len(coefficients) + 8)
    rounding = gamma(4 * len(coefficients) + 8) * size * exp_up(reach)
    error = float(upper(found.upper.high)) * (1 + 4 * _U) + rounding
    kernel = PolynomialKernel(
        plan.x,
        plan.y,
        plan.weights,
        coefficients,
        _whole(error, zeta),
        size,
        plan.frame,
        reach,
        error,
    )
    if not kernel.certified <= eps:
        return Unknown(
            f"rounding in float64 leaves {kernel.certified:.3g} at degree {kernel.degree}"
        )
    return kernel


def _least_rounding(reach: float, room: float) -> float:
    """About the least that rounding costs at any degree: P_abs(M) is not below P(M)."""
    return gamma(4) * (1 - room) * float(np.exp(2 * reach))


def _whole(error: float, zeta: float) -> float:
    """Relative error of the kernel: of the polynomial, of what logits left out, of the weights."""
    return up((1 + error) * exp_up(zeta) * (1 + exp_relative(_U)) - 1 + 8 * _U)


@inside_guard
def certify_polynomial(fitted: PolynomialKernel, q: Array, k: Array) -> PolynomialKernel | Unknown:
    """The same polynomial for other tokens q (L_q, d), k (L_k, d), and what is certified for them.

    Unknown where their logits leave the interval, or too much of them the coordinates.
    """
    frame, size = fitted.frame, fitted.x.shape[1]
    if frame is None:
        return Unknown("this kernel is for its own tokens")
    q, k = (tokens(part, name, len(frame.q0)) for part, name in ((q, "q"), (k, "k")))
    x, y = frame.queries(q), frame.keys(k)
    weights, slip = key_weights(frame, k, y, squares=False)
    base = bound_logit_residual(frame, q, k, x, y) + slip
    zeta = up(base + _far(x[:, size:]) * _far(y[:, size:]))
    reach = up(_far(x[:, :size]) * _far(y[:, :size]))
    if not (zeta < 1 and reach <= fitted.reach):
        return Unknown(
            f"logits up to {reach:.3g} (at most {fitted.reach:.3g}), {zeta:.3g} left out"
        )
    certified = _whole(fitted.error, zeta)
    return replace(fitted, x=x[:, :size], y=y[:, :size], weights=weights, certified=certified)


@np.errstate(all="ignore")
def _rotated(frame: Frame, q: Array, k: Array) -> Frame:
    """The same frame turned so that the first coordinates carry the logits."""
    x, y = frame.queries(q), frame.keys(k)
    energy = x.T @ x / max(float(np.sum(x * x)), 1e-300)
    energy += y.T @ y / max(float(np.sum(y * y)), 1e-300)
    energy = energy if np.isfinite(energy).all() else np.eye(len(energy))  # valid, if not good
    turn = np.linalg.eigh(energy)[1][:, ::-1]
    return Frame(frame.q0, frame.k0, frame.a @ turn, frame.b @ turn, frame.sigma)


def _reaches(x: Array, y: Array) -> tuple[Array, Array]:
    """Not below |x.y| over the first 0, 1, .., d coordinates, over the others: (d + 1,) each."""
    kept = prefix_norms(x) * prefix_norms(y)
    left = prefix_norms(x[:, ::-1]) * prefix_norms(y[:, ::-1])
    return kept, left[::-1]


def _far(side: Array) -> float:
    return float(row_norms(side).max()) if side.shape[1] else 0.0


def _degree_for(reach: float, eps: float) -> int:
    """A degree that surely suffices, cheap: Taylor's relative error e^M M^(g+1)/(g+1)!."""
    term, degree = float(np.exp(reach)) * reach, 0
    while term > eps and degree < 400:
        degree += 1
        term *= reach / (degree + 1)
    return degree
