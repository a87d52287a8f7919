"""loop-cubic, loop-tanh, loop-coordinates, loop-exit, loop-minimal: orbits against the claims.

Adversary: weights and noise at the edge of what the claim allows, all pushing one way.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np

from varnum.loop.activations import activation
from varnum.loop.closed_orthants import Shape, certify_cubic, certify_tanh
from varnum.loop.coordinates import certify_coordinates
from varnum.loop.count import certify_count
from varnum.loop.krawczyk import newton
from varnum.loop.net import net
from varnum.loop.regions import certify_regions
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


def _certified(rng, trials):
    """f(x) = K0 x + L x^2/2 against the averaged rate times |x|; the edge attains it."""
    K0, L = rng.uniform(0.1, 0.9, trials), rng.uniform(0.5, 2, trials)
    r = 0.999 * (1 - K0) / L
    rate = K0 + L * r / 2
    pairs = []
    for x in (r * rng.uniform(-1, 1, trials), r):  # f(x) = K0 x + L x^2/2: J(x) - J(0) = L x
        image = K0 * x + L * x**2 / 2
        pairs.append((np.abs(image), rate * np.abs(x)))
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


def _bends(rng, trials):
    """Second differences of normalise and softmax along a line against the sharp constants."""
    pairs = []
    for worst in (False, True):
        pair = []
        for _ in range(max(1, min(trials, 2000) // 20)):
            m, h = 6, 1e-3
            c, v = rng.normal(size=(2, m))
            c -= c.mean()
            v -= v.mean()
            if worst:  # cos^2 = 1/3 where eps is negligible
                e = c / np.linalg.norm(c)
                v = v - (v @ e) * e
                v = e / np.sqrt(3) + v / np.linalg.norm(v) * np.sqrt(2 / 3)
            v /= np.linalg.norm(v)
            eps = 1e-6 if worst else rng.uniform(0, 1)
            unit = [x / np.sqrt(x @ x / m + eps) for x in (c - h * v, c, c + h * v)]
            bend = np.linalg.norm(unit[0] - 2 * unit[1] + unit[2]) / h**2
            pair.append((bend, 2 * m**0.5 / 3**0.5 / ((np.linalg.norm(c) - h) ** 2 + m * eps)))
            s, v = rng.normal(size=(2, 4)) * 2
            if worst:  # two keys, weights (1 -+ 1/sqrt 3)/2
                s, v = np.array([np.log(2 + 3**0.5), 0, -40, -40]), np.array([1.0, -1, 0, 0])
            v /= np.linalg.norm(v)
            soft = [np.exp(x) / np.exp(x).sum() for x in (s - h * v, s, s + h * v)]
            bend = np.linalg.norm(soft[0] - 2 * soft[1] + soft[2]) / h**2
            pair.append((bend * (1 - 1e-5), 2**0.5 / (3 * 3**0.5)))
        pairs.append(tuple(np.array(pair).T))
    return pairs


def _regions(rng, trials):
    """|f(x) - f(y)| against K |x - y| on proved boxes of tanh networks, maximum norm."""
    pairs = []
    for worst in (False, True):
        W = 2 * np.eye(3) + rng.uniform(-0.1, 0.1, (3, 3))
        f = net(W, np.zeros(3), "tanh")
        low, high = Fraction(6, 8), Fraction(1)
        (found,) = certify_regions(f, [((low, high),) * 3])
        x, y = rng.uniform(float(low), float(high), (2, trials, 3))
        if worst:
            x = np.full_like(x, float(low))
            y = x + 1e-4
        moved = np.abs(np.tanh(x @ W.T) - np.tanh(y @ W.T)).max(axis=1)
        pairs.append((moved, float(found.rate) * np.abs(x - y).max(axis=1)))
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
        summarise("loop-certificate", "contraction on the ball", *_certified(rng, trials)),
        summarise("loop-stages", "second differences of nodes", *_bends(rng, trials)),
        summarise("loop-regions", "contraction on the boxes", *_regions(rng, trials)),
        summarise("loop-count", "fixed points that Newton finds", *_found(rng, trials)),
        summarise("loop-minimal", "attracting fixed points of a cubic", *_attractors(rng, trials)),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(measure))
