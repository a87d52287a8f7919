"""Rate of building monomial features and state, against the matrix product alone, in one run.

float32, one thread, d = 8, g = 4 (495 features), d_v = 64, L = 16384. Claimed: 60 % of the rate.

    python checks/bench/lowrank_features.py
"""

from __future__ import annotations

import time

import numpy as np
import torch

from varnum.lowrank.monomials.polynomial_kernel import CHUNK, accumulate_state, monomial_rows

D, G, VALUES, LENGTH, CLAIMED = 8, 4, 64, 16_384, 0.6


def main() -> int:
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    y = torch.rand((LENGTH, D), generator=rng) - 0.5
    v = torch.cat([torch.randn((LENGTH, VALUES), generator=rng), torch.ones(LENGTH, 1)], 1)
    rows = monomial_rows(y[:CHUNK], G)
    operations = 2 * rows.shape[0] * LENGTH * v.shape[1]
    times = {"product": [], "features and state": []}
    for _ in range(40):
        began = time.perf_counter()
        for start in range(0, LENGTH, CHUNK):
            rows @ v[start : start + CHUNK]
        times["product"].append(time.perf_counter() - began)
        began = time.perf_counter()
        accumulate_state(y, v, G)
        times["features and state"].append(time.perf_counter() - began)
    best = {name: float(np.median(seconds)) for name, seconds in times.items()}
    for name, seconds in best.items():
        print(f"{name:20} {1e3 * seconds:8.2f} ms {operations / seconds / 1e9:7.1f} Gflop/s")
    share = best["product"] / best["features and state"]
    print(f"share of the product's rate: {share:.2f}, claimed {CLAIMED}")
    return 0 if share >= CLAIMED else 1


if __name__ == "__main__":
    raise SystemExit(main())
