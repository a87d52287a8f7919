"""How many of the true fixed points the usual searches find, beside the proved count.

Methods, from the same random starts: plain iteration; Newton; minimising |f(x) - x|^2/2 (what
FixedPointFinder does: Adam, then points with a small loss are kept and merged by a tolerance). A
find counts as true if it lies in the enclosure of a counted fixed point, up to 1e-6. No file: the
cubic product systems, random weights with many fixed points; or files for `varnum loop`.

    python checks/bench/loop_compare.py [flipflop.npz ..] [--starts 10,30,100,1000]
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from varnum.loop.count import certify_count
from varnum.loop.net import net, net_of, read_file

TOLERANCE = 1e-3  # FixedPointFinder's usual merging distance is of this order
LOSS = 1e-9  # |f(x) - x|^2/2 of a point that is kept


def functions(f):
    """f and its derivative on many states (N, d) in float64, for tanh and the cubic."""
    W, b = f.W.astype(float), f.b.astype(float)
    if f.g.name == "tanh":
        return (lambda x: np.tanh(x @ W.T + b)), (
            lambda x: (1 - np.tanh(x @ W.T + b) ** 2)[:, :, None] * W
        )
    return (lambda x: _cubic(x @ W.T + b)), (
        lambda x: (1.5 * (1 - (x @ W.T + b) ** 2))[:, :, None] * W
    )


def _cubic(u):
    return (3 * u - u**3) / 2


def iterate(value, _, x):
    for _ in range(2000):
        x = value(x)
    return x


def newton(value, slope, x):
    eye = np.eye(x.shape[1])
    for _ in range(60):
        gap = value(x) - x
        J = slope(x) - eye
        safe = np.abs(np.linalg.det(J)) > 1e-14
        step = np.zeros_like(x)
        step[safe] = np.linalg.solve(J[safe], gap[safe][:, :, None])[:, :, 0]
        x = x - step
    return x


def minimise(value, slope, x, steps=5000, rate=1e-2):
    """Adam on |f(x) - x|^2/2, the step falling to 0."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    eye = np.eye(x.shape[1])
    for t in range(1, steps + 1):
        gap = value(x) - x
        gradient = np.einsum("nij,ni->nj", slope(x) - eye, gap)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        scale = rate * 0.5 * (1 + np.cos(np.pi * t / steps))
        x = x - scale * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-12)
    return x


def distinct(value, x):
    """Points with a small loss, merged by the tolerance."""
    x = x[np.isfinite(x).all(axis=1)]
    x = x[((value(x) - x) ** 2).sum(axis=1) / 2 < LOSS]
    kept = []
    for point in x:
        if all(np.abs(point - other).max() > TOLERANCE for other in kept):
            kept.append(point)
    return kept


def compare(name, f, starts, seed):
    start = time.process_time()
    counted = certify_count(f)
    spent = time.process_time() - start
    truth = np.array([p.estimate for p in counted.points])
    attract = counted.labelled("attracting")
    state = "exactly" if counted.complete else "at least"
    print(f"{name}: {state} {len(truth)}, {attract} attracting ({spent:.2f} s)")
    value, slope = functions(f)
    rng = np.random.default_rng(seed)
    for number in starts:
        x = rng.uniform(-1.2, 1.2, (number, f.d))
        cells = []
        with np.errstate(all="ignore"):
            for method in (iterate, newton, minimise):
                found = distinct(value, method(value, slope, x.copy()))
                hits = {
                    int(i)
                    for p in found
                    for i in np.flatnonzero(np.abs(truth - p).max(axis=1) < 1e-4)
                }
                extra = len(found) - len(hits)
                cells.append(
                    f"{method.__name__} {len(hits)}" + (f" (+{extra} false)" if extra else "")
                )
        print(f"  {number:5} starts: " + ", ".join(cells), flush=True)
    return counted.complete


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help=".npz with W and b, tanh")
    parser.add_argument("--starts", default="10,30,100,1000")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    starts = [int(n) for n in args.starts.split(",")]
    nets = [(path, net_of(read_file(path), "tanh", path)) for path in args.files]
    if not nets:
        near = net([[1, -0.05], [0, 1]], [-(0.1923 - 0.05), 0], "cubic")
        wide = 2.5 * np.eye(4) + 0.3 * np.random.default_rng(7).normal(size=(4, 4))
        nets = [
            ("cubic, d = 3, W = I", net(np.eye(3), np.zeros(3), "cubic")),
            ("cubic, d = 2, e + beta = 0.1923", near),
            ("tanh, d = 4, W = 2.5 I + 0.3 normal", net(wide, np.zeros(4), "tanh")),
        ]
    complete = [compare(name, f, starts, args.seed) for name, f in nets]
    return 0 if all(complete) else 3


if __name__ == "__main__":
    sys.exit(main())
