"""gelu-lipschitz, silu-lipschitz: difference quotients of the reference model's activations."""

from __future__ import annotations

import sys

import numpy as np

from varnum.model.layers import gelu, silu
from varnum.proof.checking import Measurement, main, on, summarise
from varnum.propagate.transfer import GELU_SLOPE, SILU_SLOPE


def _climb(function, x, step):
    """Move x to where the difference quotient over +-step is largest: grid, then bisection."""
    width = 4.0
    for _ in range(40):
        near = x[:, None] + width * np.linspace(-1, 1, 9)
        quotient = np.abs(function(near + step[:, None]) - function(near - step[:, None]))
        x = np.take_along_axis(near, quotient.argmax(1)[:, None], 1)[:, 0]
        width *= 0.7
    return x


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """|f(x') - f(x)| against sup|f'| |x' - x|."""
    rng = np.random.default_rng(seed)
    results = []
    cases = (("gelu-lipschitz", gelu, GELU_SLOPE), ("silu-lipschitz", silu, SILU_SLOPE))
    for claim, layer, slope in cases:
        function = on(device, layer)
        x, step = rng.normal(size=trials) * 4, rng.uniform(1e-4, 1, trials)
        random = np.abs(function(x + step) - function(x - step)), float(slope) * 2 * step
        step = rng.uniform(1e-4, 1e-2, trials)
        x = _climb(function, x, step)
        adversarial = np.abs(function(x + step) - function(x - step)), float(slope) * 2 * step
        results.append(summarise(claim, "difference quotient", random, adversarial))
    return results


if __name__ == "__main__":
    sys.exit(main(measure, on_gpu=True))
