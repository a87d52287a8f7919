"""FlowAR's sampler in exact numbers: its time grid, its steps, and which of them are guided.

Source: the released sampler; `num_steps` 25 makes 24 evaluations. What is evaluated is the velocity
at each time but the last, from t = 1 (noise) down to t = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from varnum.errors import InputError

UNIFORM = 50  # the one number of steps with a uniform grid
MOST_STEPS = 10_000
_HIGH, _LOW = Fraction(3, 10), Fraction(1, 4)  # where the first half ends, the second begins


def time_grid(num_steps: int) -> tuple[Fraction, ...]:
    """Times from 1 to 0, exactly: linspace(1, 0.3, n // 2), then linspace(0.25, 0, n // 2 + 1).

    50 alone is uniform. Raises InputError below 2: no evaluation would be left.

    >>> len(time_grid(25)) - 1, time_grid(25)[1], len(time_grid(50)) - 1
    (24, Fraction(103, 110), 50)
    """
    if type(num_steps) is not int or not 2 <= num_steps <= MOST_STEPS:
        raise InputError(f"num_steps: {num_steps} is not allowed; 2 to {MOST_STEPS}")
    if num_steps == UNIFORM:
        return tuple(1 - Fraction(i, UNIFORM) for i in range(UNIFORM + 1))
    half = num_steps // 2
    first = [1 - (1 - _HIGH) * Fraction(i, max(half - 1, 1)) for i in range(half)]
    return (*first, *(_LOW * (1 - Fraction(i, half)) for i in range(half + 1)))


def steps(num_steps: int) -> tuple[Fraction, ...]:
    """Sizes h_i = t_i - t_(i+1) of the Euler steps; they sum to 1."""
    return tuple(a - b for a, b in pairwise(time_grid(num_steps)))


def guidance_factor(cfg: Fraction, scale: int, scales: int) -> Fraction:
    """g of scale 0 .. K - 1: 1 + (cfg - 1) scale / (K - 1); 1 where K = 1."""
    return Fraction(1) if scales == 1 else 1 + (cfg - 1) * Fraction(scale, scales - 1)


@dataclass(frozen=True)
class Sampler:
    """num_steps, guidance strength cfg and cut-off: v = v_u + g (v_c - v_u) where t <= cutoff."""

    num_steps: int = 25
    cfg: Fraction = Fraction(1)
    cutoff: Fraction = Fraction(9, 10)

    @property
    def evaluations(self) -> int:
        """T, evaluations of the velocity per scale (conditional half)."""
        return len(time_grid(self.num_steps)) - 1

    def factors(self, scale: int, scales: int) -> tuple[Fraction, ...]:
        """g_i of every evaluation of one scale; 1 where it is not guided."""
        g = guidance_factor(self.cfg, scale, scales)
        times = time_grid(self.num_steps)[:-1]
        return tuple(g if g > 1 and t <= self.cutoff else Fraction(1) for t in times)

    def guided(self, scale: int, scales: int) -> int:
        """Evaluations of one scale that need the null half too."""
        return sum(g > 1 for g in self.factors(scale, scales))
