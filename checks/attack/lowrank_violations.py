"""Attack the certificates: random and adversarial cases against a 50-digit reference.

Each case draws a head (dimension, tokens, size, kind, dtype, scales), runs one method and compares
every row (and for kernels every entry) with balls of 170 bits. A violation prints the case and ends
with exit code 1. A case whose certificate is 1 or more claims nothing and is counted apart.

    python checks/attack/lowrank_violations.py --cases 100000
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np

from varnum.balls.scalar import ball, lower, precision
from varnum.lowrank.features import attend
from varnum.lowrank.moments.basis import fit_basis
from varnum.lowrank.moments.moment_state import MomentState
from varnum.lowrank.monomials.polynomial_kernel import fit_polynomial
from varnum.lowrank.pivots.pivot_kernel import fit_kernel
from varnum.lowrank.scales import attend_scales
from varnum.verdict import Unknown

BITS = 170
KINDS = (
    "plain", "offset", "far", "equal", "zero", "signs", "tiny", "values", "apart", "faint", "huge",
    "many", "wide", "lifted",
)  # fmt: skip


def draw(rng):
    """q, k, v, sigma of one case."""
    d, keys, queries = (int(rng.integers(1, top)) for top in (7, 14, 6))
    size = 10.0 ** rng.uniform(-3, 1)
    kind = str(rng.choice(KINDS))
    if kind == "wide":  # no direction is preferred: d1 may be as large as d
        d, size = 64, rng.uniform(0.05, 0.3)
    scale = 0.7 ** (np.arange(d) * rng.integers(0, 4) * (kind != "wide"))
    q = rng.standard_normal((queries, d)) * scale * size
    k = rng.standard_normal((keys, d)) * scale * size / rng.choice([1, 1, 10])
    v = rng.standard_normal((keys, 2))
    if kind == "offset":
        q, k = q + rng.standard_normal(d) * 10.0 ** rng.uniform(-1, 3), k + rng.standard_normal(d)
    if kind == "far":
        k[-1] *= 10.0 ** rng.uniform(0, 3)
    if kind == "equal":
        k[:] = k[0]
    if kind == "zero":
        q[: queries // 2] = 0
        k[: keys // 2] = 0
    if kind == "signs":
        k, q = np.sign(k) * size, np.sign(q) * size
        v = np.sign(k[:, :1]) * [1, -1]
    if kind == "tiny":
        k, q = k * 1e-160, q * 1e-160
    if kind == "values":
        v = v * [1e-8, 1e8] + [1e3, 0]
    dtype = rng.choice([np.float32, np.float64])
    if kind == "lifted":
        dtype = np.float32
        q, k = (part / 10 + rng.standard_normal(d) * 10.0 ** rng.uniform(-1, 2) for part in (q, k))
    if kind == "apart":
        power = 10.0 ** rng.uniform(10, 22)
        q, k = q * power, k / power
    if kind == "faint":
        v = v * np.finfo(dtype).tiny * 10.0 ** rng.uniform(-7, 12)
    if kind == "huge":
        v = (
            v
            / np.abs(v).max()
            * min(1e279, 0.9 * float(np.finfo(dtype).max))
            * 10.0 ** rng.uniform(-12, 0)
        )
    return [part.astype(dtype) for part in (q, k, v)], float(rng.choice([0.5, 1, 2, 8])), kind


def reference(q, k, sigma):
    """Kernel entries exp(q.k/sigma) as balls, scaled per row."""
    exact = [[ball(0) + _arb(x) for x in row] for row in q], [[_arb(x) for x in row] for row in k]
    table = []
    for row in exact[0]:
        logits = [sum((a * b for a, b in zip(row, key, strict=True)), ball(0)) for key in exact[1]]
        top = max(logits, key=lambda x: float(x.mid()))
        table.append([((x - top) / _arb(sigma)).exp() for x in logits])
    return table


def _arb(x):
    from fractions import Fraction

    return ball(Fraction(float(x)))


def wrong_output(table, v, out, bound):
    """Is any certified row (bound < 1) off by more than its bound times the range?"""
    for row, found, limit in zip(table, out, bound, strict=True):
        if not limit < 1:
            continue
        total = sum(row, ball(0))
        for column in range(v.shape[1]):
            values = [_arb(x) for x in v[:, column]]
            exact = sum((w * x for w, x in zip(row, values, strict=True)), ball(0)) / total
            room = _arb(limit) * (_arb(v[:, column].max()) - _arb(v[:, column].min()))
            if not np.isfinite(found[column]):
                return True
            if lower(abs(exact - _arb(found[column])) - room) > 0:  # certainly
                return True
    return False


def wrong_kernel(table, phi, psi, certified):
    """Is any entry, after the best row factor, off by more than `certified`?"""
    for row, features in zip(table, phi, strict=True):
        ratios = [
            sum((_arb(a) * _arb(b) for a, b in zip(features, other, strict=True)), ball(0)) / exact
            for exact, other in zip(row, psi, strict=True)
        ]
        low = min(ratios, key=lambda x: float(x.mid()))
        high = max(ratios, key=lambda x: float(x.mid()))
        if lower((high - low) - _arb(certified) * (high + low)) > 0:
            return True
    return False


def _parts(rng, kind, keys):
    """In how many parts the keys come: one by one where there are many."""
    return 20 * keys if kind == "many" else int(rng.integers(1, 3))


def case(rng, counts):
    (q, k, v), sigma, kind = draw(rng)
    method = str(rng.choice(["moments", "centres", "scales", "pivots", "monomials"]))
    wide = [part.astype(np.float64) for part in (q, k, v)]
    table = reference(q, k, sigma)
    if method in ("moments", "centres"):
        centres = 1 if method == "moments" else int(rng.integers(2, 4))
        size = int(rng.integers(1, q.shape[1] + 1))
        top = int(rng.integers(0, min(size, 16) + 1))
        with np.errstate(all="ignore"):  # later tokens need not look like those of the fit
            ahead = [part * 10.0 ** rng.choice([0, 0, rng.uniform(-2, 2)]) for part in wide[:2]]
        basis = fit_basis(*ahead, sigma, size, top, centres, q)
        state = MomentState(basis, v.shape[1])
        rounds = int(rng.integers(20, 60)) if kind == "many" else 1  # as many copies of every key
        for part in np.array_split(np.tile(np.arange(len(k)), rounds), _parts(rng, kind, len(k))):
            if len(part):
                state.add(k[part], v[part])
        out = np.empty((len(q), v.shape[1]), dtype=q.dtype)
        bound = state.attend(q, out).error
        bad = wrong_output(table, v, out, bound)
        claimed = bool((bound < 1).any())
    elif method == "scales":
        out, outcome = attend_scales(q, k, v, None, sigma, 1e-2)
        claimed = outcome.certified < 1
        bad = wrong_output(table, v, out, np.full(len(q), outcome.certified))
    else:
        eps = 10.0 ** rng.uniform(-6, -0.5)
        fit = fit_kernel if method == "pivots" else fit_polynomial
        kernel = fit(wide[0], wide[1], sigma, eps)
        claimed = not isinstance(kernel, Unknown)
        bad = False
        if claimed:
            out, bound = attend(kernel, wide[2])
            bad = wrong_output(table, v, out, np.full(len(q), bound))
            if method == "pivots":
                psi = kernel.psi * kernel.weights[:, None]
                bad |= wrong_kernel(table, kernel.phi, psi, kernel.certified)
    counts[kind, "claimed" if claimed else "nothing claimed"] += 1
    counts[method, "claimed" if claimed else "nothing claimed"] += 1
    return bad, method, kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after these")
    options = parser.parse_args()
    counts, violations, began, done = Counter(), 0, time.perf_counter(), 0
    for number in range(options.cases):
        if time.perf_counter() - began > options.seconds:
            break
        rng = np.random.default_rng([options.seed, number])
        with precision(BITS):
            bad, method, kind = case(rng, counts)
        done += 1
        if bad:
            violations += 1
            print(f"VIOLATION: seed {options.seed} case {number}: {method}, {kind}")
    for (method, what), count in sorted(counts.items()):
        print(f"{method:10} {what:16} {count:8}")
    print(f"{violations} violations in {done} cases, {time.perf_counter() - began:.0f} s")
    return 1 if violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
