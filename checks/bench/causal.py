"""Causal attention, and steps one by one: seconds of a thread beside exact attention, v = K W.

OMP_NUM_THREADS=1 python checks/bench/causal.py 5461 21845 --targets 1e-1 1e-2
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import thread_time

import numpy as np
import torch

import varnum as vn
from varnum.verdict import Unknown

D = 64
STEPS = {
    "pyramid": [4**level for level in range(7)],
    "steps of 64": [64] * 150,
    "6000, then one by one": [6000] + [1] * 500,
}


def tokens(count: int, size: float) -> list[torch.Tensor]:
    """q, k, v (count, D) of spectrum size 0.9^j in a random basis; v = K W."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((D, D)))[0]
    q, k = ((rng.standard_normal((count, D)) * size * 0.9 ** np.arange(D)) @ turn for _ in "qk")
    v = k @ rng.standard_normal((D, D)) / 8
    return [torch.tensor(part, dtype=torch.float32) for part in (q, k, v)]


def timed(run: Callable[[], object]) -> tuple[float, object]:
    """The second of two runs."""
    run()
    began = thread_time()
    found = run()
    return thread_time() - began, found


def causal(count: int, size: float, target: str) -> None:
    """One line: torch's fused kernel, varnum by method."""
    q, k, v = tokens(count, size)
    fused = torch.nn.functional.scaled_dot_product_attention
    batch = [part[None, None] for part in (q, k, v)]
    exact, _ = timed(lambda: fused(*batch, is_causal=True))
    said = [f"L {count}, size {size:g}, {target}: fused {exact:.3f} s"]
    for method in ("auto", "exact"):
        given = {"output_error": target, "causal": True, "method": method}
        seconds, found = timed(lambda given=given: vn.attention(q, k, v, **given))
        ran = found.certificate.method  # type: ignore[attr-defined]
        said.append(f"{method}: {ran}, {seconds:.3f} s, {exact / seconds:.2f}x")
    beside = vn.attention(q, k, v, output_error=target, causal=True, baselines=64).certificate
    said.append(f"mean of V {beside.mean_v_error:.2g}, degree one {beside.degree_one_error:.2g}")
    print("; ".join(said), flush=True)


def steps(name: str, size: float) -> None:
    """VarAttention by each way, all steps together."""
    counts = STEPS[name]
    parts = tokens(sum(counts), size)
    said = [name]
    for method in ("recovery", "moments", "exact"):
        work = vn.VarAttention(D**0.5, 1e-2, method="auto" if method == "exact" else method)
        if method == "exact":
            work.choice = Unknown("asked for")
        began, start = thread_time(), 0
        for count in counts:
            work.step(*(part[start : start + count] for part in parts))
            start += count
        seconds, exact = thread_time() - began, work.outcome.exact
        said.append(f"{method}: {seconds:.3f} s, {exact} of {sum(counts)} rows exact")
    print("; ".join(said), flush=True)


def main() -> None:
    """Print a line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lengths", nargs="*", type=int, default=[5461, 21845])
    parser.add_argument("--targets", nargs="+", default=["1e-1", "1e-2"])
    parser.add_argument("--size", type=float, default=0.7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for count in options.lengths:
        for target in options.targets:
            causal(count, options.size, target)
    for name in STEPS:
        steps(name, options.size)


if __name__ == "__main__":
    main()
