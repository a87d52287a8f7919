"""linear, conv, phi-conv, area-pool, nearest, residual, adaln: entrywise error transfer.

The layers are those of the reference model. For a linear layer the adversary is the sign pattern of
a row of its matrix, which is the gradient of that output entry; the claims are sharp.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np

from varnum.model import interpolation
from varnum.model import layers as model
from varnum.proof.checking import Measurement, main, on, summarise
from varnum.propagate import transfer as t

GROUP = 100


def _cases(rng, device):
    """claim -> (layer without bias, input shape, claimed growth) with fresh random weights."""
    w, kernel = rng.normal(size=(7, 9)), rng.normal(size=(3, 3, 3, 3))
    zero = np.zeros(3)
    mixed = t.conv_operator(kernel, zero, Fraction(1, 2))

    linear, convolve = on(device, model.linear), on(device, model.conv2d)

    def conv(x):
        return convolve(x, kernel, zero, padding=1)

    def float_of(ball):
        return float(ball.upper())

    return {
        "linear": (lambda x: linear(x, w), (9,), float_of(t.operator(w).rows)),
        "conv": (conv, (3, 5, 5), float_of(t.conv_operator(kernel, zero).rows)),
        "phi-conv": (lambda x: 0.5 * x + 0.5 * conv(x), (3, 5, 5), float_of(mixed.rows)),
        "area-pool": (on(device, lambda x: interpolation.area(x, 3)), (2, 5, 5), 1.0),
        "nearest": (on(device, interpolation.nearest_double), (2, 4, 4), 1.0),
        "residual": (lambda x: x + x @ np.abs(w[:, :7]), (7,), 1 + np.abs(w[:, :7]).sum(0).max()),
    }


def _linear(claim, trials, rng, device):
    random, adversarial = [], []
    for _ in range(-(-trials // GROUP)):
        layer, shape, growth = _cases(rng, device)[claim]
        size = int(np.prod(shape))
        x = rng.normal(size=(GROUP, *shape))
        eta = rng.uniform(1e-6, 2, (GROUP, *[1] * len(shape)))
        matrix = layer(np.eye(size).reshape(size, *shape)).reshape(size, -1).T  # (out, in)
        rows = rng.integers(len(matrix), size=GROUP)
        rows[0] = int(np.abs(matrix).sum(1).argmax())
        signs = np.where(matrix[rows] >= 0, 1.0, -1.0).reshape(x.shape)
        claimed = growth * eta.reshape(GROUP)
        for store, delta in (
            (random, rng.uniform(-1, 1, x.shape) * eta),
            (adversarial, signs * eta),
        ):
            moved = np.abs(layer(delta)).reshape(GROUP, -1).max(1)
            store.append((moved, claimed))
    return [
        tuple(np.concatenate(part) for part in zip(*s, strict=True)) for s in (random, adversarial)
    ]


def _adaln(trials, rng):
    x, g = rng.normal(size=(2, trials)) * 3
    ex, eg = rng.uniform(0, 2, (2, trials))
    claimed = np.abs(g) * ex + np.abs(x) * eg + ex * eg
    pairs = []
    for a, b in (rng.uniform(-1, 1, (2, trials)), (np.sign(g), np.sign(x))):
        pairs.append((np.abs((x + a * ex) * (g + b * eg) - x * g), claimed))
    # the product of both signs must agree with the second-order term: flip where it helps
    a, b = np.sign(g), np.sign(x)
    worse = np.maximum(
        np.abs((x + a * ex) * (g + b * eg) - x * g), np.abs((x - a * ex) * (g - b * eg) - x * g)
    )
    pairs[1] = (worse, claimed)
    return pairs


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Output error against the claimed growth times eta."""
    rng = np.random.default_rng(seed)
    results = []
    for claim in ("linear", "conv", "phi-conv", "area-pool", "nearest", "residual"):
        random, adversarial = _linear(claim, trials, rng, device)
        results.append(summarise(claim, "entrywise error", random, adversarial))
    return [*results, summarise("adaln", "entrywise error", *_adaln(trials, rng))]


if __name__ == "__main__":
    sys.exit(main(measure, on_gpu=True))
