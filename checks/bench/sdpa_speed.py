"""varnum.sdpa beside torch's kernel in one run, one thread: what a bound costs and low rank saves.

Random heads (q, k normal times --size, v = k W, so that values depend on keys); beside each, the
error of the mean of the values, which needs no attention at all. Nothing here is a trained head.

    python checks/bench/sdpa_speed.py --tokens 4096 --size 0.3 --output-error 1e-1
"""

from __future__ import annotations

import argparse
from time import process_time

import torch

import varnum as vn

plain = torch._C._nn.scaled_dot_product_attention


def views(n):
    places = torch.arange(n)
    triangle = places[:, None] >= places
    slope = (0.001 * (places - places[:, None])).masked_fill(~triangle, -torch.inf)
    return {
        "full": {},
        "padding": {"attn_mask": (places >= n // 10)[None, None, None]},
        "causal": {"is_causal": True},
        "causal mask": {"attn_mask": triangle},
        "alibi": {"attn_mask": slope},
    }


def seconds(run, times):
    run()
    began = process_time()
    for _ in range(times):
        run()
    return (process_time() - began) / times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--size", type=float, default=0.3)
    parser.add_argument("--output-error", default="1e-1")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = (1, given.heads, given.tokens, given.width)
    q, k = (torch.randn(shape) * given.size for _ in range(2))
    v = k @ torch.randn(given.width, given.width) / given.width**0.5
    print(f"{shape}, size {given.size}, output error {given.output_error}; random, one thread")
    spread = (v.amax(2) - v.amin(2))[:, :, None]
    for name, rest in views(given.tokens).items():
        with vn.certificates() as made:
            vn.sdpa(q, k, v, output_error=given.output_error, **rest)
        exact = plain(q, k, v, **rest)
        mean = float(((exact - v.mean(2, keepdim=True)).abs() / spread).max())
        ours = seconds(lambda r=rest: vn.sdpa(q, k, v, output_error=given.output_error, **r),
                       given.times)  # fmt: skip
        theirs = seconds(lambda r=rest: plain(q, k, v, **r), given.times)
        one = made[0]
        print(
            f"{name:12} torch {1e3 * theirs:7.1f} ms, times {theirs / ours:5.2f}; {one.method}, "
            f"{one.rows_exact} of {one.rows} rows exact, certified {one.certified_error:.2g}; "
            f"mean(V) errs by {mean:.2g}"
        )


if __name__ == "__main__":
    main()
