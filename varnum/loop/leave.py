"""When the loop may stop: claim loop-exit, exact rationals, and a monitor for run time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.balls.array import BallArray
from varnum.balls.scalar import precision, upper
from varnum.errors import InputError
from varnum.formulas import loop as forms
from varnum.loop.loop_certificate import Certificate, Network
from varnum.loop.net import UNIT, Floats
from varnum.loop.tape import Tape

_BITS = 80
_ROUNDED = 1 + 2 * UNIT  # one subtraction in float64


def _rate(K: Fraction) -> None:
    if not 0 <= K < 1:
        raise InputError(f"rate: {float(K):g} is not allowed; 0 <= rate < 1")


def distance_after(
    K: Fraction, loops: int, start: Fraction, nu: Fraction = Fraction(0)
) -> Fraction:
    """An upper bound of |x_T - p| from |x_0 - p| <= start, noise of norm at most nu per loop."""
    _rate(K)
    return forms.noise_tail.exact(K=K, T=loops, x0=start, nu=nu)


def distance_left(K: Fraction, step: Fraction, nu: Fraction = Fraction(0)) -> Fraction:
    """An upper bound of |x_t - p| from step >= |x_t - x_{t-1}|, both iterates in the region."""
    _rate(K)
    return forms.exit_factor.exact(K=K, step=step, nu=nu)


def largest_step(K: Fraction, tolerance: Fraction, nu: Fraction = Fraction(0)) -> Fraction | None:
    """The largest step at which |x_t - p| <= tolerance is proved; None where no step proves it."""
    _rate(K)
    room = tolerance * (1 - K) - nu
    if room < 0:
        return None
    return room / K if K else None if nu > tolerance else Fraction(10) ** 300


@dataclass
class Monitor:
    """Watches the steps of one run and says when to stop.

    rate K, radius r: of a certificate (`varnum loop`), in its norm about its centre. `stop(step,
    far)` takes upper bounds of |x_t - x_{t-1}| and of the larger distance of both iterates from
    the centre; True is a proof of |x_t - p| <= tolerance, False says nothing.
    """

    rate: Fraction
    radius: Fraction
    tolerance: Fraction
    noise: Fraction = Fraction(0)

    def stop(self, step: float, far: float) -> bool:
        """Whether the iterate is proved to be within the tolerance; NaN proves nothing."""
        if not (0 <= step < float("inf") and 0 <= far < float("inf")):
            return False
        if Fraction(far) > self.radius:
            return False
        return distance_left(self.rate, Fraction(step), self.noise) <= self.tolerance


@dataclass(frozen=True)
class Exit:
    """One run from a start: from loop `true` on every entry is within the tolerance of p; from loop
    `certified` on the last step proves it (None: not within the loops tried).

    bound: what the step proved there; error: |x - p| per entry there, both above the exact value.
    """

    true: int | None
    certified: int | None
    bound: Fraction | None
    error: Fraction | None


def certify_exit(
    f: Network,
    found: Certificate,
    tolerance: Fraction,
    loops: int = 200,
    start: Floats | None = None,
) -> Exit:
    """When a float64 run from `start` (default 0) is provably within `tolerance` per entry.

    |x_t - p| <= (K |x_t - x_{t-1}| + nu)/(1 - K): K for the part of the ball in which both iterates
    are, nu the distance of x_t from f(x_{t-1}) in balls, so the rounding of the run counts.
    """
    norm, centre = found.scaling, np.array(found.point)
    x = np.zeros(f.d) if start is None else start
    true: int | None = None
    with precision(_BITS):
        per_entry = upper(norm.largest_entry())
        for t in range(1, loops + 1):
            before, x = x, f.estimate(x)
            if not np.isfinite(x).all():
                break
            error = Fraction(float(np.abs(x - centre).max())) * _ROUNDED + found.entry_within
            true = None if error > tolerance else true or t
            far = max(upper(norm.of(BallArray(y) - BallArray(centre))) for y in (before, x))
            K = found.rate_within(far)
            if K is None or K >= 1:
                continue
            image = f.walk(Tape(derivatives=False), BallArray(before), None).value
            nu = upper(norm.of(BallArray(x) - image))
            step = upper(norm.of(BallArray(x) - BallArray(before)))
            bound = distance_left(K, step, nu) * per_entry
            if bound <= tolerance:
                return Exit(true, t, bound, error)
    return Exit(true, None, None, None)
