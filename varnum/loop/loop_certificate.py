"""One fixed point, proved: existence, uniqueness, a ball of attraction, its rate, tolerated noise.

Claims loop-certificate and loop-stages, for any network that can be walked (`net`, `block`).
Everything that decides is in balls; floats only propose the point, the norm and the radius.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from varnum.balls import namespace as xp
from varnum.balls.array import BallArray
from varnum.balls.scalar import arb, ball, lower, precision, upper
from varnum.balls.spectrum import spectral_radius
from varnum.loop.contraction_norms import Norm, candidates
from varnum.loop.kantorovich import bends_of, lipschitz, norm_of
from varnum.loop.net import Floats
from varnum.loop.tape import Tape, Var
from varnum.verdict import Unknown

_BITS = 80
_RATE = Fraction(99, 100)  # of the reported ball; nearer to 1 the radius grows little
_HALVINGS = 14


class Network(Protocol):
    """What can be certified: `Net`, `Block`."""

    @property
    def d(self) -> int:
        """Entries of the state."""

    def estimate(self, x: Floats) -> Floats:
        """f in float64."""

    def walk(self, tape: Tape, x: BallArray, S: BallArray | None) -> Var:
        """f and its derivatives in balls."""


@dataclass(frozen=True)
class Certificate:
    """Exactly one fixed point p with |S^-1 (p - point)| <= radius, and which orbits reach it.

    stable: True attracting, False an eigenvalue is outside the unit circle, None not known. If
    attracting, from anywhere in the ball |f(x) - p| <= rate |x - p| in this norm; near: the same
    factor at the point itself; within: |p - point| in this norm; noise: of this norm per loop keeps
    some ball. entry_*: the same per entry, for the largest cube inside, and |p_i - point_i| <=
    entry_within for every i; length: radius of the largest Euclidean ball inside. bound:
    "Kantorovich" or "interval Jacobian".
    """

    point: tuple[float, ...]
    norm: str
    scaling: Norm
    bound: str
    stable: bool | None
    radius: Fraction
    within: Fraction
    entry_within: Fraction
    rate: Fraction | None
    near: Fraction | None
    noise: Fraction
    entry_radius: Fraction
    entry_noise: Fraction
    length: Fraction
    lipschitz: Fraction | None

    def rate_within(self, far: Fraction) -> Fraction | None:
        """A bound of |f(x) - p| / |x - p| for |x - point| <= far (in the norm); None outside.

        Near the point it is below `rate`: the Jacobian is averaged along [p, x].
        """
        if self.rate is None or self.near is None or far > self.radius:
            return None
        if self.lipschitz is None:
            return self.rate
        return min(self.rate, self.near + self.lipschitz * (far + self.within) / 2)

    def stop_below(self, tolerance: Fraction) -> Fraction | None:
        """A Euclidean step that proves max|x_t - p| <= tolerance within half the ball, or None."""
        K = self.rate_within(self.radius / 2)
        if not K or K >= 1:
            return None
        with precision(_BITS):
            scale = upper(self.scaling.largest_entry()) * upper(self.scaling.per_length())
        return tolerance * (1 - K) / (K * scale)


def certify_fixed_point(f: Network, start: Floats | None = None) -> Certificate | Unknown:
    """The fixed point that iteration, then Newton's method, finds from `start` (d); default 0.

    The norm with the largest cube of attraction is kept. Unknown with the reason otherwise.
    """
    found = locate(f, np.zeros(f.d) if start is None else start)
    if found is None:
        return Unknown("no fixed point was found from the start: neither iteration nor Newton's")
    with precision(_BITS):
        plain = BallArray(np.eye(f.d))
        J = _walked(f, found, plain)[1].blocks[0]
        assert J is not None
        middle = J.estimate()
        if not np.isfinite(middle).all():
            return Unknown("the Jacobian at the point is not finite")
        best: Certificate | None = None
        for norm in candidates(middle):
            tried = _attracting(f, found, norm)
            if tried is not None and (best is None or tried.entry_radius > best.entry_radius):
                best = tried
        return best if best is not None else _isolated(f, found, middle)


def locate(f: Network, x: Floats, loops: int = 2000) -> Floats | None:
    """A float64 point near a fixed point, by iteration and then Newton's method; not rigorous."""
    x = np.asarray(x, dtype=np.float64).ravel()
    with np.errstate(all="ignore"):
        for _ in range(loops):
            before, x = x, f.estimate(x)
            if not np.isfinite(x).all():
                return None
            if np.abs(x - before).max() <= 1e-15 * max(1.0, np.abs(x).max()):
                break
        return polish(f, x)


def polish(f: Network, x: Floats, steps: int = 8) -> Floats | None:
    """Newton's method for f(x) = x in float64; None unless it ends near a fixed point."""
    for _ in range(steps):
        gap = f.estimate(x) - x
        if np.abs(gap).max() <= 4e-16 * max(1.0, np.abs(x).max()):
            return x
        _, out = _walked(f, x, BallArray(np.eye(f.d)))
        J = out.blocks[0]
        middle = np.full((1, 1), np.nan) if J is None else J.estimate()
        if not np.isfinite(middle).all():
            return None
        try:
            x = x - np.linalg.solve(middle - np.eye(f.d), gap)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(x).all():
            return None
    return x if np.abs(f.estimate(x) - x).max() <= 1e-9 * max(1.0, np.abs(x).max()) else None


def _walked(f: Network, x: Floats, S: BallArray) -> tuple[Tape, Var]:
    tape = Tape()
    return tape, f.walk(tape, BallArray(x), S)


# --- attraction ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Test:
    """`rate(r)` >= |S^-1 J S| averaged towards the point over the ball of radius r, or infinite."""

    residual: arb
    near: arb
    rate: Callable[[arb], arb]
    constant: Callable[[arb], arb] | None

    def stays(self, r: arb, nu: arb) -> bool:
        return bool(self.residual + nu + self.rate(r) * r <= r)


def _attracting(f: Network, x: Floats, norm: Norm) -> Certificate | None:
    """The largest ball found in this norm, or None where it does not contract at the point."""
    tape, out = _walked(f, x, norm.S)
    J = norm.inverse @ out.blocks[0]
    near = norm.of_matrix(J)
    if not near < 1:
        return None
    residual = norm.of(out.value - BallArray(x))
    if norm.euclidean:
        moved = Var(norm.inverse @ out.value, tuple(_times(norm.inverse, b) for b in out.blocks))
        bends = bends_of(tape.nodes, moved)

        def constant(r: arb) -> arb:
            return lipschitz(bends, r)

        def rate(r: arb) -> arb:
            return (near + constant(r) * r / 2).upper()

        test = _Test(residual, near, rate, constant)
    else:
        test = _Test(residual, near, lambda r: _interval_rate(f, x, norm, r), None)
    return _largest_ball(x, norm, test)


def _times(A: BallArray, block: BallArray | None) -> BallArray | None:
    return None if block is None else A @ block


def _interval_rate(f: Network, x: Floats, norm: Norm, r: arb) -> arb:
    """The norm of an enclosure of the Jacobian over the ball of radius r."""
    rows = xp.sum(abs(norm.S), axis=1)
    box = BallArray(x) + rows * BallArray(arb(0, 1) * r)
    out = f.walk(Tape(), box, norm.S)
    J = norm.inverse @ out.blocks[0]
    found = norm.of_matrix(J) if np.isfinite(J.estimate()).all() else arb.pos_inf()
    return found if found.is_finite() else arb.pos_inf()


def _largest_ball(x: Floats, norm: Norm, test: _Test) -> Certificate | None:
    """Bisect the radius: the ball stays, and its rate is at most _RATE (or near the point's)."""
    aim = ball(_RATE).max((1 + test.near) / 2)
    small = (2 * test.residual / (1 - test.near) + arb(2.0**-70)).upper()
    if not (test.stays(small, arb(0)) and test.rate(small) < 1):
        return None

    def good(r: arb) -> bool:
        return bool(_rate_to_point(test, r, small) <= aim) and test.stays(r, arb(0))

    low, high = small, (small * 2).max(arb(2.0**-20))
    while good(high) and high < 1e6:
        low, high = high, high * 4
    for _ in range(_HALVINGS):
        middle = ((low * high).sqrt() if low > 0 else high / 2).mid()
        low, high = (middle, high) if good(middle) else (low, middle)
    rate = _rate_to_point(test, low, small)
    if not rate < 1:
        return None
    noise = _noise(test, low)
    per_entry, per_length = norm.per_entry(), norm.per_length()
    constant = None if test.constant is None else test.constant(low)
    return Certificate(
        point=tuple(map(float, x)),
        norm=norm.name,
        scaling=norm,
        bound="interval Jacobian" if constant is None else "Kantorovich",
        stable=True,
        radius=lower(low),
        within=upper(small),
        entry_within=upper(small * norm.largest_entry()),
        rate=upper(rate),
        near=upper(test.near if constant is None else test.near + constant * small),
        noise=lower(noise),
        entry_radius=lower(low / per_entry),
        entry_noise=lower(noise / per_entry),
        length=lower(low / per_length),
        lipschitz=None if constant is None else upper(constant),
    )


def _rate_to_point(test: _Test, r: arb, small: arb) -> arb:
    """A bound of |f(x) - p| / |x - p| over the ball: the Jacobian averaged along [p, x]."""
    if test.constant is None:
        return test.rate(r)
    return (test.near + test.constant(r) * (r + small) / 2).upper()


def _noise(test: _Test, radius: arb) -> arb:
    """The largest noise found that keeps some ball of at most this radius."""
    best = arb(0)
    for k in range(1, 33):
        r = (radius * k / 32).lower()
        room = (r - test.rate(r) * r - test.residual).lower()
        if room > best:
            best = room
    return best


# --- without attraction -------------------------------------------------------------------------


def _isolated(f: Network, x: Floats, J: Floats) -> Certificate | Unknown:
    """Existence and uniqueness by Newton's map, and instability by powers of the Jacobian.

    N(y) = y - C (f(y) - y): |N(x) - x|, |I - C (J - I)| and the constant |C| L of its derivative.
    """
    try:
        C = np.linalg.inv(J - np.eye(f.d))
    except np.linalg.LinAlgError:
        return Unknown("the Jacobian has an eigenvalue near 1 at the point: nothing is decided")
    tape, out = _walked(f, x, BallArray(np.eye(f.d)))
    enclosed, preconditioner = out.blocks[0], BallArray(C)
    assert enclosed is not None
    bends = bends_of(tape.nodes, out)
    size = norm_of(preconditioner)
    moved = preconditioner @ (out.value - BallArray(x))
    residual = xp.sqrt(xp.sum(moved * moved)).item().upper()
    start = norm_of(BallArray(np.eye(f.d)) - preconditioner @ (enclosed - np.eye(f.d)))
    small = (2 * residual + arb(2.0**-70)).upper()
    r, radius, constant = small, None, lipschitz(bends, small)
    while r < 1e3:
        L = (size * lipschitz(bends, r)).upper()
        if not (residual + start * r + L * r * r / 2 <= r and start + L * r < 1):
            break
        radius, r = r, (r * 2).upper()
    if radius is None:
        return Unknown("no ball around the point was proved to hold a fixed point")
    low, high = spectral_radius(enclosed + BallArray(arb(0, 1) * (constant * small)))
    stable = True if high < 1 else False if low > 1 else None
    return Certificate(
        point=tuple(map(float, x)), norm="Euclidean", bound="Kantorovich", stable=stable,
        scaling=next(candidates(J)), entry_within=upper(small),
        radius=lower(radius), within=upper(small), rate=None, near=None,
        noise=Fraction(0), entry_radius=lower(radius / arb(f.d).sqrt()), entry_noise=Fraction(0),
        length=lower(radius), lipschitz=upper(constant),
    )  # fmt: skip
