"""What --eps costs where no low rank pays: time of "auto" beside exact attention, in one run.

    python checks/bench/lowrank_budget.py

Heads of random tokens. The ratio is large where exact attention takes less than a millisecond;
there the extra column (seconds a head) is what counts.
"""

from __future__ import annotations

import time

import numpy as np

import varnum as vn

CASES = (  # heads, tokens, width, size of entries, eps
    (1, 14, 4, 0.2, "1e-2"), (1, 14, 16, 0.2, "1e-2"), (1, 14, 128, 1.0, "1e-10"),
    (16, 64, 64, 0.3, "1e-3"), (1, 100, 16, 0.2, "1e-2"), (1, 300, 2, 2.0, "1e-11"),
    (1, 300, 16, 0.2, "1e-2"), (1, 300, 64, 0.2, "1e-6"), (1, 1000, 16, 0.2, "1e-2"),
    (2, 3000, 16, 0.2, "1e-2"), (1, 3000, 16, 1.0, "1e-2"),
)  # fmt: skip


def seconds(q: np.ndarray, k: np.ndarray, v: np.ndarray, eps: str, method: str) -> float:
    """The least processor time of three."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        vn.attention(q, k, v, eps=eps, method=method)
        spent.append(time.process_time() - began)
    return min(spent)


def main() -> None:
    """A line per case."""
    print("heads  tokens  width  eps     exact [s]  auto [s]  ratio  extra a head [s]")
    for heads, count, width, size, eps in CASES:
        rng = np.random.default_rng(0)
        q, k, v = (rng.standard_normal((heads, count, width)) * size for _ in range(3))
        exact, auto = (seconds(q, k, v, eps, method) for method in ("exact", "auto"))
        shape = f"{heads:5}  {count:6}  {width:5}  {eps:6}"
        times = f"{exact:9.4f} {auto:9.4f}  {auto / exact:5.1f}"
        print(f"{shape}  {times}  {max(auto - exact, 0) / heads:16.4f}", flush=True)


if __name__ == "__main__":
    main()
