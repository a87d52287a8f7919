"""Krawczyk's operator of f(x) - x in balls, and enclosures of single fixed points.

Claim loop-count. Boxes are BallArrays (d): each ball an interval.
"""

from __future__ import annotations

import numpy as np

from varnum.balls import namespace as xp
from varnum.balls.array import BallArray
from varnum.balls.questions import estimate
from varnum.balls.scalar import arb, ball, current_precision
from varnum.loop.net import Floats, Net


def image(net: Net, X: BallArray) -> BallArray:
    """Encloses f(X), coordinate by coordinate: every fixed point in X lies in it."""
    return xp.stack([BallArray(net.g.value(u)) for u in (net.weights @ X + net.bias).entries()])


def jacobian(net: Net, X: BallArray) -> BallArray:
    """Encloses f' on X, (d, d)."""
    slopes = xp.stack([BallArray(net.g.slope(u)) for u in (net.weights @ X + net.bias).entries()])
    scaled: BallArray = xp.expand_dims(slopes, axis=1) * net.weights
    return scaled


def operator(net: Net, X: BallArray) -> BallArray | None:
    """N = m - C F(m) + (I - C F'(X))(X - m), F(x) = f(x) - x; None without a float inverse C."""
    identity = np.eye(net.d)
    J = jacobian(net, X) - identity
    middle = estimate(J)
    if not np.isfinite(middle).all():
        return None
    try:
        C = np.linalg.inv(middle)
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(C).all():
        return None
    m = xp.stack([BallArray(x.mid()) for x in X.entries()])  # exact, and in X
    preconditioner = BallArray(C)
    there = image(net, m) - m
    moved: BallArray = m - preconditioner @ there + (identity - preconditioner @ J) @ (X - m)
    return moved


def inside(N: BallArray, X: BallArray) -> bool:
    """Whether N certainly lies in the interior of X."""
    pairs = zip(N.entries(), X.entries(), strict=True)
    return all(n.is_finite() and x.contains_interior(n) for n, x in pairs)


def meet(X: BallArray, Y: BallArray) -> BallArray | None:
    """Encloses the intersection; None where it is certainly empty."""
    pieces = []
    for x, y in zip(X.entries(), Y.entries(), strict=True):
        if not y.is_finite():
            pieces.append(x)
            continue
        if not x.overlaps(y):
            return None
        pieces.append(x.intersection(y))
    return xp.stack([BallArray(p) for p in pieces])


def widths(X: BallArray) -> Floats:
    """Radii in float64, not below the exact ones."""
    return X.radius_upper()


def around(m: Floats, radius: Floats) -> BallArray:
    """The box of these radii about m."""
    return xp.stack(
        [BallArray(ball(float(x)) + arb(0, float(r))) for x, r in zip(m, radius, strict=True)]
    )


def newton(net: Net, x: Floats, steps: int = 4) -> Floats:
    """Newton's iteration for f(x) = x in float64 from x (d); not rigorous."""
    for _ in range(steps):
        try:
            with np.errstate(all="ignore"):
                step = np.linalg.solve(
                    net.estimate_jacobian(x) - np.eye(net.d), net.estimate(x) - x
                )
        except np.linalg.LinAlgError:
            return x
        if not np.isfinite(step).all():
            return x
        x = x - step
        if np.abs(step).max() <= 1e-15 * np.abs(x).max():
            break
    return x


def isolate(net: Net, X: BallArray) -> tuple[BallArray, BallArray] | None:
    """(enclosure, uniqueness box): exactly one fixed point in the second, in the first; or None.

    The uniqueness box covers X, inflated around the approximate fixed point, so that a fixed point
    on a face of X is found too.
    """
    m, radius = newton(net, estimate(X)), widths(X)
    if not np.isfinite(m).all() or (np.abs(m - estimate(X)) > 3 * radius + 1e-12).any():
        return None
    reach = np.abs(m - estimate(X)) + radius
    wide = around(m, 1.25 * reach + 1e-13 * np.maximum(1, np.abs(m)))
    found = operator(net, wide)
    if found is None or not inside(found, wide):
        return None
    return found, wide


def tighten(net: Net, X: BallArray, rounds: int = 30) -> BallArray:
    """A smaller enclosure of the fixed point that X is known to enclose."""
    for _ in range(rounds):
        found = operator(net, X)
        smaller = None if found is None else meet(X, found)
        if smaller is None:
            return X
        wide = widths(smaller)
        finest = 2.0 ** (6 - current_precision()) * np.maximum(1, np.abs(estimate(smaller)))
        done = (wide > 0.95 * widths(X)).all() or (wide <= finest).all()
        X = smaller
        if done:
            break
    return X
