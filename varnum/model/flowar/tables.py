"""What upstream keeps in float32 whatever the dtype: frequencies, and the indices of times.

Made here without torch, bit for bit as torch makes them.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np

from varnum.errors import InputError

TIME_FREQUENCIES = 128
MAX_STEPS = 100_000
_LAST_BIT = {12: 1, 106: 1}  # where torch's exp in float32 is not the nearest number


@cache
def time_frequencies() -> np.typing.NDArray[np.float32]:
    """10000^(-j/128), j < 128, as torch's float32 has it."""
    steps = np.arange(TIME_FREQUENCIES, dtype=np.float32)
    exponents = np.float32(-math.log(10_000)) * steps / np.float32(TIME_FREQUENCIES)
    nearest = np.exp(exponents.astype(np.float64)).astype(np.float32)
    bits = nearest.view(np.int32)
    for place, change in _LAST_BIT.items():
        bits[place] += change
    nearest.flags.writeable = False
    return nearest


def rope_frequencies(head_dim: int) -> np.typing.NDArray[np.float32]:
    """10000^(-2i/(d/2)), i < d/4, in float32: what a state dict holds as `rope.freqs`."""
    exponents = np.arange(0, head_dim // 2, 2)[: head_dim // 4].astype(np.float32)
    exponents /= np.float32(head_dim // 2)
    powers = (10_000.0 ** exponents.astype(np.float64)).astype(np.float32)
    return np.float32(1) / powers


def time_grid(num_steps: int) -> list[float]:
    """Times from 1 to 0, one more than there are evaluations; float64 as torch computes them.

    num_steps 50 is uniform. Any other n makes 2 floor(n/2) evaluations: floor(n/2) times from 1
    to 0.3, then as many steps from 0.25 to 0.

    >>> len(time_grid(25)) - 1
    24
    """
    if not 2 <= num_steps <= MAX_STEPS:
        raise InputError(f"num_steps: must be 2 to {MAX_STEPS}, got {num_steps}")
    if num_steps == 50:
        return linspace(1.0, 0.0, 51)
    half = num_steps // 2
    return linspace(1.0, 0.3, half) + linspace(0.25, 0.0, half + 1)


def linspace(start: float, stop: float, count: int) -> list[float]:
    """torch's linspace in float64: from both ends, each product and sum with one rounding."""
    if count == 1:
        return [start]
    step = (stop - start) / (count - 1)
    rising = [float(Fraction(start) + Fraction(step) * i) for i in range(count // 2)]
    falling = [float(Fraction(stop) - Fraction(step) * i) for i in range(count - count // 2)]
    return rising + falling[::-1]


def time_index(t: float) -> int:
    """The flow net's time: 1000 t truncated, the product in float32.

    >>> time_index(0.68)
    680
    """
    return int(np.float32(t) * np.float32(1000))


def steps(times: list[float]) -> list[Fraction]:
    """t' - t of each evaluation, exactly; below zero."""
    return [Fraction(after) - Fraction(t) for t, after in pairwise(times)]
