"""2^d fixed points at once: closed forms for the cubic and for tanh, any dimension.

Claims loop-cubic and loop-tanh. One orthant stands for all: both activations are odd, so signs of
coordinates can be multiplied into W and b without changing their norms. Nothing is enumerated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.balls.scalar import ball, certainly_at_most, lower, precision, upper
from varnum.errors import InputError
from varnum.formulas import loop as f
from varnum.loop.net import UNIT, Net
from varnum.verdict import Unknown

_BITS = 96
_STEPS = 64  # of a bisection: beyond float64
_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Shape:
    """What the closed forms read of a network: ||W - c I|| <= e, |b_i| <= beta, dimension d.

    Norms are maxima over rows; all numbers are exact.
    """

    d: int
    e: Fraction
    beta: Fraction
    c: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.d < 1:
            raise InputError(f"dimension: {self.d}; allowed is 1 or more")
        if self.e < 0 or self.beta < 0:
            raise InputError("e and beta: negative; allowed are norms, 0 or more")


@dataclass(frozen=True)
class Orthants:
    """2^d boxes prod eps_i [low, high] that f maps into themselves, one in each orthant.

    Each holds a fixed point, under every noise of at most nu in each entry of each loop no orbit
    leaves. rate < 1: the fixed point is the only one of its box and attracts all of it, |x_T - p|
    <= rate^T |x_0 - p| + nu (1 - rate^T)/(1 - rate) in the maximum norm; None: not known.
    tolerance: the shift e + beta (cubic) or e m + beta (tanh) may grow to it; noise: nu may.
    """

    shape: Shape
    low: Fraction
    high: Fraction
    rate: Fraction | None
    shift: Fraction
    tolerance: Fraction
    noise: Fraction


def shape_of(net: Net, centred: bool) -> Shape:
    """||W - c I|| and max|b| of a network, never below the exact ones.

    centred: c = 1; otherwise c is chosen to make the norm least. Rows are summed in float64; the
    relative error of d + 2 roundings in any order is below 2 (d + 2) u (claim float-forward).
    """
    with np.errstate(over="ignore"):  # refused below
        diagonal = np.diagonal(net.W).astype(np.float64)
        others = np.empty(net.d)
        for start in range(0, net.d, 256):
            rows = np.abs(net.W[start : start + 256].astype(np.float64))
            rows[np.arange(len(rows)), np.arange(start, start + len(rows))] = 0.0
            others[start : start + 256] = rows.sum(axis=1)
        c = 1.0 if centred else float((np.max(diagonal + others) + np.min(diagonal - others)) / 2)
        row = float(np.max(np.abs(diagonal - c) + others))
    if not np.isfinite([row, c]).all():
        raise InputError("W: its row sums overflow float64")
    slack = 1 + 2 * (net.d + 2) * UNIT
    beta = Fraction(float(np.max(np.abs(net.b.astype(np.float64)))))
    return Shape(net.d, Fraction(row) * slack, beta, Fraction(c))


# --- the cubic ----------------------------------------------------------------------------------


def certify_cubic(shape: Shape, nu: Fraction = Fraction(0)) -> Orthants | Unknown:
    """2^d boxes of f(x) = g(W x + b) + noise, g(u) = (3u - u^3)/2; exact rationals throughout.

    Claim loop-cubic; the published constants (|g'| < 0.95) are repaired there. Unknown above the
    threshold e(1 + nu) + beta + nu = 1/(3 sqrt 3), which is sharp: see `counterexample`.
    """
    s = f.cubic_shift.exact(e=shape.e, beta=shape.beta, nu=nu)
    if 27 * s * s > 1:
        return Unknown("the shift is above 1/(3 sqrt 3) = 0.19245..: some W and b lose a box")
    t = _largest(_HALF, Fraction(1), lambda x: 3 * x * x >= 1 and f.cubic_gain.exact(t=x) >= s)
    if t is None or f.cubic.exact(u=1 + s) < t + s:
        return Unknown("the shift is too near 1/(3 sqrt 3) to be told apart")
    rate = f.cubic_rate.exact(e=shape.e, s=s, t=t)
    with precision(_BITS):
        threshold = lower(f.cubic_threshold.ball())
    return Orthants(
        shape, t + s - nu, 1 + nu, rate if rate < 1 else None, shape.e + shape.beta, threshold,
        max(Fraction(0), (threshold - shape.e - shape.beta) / (1 + shape.e)),
    )  # fmt: skip


def _largest(low: Fraction, high: Fraction, holds: Callable[[Fraction], bool]) -> Fraction | None:
    """The largest point found by bisection at which `holds` (true, then false), or None."""
    best: Fraction | None = high if holds(high) else None
    while best is None and high - low > Fraction(1, 2**_STEPS):
        middle = (low + high) / 2
        # below 1/sqrt 3 the gain still rises: the wanted end is above
        if holds(middle) or 3 * middle * middle < 1:
            low = middle
        else:
            high = middle
    return best if best is not None else low if holds(low) else None


# --- tanh ---------------------------------------------------------------------------------------


def certify_tanh(shape: Shape, nu: Fraction = Fraction(0)) -> Orthants | Unknown:
    """2^d boxes of f(x) = tanh(W x + b) + noise, ||W - c I|| <= e, c > 1; balls decide.

    Claim loop-tanh. A box [y, m]^d stays if tanh((c + e) m + beta) + nu <= m and
    tanh(c y - e m - beta) - nu >= y; the rate is (c + e)(1 - (y + nu)^2).
    """
    c, e, beta = shape.c, shape.e, shape.beta
    if c <= 1:
        return Unknown(f"W is nearest to c I with c = {float(c):.4g}: c > 1 is needed")
    with precision(_BITS):
        box = _tanh_box(shape, nu)
        if box is None:
            return Unknown("e m + beta is above sqrt(c(c-1)) - artanh sqrt(1 - 1/c), or too near")
        y, m = box
        rate = upper((ball(c) + ball(e)) * (1 - ball(y + nu) ** 2))
        threshold = lower(f.tanh_threshold.ball(c=c))
        noise = _largest_noise(shape, nu)
    return Orthants(shape, y, m, rate if rate < 1 else None, e * m + beta, threshold, noise)


def _tanh_box(shape: Shape, nu: Fraction) -> tuple[Fraction, Fraction] | None:
    """A certified box [y, m], y as large as the bisection finds; None where there is none."""
    c, e, beta = shape.c, shape.e, shape.beta

    def stays_below(m: Fraction) -> bool:
        return certainly_at_most((ball(c + e) * ball(m) + ball(beta)).tanh() + ball(nu), m)

    m = Fraction(1) + nu
    if not stays_below(m):  # tanh < 1: only rounding
        return None
    m = _smallest(Fraction(0), m, stays_below)
    s = e * m + beta

    def stays_above(y: Fraction) -> bool:
        return certainly_at_most(y, (ball(c * y - s)).tanh() - ball(nu))

    # tanh(c y - s) - y rises to its one top where it is concave, and falls from there: the larger
    # root is above the top
    top = _top(c, s)
    if top is None or not stays_above(top):
        return None
    y = _largest_above(top, m, stays_above)
    return (y, m) if 0 < y <= m else None


def _top(c: Fraction, s: Fraction) -> Fraction | None:
    """A rational near the point where the slope of tanh(c y - s) is 1, on its far side."""
    y = (ball(1 - 1 / c).sqrt().atanh() + ball(s)) / ball(c)
    return upper(y) if y.is_finite() else None


def _smallest(low: Fraction, high: Fraction, holds: Callable[[Fraction], bool]) -> Fraction:
    """Bisect down from `high`, where it holds."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _largest_above(low: Fraction, high: Fraction, holds: Callable[[Fraction], bool]) -> Fraction:
    """Bisect up from `low`, where it holds."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _largest_noise(shape: Shape, start: Fraction) -> Fraction:
    """A noise per loop that is tolerated, at least `start`, by bisection."""
    low, high = start, Fraction(1)
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if _tanh_box(shape, middle) else (low, middle)
    return low


# --- just outside -------------------------------------------------------------------------------


Rows = list[list[Fraction]]


def counterexample(kind: str, shape: Shape) -> tuple[Rows, list[Fraction]] | None:
    """W (d, d) and b (d) of exactly these norms with no fixed point in (+, .., +), or None.

    Beyond the threshold only. Cubic: W = I - e E_12, b = -beta e_1, for e + beta < sqrt 3. Tanh:
    first rows (c, -e) and (0, c + e), b = (-beta, beta). In one dimension only with e = 0.
    """
    e, beta, c, d = shape.e, shape.beta, shape.c, shape.d
    if d == 1 and e > 0:
        return None
    if kind == "cubic":
        s = e + beta
        beyond = 27 * s * s > 1 and s * s < 3
    else:
        beyond = c > 1 and _tanh_loses(shape)
    if not beyond:
        return None
    W = [[c if i == j else Fraction(0) for j in range(d)] for i in range(d)]
    b = [-beta] + [Fraction(0)] * (d - 1)
    if d > 1:
        W[0][1] = -e
        if kind == "tanh":
            W[1][1], b[1] = c + e, beta
    return W, b


def _tanh_loses(shape: Shape) -> bool:
    """Whether e m + beta is certainly above s*(c), with m from below."""
    with precision(_BITS):
        c, e, beta = shape.c, shape.e, shape.beta
        m = Fraction(1)
        for _ in range(200):  # m = tanh((c + e) m + beta) is reached from above
            m = upper((ball(c + e) * ball(m) + ball(beta)).tanh())
        low = _smallest_reached(c + e, beta, m)
        return bool(ball(e * low + beta) > f.tanh_threshold.ball(c=c))


def _smallest_reached(gain: Fraction, beta: Fraction, m: Fraction) -> Fraction:
    """A number below the fixed point m: where tanh(gain m + beta) is still above."""
    low = m * (1 - Fraction(1, 2**40))
    return low if (ball(gain) * ball(low) + ball(beta)).tanh() > ball(low) else Fraction(0)
