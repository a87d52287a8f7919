"""The many-trajectory experiment of arXiv 2410.11279 with noise: 1024 orbits, 2^d attractors.

d coordinates, W and b at random with ||W - I|| <= e and |b| <= beta, noise of at most nu per loop,
worst case half of the time (it always pushes inwards). Counts orbits that leave their certified box
and boxes that are visited; the certificate promises that none leaves.

    python checks/bench/loop_trajectories.py [--d 10] [--activation cubic]
"""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction

import numpy as np

from varnum.loop.activations import activation
from varnum.loop.closed_orthants import Shape
from varnum.loop.orthants import certify_boxes

FLOATS = {
    "cubic": lambda u: (3 * u - u**3) / 2,
    "tanh": np.tanh,
    "exp-poly": lambda u: FLOATS["cubic"]((np.exp(u) - np.cosh(1)) / np.sinh(1)),
}
DEFAULTS = {"cubic": (1, 0.08, 0.08), "tanh": (2, 0.1, 0.1), "exp-poly": (1, 0.01, 0.01)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--d", type=int, default=10)
    parser.add_argument("--activation", choices=FLOATS, default="cubic")
    parser.add_argument("--orbits", type=int, default=1024)
    parser.add_argument("--loops", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    c, e, beta = DEFAULTS[args.activation]
    shape = Shape(args.d, Fraction(e), Fraction(beta), Fraction(c))
    most = certify_boxes(activation(args.activation), shape).noise
    found = certify_boxes(activation(args.activation), shape, most * Fraction(99, 100))
    nu = float(most) * 0.99
    ends = [(float(a), float(b)) for a, b in found.intervals]
    rows = rng.dirichlet(np.ones(args.d), args.d) * rng.choice([-1, 1], (args.d, args.d))
    W = c * np.eye(args.d) + 0.999 * e * rows
    b = rng.uniform(-beta, beta, args.d)
    choice = rng.integers(0, len(ends), (args.orbits, args.d))
    low = np.array([a for a, _ in ends])[choice]
    high = np.array([z for _, z in ends])[choice]
    x = rng.uniform(low, high)
    left = np.zeros(args.orbits, dtype=bool)
    for _ in range(args.loops):
        noise = rng.uniform(-nu, nu, x.shape)
        noise[::2] = -nu * np.sign(x[::2])
        x = FLOATS[args.activation](x @ W.T + b) + noise
        left |= ((x < low - 1e-12) | (x > high + 1e-12)).any(axis=1)
    boxes = len({tuple(row) for row in choice.tolist()})
    print(
        f"{args.activation}, d = {args.d}: {found.certified} boxes certified under noise {nu:.4g}; "
        f"{args.orbits} orbits of {args.loops} loops in {boxes} of them: {int(left.sum())} left"
    )
    return int(left.any())


if __name__ == "__main__":
    sys.exit(main())
