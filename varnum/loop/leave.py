"""When the loop may stop: claim loop-exit, exact rationals, and a monitor for run time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from varnum.errors import InputError
from varnum.formulas import loop as f


def _rate(K: Fraction) -> None:
    if not 0 <= K < 1:
        raise InputError(f"rate: {float(K):g} is not allowed; 0 <= rate < 1")


def distance_after(
    K: Fraction, loops: int, start: Fraction, nu: Fraction = Fraction(0)
) -> Fraction:
    """An upper bound of |x_T - p| from |x_0 - p| <= start, noise of norm at most nu per loop."""
    _rate(K)
    return f.noise_tail.exact(K=K, T=loops, x0=start, nu=nu)


def distance_left(K: Fraction, step: Fraction, nu: Fraction = Fraction(0)) -> Fraction:
    """An upper bound of |x_t - p| from step >= |x_t - x_{t-1}|, both iterates in the region."""
    _rate(K)
    return f.exit_factor.exact(K=K, step=step, nu=nu)


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
