"""The moment certificate on heads of a VAR model: what all tokens at once would get, and why.

Random weights, tokens that the model generates itself (label 0, top-k 1). For the heads with the
smallest and the largest factor of the logits: d1 of the 64 coordinates, products of the first d2,
one centre; every query against every key, without the scales.

    python checks/bench/lowrank_var_heads.py --random var-d16
"""

from __future__ import annotations

import argparse
from fractions import Fraction

import numpy as np

from varnum.audit.layer_run import generate_tokens, run_layers
from varnum.lowrank.moments.basis import fit_basis
from varnum.lowrank.moments.moment_state import MomentState
from varnum.model.config import with_settings
from varnum.model.generate import Settings
from varnum.model.random_weights import random_model

SIZES = ((16, 8), (32, 8), (48, 8), (64, 3), (64, 8), (64, 16), (64, 64))


def heads(name, seed):
    """(factor, layer, head, q, k, v) of the heads with the smallest and the largest factor."""
    model, labels = random_model(*with_settings(name, {}), seed), np.array([0])
    tokens = generate_tokens(model, labels, Settings(Fraction(0), 1, Fraction(0), seed))
    found = []
    for layer in run_layers(model, labels, tokens):
        factors = layer.factors
        for head in (int(factors.argmin()), int(factors.argmax())):
            sides = (layer.q[0, head] * factors[head], layer.k[0, head], layer.v[0, head])
            found.append((float(factors[head]), layer.index, head, *sides))
    return min(found, key=lambda row: row[0]), max(found, key=lambda row: row[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", default="var-d16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--error", type=float, default=1e-2)
    options = parser.parse_args()
    print("factor layer head  d1  d2  rank  median  largest  rows missed   true, rows not missed")
    worst = 0.0
    for factor, layer, head, q, k, v in heads(options.random, options.seed):
        weights = np.exp(q @ k.T)
        exact, spread = weights @ v / weights.sum(1, keepdims=True), np.ptp(v, axis=0)
        for size, top in dict.fromkeys((min(s, q.shape[1]), min(t, q.shape[1])) for s, t in SIZES):
            state = MomentState(fit_basis(q, k, 1.0, size, top, 1, q), v.shape[1])
            state.add(k, v)
            out = np.empty_like(exact)
            bound = state.attend(q, out).error
            missed = ~(bound <= options.error)
            true = (np.abs(out - exact) / spread).max(1)
            worst = max(worst, float((true / bound)[~missed].max(initial=0)))
            print(
                f"{factor:6.2f} {layer:5} {head:4} {size:3} {top:3} {state.basis.rank:5}"
                f" {np.median(bound):7.2g} {bound.max():8.2g} {100 * missed.mean():10.1f} %"
                f" {true[~missed].max(initial=0):12.2g}"
            )
    print(f"largest true error over its bound: {worst:.3g}")
    return 0 if worst <= 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
