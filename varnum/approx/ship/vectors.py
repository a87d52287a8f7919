"""Test vectors: inputs where mistakes show, and what the operations give there, bit for bit."""

from __future__ import annotations

import numpy as np

from varnum._version import __version__
from varnum.approx.ship.kernel import Kernel
from varnum.approx.ship.twin import Array, rounded


def inputs(kernel: Kernel, count: int = 256, seed: int = 0) -> Array:
    """Ends, zero, subnormal numbers, neighbours of where n changes, the worst seen, random ones."""
    low, high = (float(x) for x in kernel.domain)
    form = kernel.form
    step = float(2.0 ** (form.least + 1 - form.digits))
    every = max(1, int(high - low) // 32)
    halves = np.arange(np.ceil(2 * low), np.floor(2 * high) + 1)[::every] / 2
    beside = [np.nextafter(h, side) for h in halves for side in (low - 1, high + 1)]
    wide = [h * (1 + s * 2.0 ** (1 - form.digits)) for h in halves for s in (-1, 1)]
    special = [low, high, 0.0, step, -step, float(form.tiny), -float(form.tiny), *halves]
    if kernel.seen is not None:
        special.append(kernel.seen.at)
    drawn = np.random.default_rng(seed).uniform(low, high, count)
    made = rounded(np.array([*special, *beside, *wide, *drawn]), form)
    return np.unique(made[(made >= low) & (made <= high)])


def text(kernel: Kernel) -> str:
    """One line per input: x and the computed value, as hexadecimal floats."""
    x = inputs(kernel)
    head = (
        f"# {kernel.goal.function} in {kernel.form.name}: x, and the result bit for bit; "
        f"varnum {__version__}\n"
    )
    pairs = zip(x.tolist(), kernel(x).tolist(), strict=True)
    return head + "".join(f"{a.hex()} {b.hex()}\n" for a, b in pairs)
