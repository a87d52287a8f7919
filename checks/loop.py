"""loop-cubic, loop-tanh, loop-coordinates, loop-exit, loop-minimal: orbits against the claims.

Adversary: weights and noise at the edge of what the claim allows, all pushing one way.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np

from varnum.loop.activations import activation
from varnum.loop.closed import Shape, certify_cubic, certify_tanh
from varnum.loop.coordinates import certify_coordinates
from varnum.loop.count import certify_count
from varnum.loop.krawczyk import newton
from varnum.loop.net import net
from varnum.proof.checking import Measurement, main, summarise


def _cubic(u):
    return (3 * u - u**3) / 2


def _exp_poly(u):
    return _cubic((np.exp(u) - np.cosh(1)) / np.sinh(1))


def _weights(rng, d, e, worst):
    """Rows of absolute sum e; `worst`: all of it pulls one coordinate inwards."""
    share = rng.dirichlet(np.ones(d), d)
    if worst:
        share = np.roll(np.eye(d), 1, axis=1)
    return np.where(worst, -1, rng.choice([-1, 1], (d, d))) * share * e


def _escape(g, c, e, beta, nu, low, high, rng, trials, worst):
    """How far orbits get below `low` in the orthant (+, .., +): measured shortfall, allowed 0."""
    d, least = 4, []
    for _ in range(max(1, trials // 100)):
        W = c * np.eye(d) + _weights(rng, d, e, worst)
        b = -beta * np.ones(d) if worst else rng.uniform(-beta, beta, d)
        x = rng.uniform(low, high, (100, d))
        if worst:
            x[:] = low
        for _ in range(20):
            noise = -nu if worst else rng.uniform(-nu, nu, x.shape)
            x = g(x @ W.T + b) + noise
        least.append(x.min())
    return np.array(least)


def _kept(claim, what, g, found, c, e, beta, nu, rng, trials):
    low, high = (float(x) for x in found)
    pairs = []
    for worst in (False, True):
        least = _escape(g, c, e, beta, nu, low, high, rng, trials, worst)
        pairs.append((np.full_like(least, low), least * (1 + 1e-12)))
    return summarise(claim, what, *pairs)


def _distances(rng, trials):
    """|x_t - p| against (K step + nu)/(1 - K) for x -> K x and noise outwards."""
    K, nu = rng.uniform(0.05, 0.95, trials), rng.uniform(0, 0.1, trials)
    pairs = []
    for worst in (False, True):
        x = np.ones(trials)
        for _ in range(30):
            before, x = x, K * x + (nu if worst else nu * rng.uniform(-1, 1, trials))
        pairs.append((np.abs(x), (K * np.abs(x - before) + nu) / (1 - K)))
    return pairs


def _attractors(rng, trials):
    """Fixed points with slope in (-1, 1) of random cubics, at most 2; 1, -1, 0 made attracting."""
    pairs = []
    for worst in (False, True):
        most = []
        for _ in range(max(1, trials // 100)):
            p = rng.normal(size=4) * [1, 1, 2, 1]
            if worst:
                p = np.array([-0.5, 0, 1.5, 0]) * rng.uniform(0.9, 1.1)
            roots = np.roots(p - [0, 0, 1, 0])
            real = roots[np.abs(roots.imag) < 1e-9].real
            most.append(np.sum(np.abs(np.polyval(np.polyder(p), real)) < 1))
        pairs.append((np.array(most), np.full(len(most), 2)))
    return pairs


def _found(rng, trials):
    """Fixed points found by Newton from many starts, against the exact count, per network."""
    pairs = []
    for worst in (False, True):
        pair = []
        for _ in range(max(1, min(trials, 5000) // 500)):
            W = rng.normal(size=(2, 2)) * 1.5
            b = np.zeros(2) if worst else rng.normal(size=2) * 0.2
            f = net(W, b, "tanh")
            counted = certify_count(f)
            if not counted.complete:
                continue
            ends = np.array([newton(f, x, 30) for x in rng.uniform(-1, 1, (20, 2))])
            still = [x for x in ends if np.abs(f.estimate(x) - x).max() < 1e-9]
            distinct = {tuple(np.round(x, 6) + 0.0) for x in still}
            pair.append((len(distinct), len(counted.points)))
        pairs.append(tuple(np.array(pair).T))
    return pairs


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Orbits that should stay, distances that should shrink."""
    rng = np.random.default_rng(seed)
    e, beta, nu = 0.05, 0.1, 0.01
    exact = Shape(4, Fraction(e), Fraction(beta))
    cubic = certify_cubic(exact, Fraction(nu))
    tanh = certify_tanh(Shape(4, Fraction(e), Fraction(beta), Fraction(2)), Fraction(nu))
    other = certify_coordinates(
        activation("exp-poly"), Shape(4, Fraction(0.01), Fraction(0.01)), Fraction(0.001)
    )
    older = certify_cubic(Shape(4, Fraction(0.01), Fraction(0.038)))
    return [
        _kept("loop-cubic", "least entry of an orbit", _cubic, (cubic.low, cubic.high),
              1, e, beta, nu, rng, trials),
        _kept("looped-fixed-points", "least entry of an orbit", _cubic,
              (Fraction(8, 10), older.high), 1, 0.01, 0.038, 0, rng, trials),
        _kept("loop-tanh", "least entry of an orbit", np.tanh, (tanh.low, tanh.high),
              2, e, beta, nu, rng, trials),
        _kept("loop-coordinates", "least entry of an orbit", _exp_poly, other.intervals[-1],
              1, 0.01, 0.01, 0.001, rng, trials),
        summarise("loop-exit", "distance left by a step", *_distances(rng, trials)),
        summarise("loop-count", "fixed points that Newton finds", *_found(rng, trials)),
        summarise("loop-minimal", "attracting fixed points of a cubic", *_attractors(rng, trials)),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(measure))
