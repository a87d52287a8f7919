"""The paper's model run twice over n: exact attention against the guaranteed kernel, with slopes.

Channels and head dimension d, LayerNorm, sigma = d as in Alman and Song, random weights, torch
float32, one thread. Every attention layer is guaranteed to 1e-2 of its values' range. Predicted:
n^4 exact against about n^2. (Without LayerNorm the logits of random weights grow with each layer,
and the kernel says that low rank does not pay.)

    python checks/bench/lowrank_paper_model.py --sides 16 32 64
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction

import numpy as np
import torch

from varnum._slot import GuaranteedKernel
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend
from varnum.model.paper import PaperConfig, geometric_sides, paper_shapes, run_paper_model
from varnum.model.random_weights import random_weights


def run(n, d, kernel):
    """Seconds and image of one forward pass with largest side n."""
    sides = geometric_sides(int(np.log2(n)) + 1)
    config = PaperConfig(
        sides, channels=d, head_dim=d, sigma_squared=Fraction(d**2), norm_eps=Fraction(1, 10**5)
    )
    backend = Backend("torch", "float32", "cpu")
    weights = random_weights(paper_shapes(config), 0)
    loaded = backend.weights(weights)
    start = backend.array(weights["start"])
    began = time.thread_time()
    image = run_paper_model(loaded, config, start, kernel).image
    return time.thread_time() - began, image


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--d", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("    n  exact s  guaranteed s  ratio  worst bound  rows exact      image moved")
    times = []
    for n in options.sides:
        exact, image = run(n, options.d, exact_attention)
        kernel = GuaranteedKernel(output_error="1e-2")
        fast, near = run(n, options.d, kernel)
        made = kernel.certificates
        times.append((exact, fast))
        print(
            f"{n:5} {exact:8.3f} {fast:13.3f} {exact / fast:6.2f} {kernel.worst.output_error:12.2e}"
            f" {sum(c.rows_exact for c in made):6} of {sum(c.rows for c in made):6}"
            f" {float((image - near).abs().max()):9.1e}",
            flush=True,
        )
    if len(times) > 1:
        for name, column in zip(("exact", "guaranteed"), np.array(times).T, strict=True):
            slope = np.polyfit(np.log2(options.sides), np.log2(column), 1)[0]
            last = np.log2(column[-1] / column[-2])
            print(f"slope in n, {name}: {slope:.2f} fitted, {last:.2f} at the last step")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
