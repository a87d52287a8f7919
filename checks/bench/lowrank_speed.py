"""Guaranteed attention against torch's fused exact attention, one thread, one run.

What the guarantee takes is all in it: choice of method, certificate, rows that run exactly. The two
alternate; medians of processor time and of wall time. Beside every row: how far the mean of V and
centred degree one (1 + d features) are off, measured; where they are within the target, averaging
would have done. Heads:

- synthetic: VAR form (scales 1, 2, 4, .., n) or flat, correlated heads (d = d_v = 64, sigma = 8,
  largest entry R), v = K W with W fixed and random. --values independent: drawn apart from K, where
  the mean of V alone answers; kept for comparison with older figures.
- random: layers of a var-d16 with random weights, run on a pyramid of 5461 or 21845 tokens.
- capped: of a trained VAR whose logit factor was capped, tokens of several images as one (flat).
- trained: of a text and an image encoder (flat).

    python checks/bench/lowrank_speed.py --sides 32 64 128 --largest 1 2
    python checks/bench/lowrank_speed.py --lengths 1024 4096 16384 --largest 2 --target 1e-3
    python checks/bench/lowrank_speed.py --heads random capped trained --target 1e-1
    python checks/bench/lowrank_speed.py --sides 128 --device cuda --dtype bfloat16

With --memory each method runs in a process of its own and its peak growth is printed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import torch
from attention_heads import SIDES, capped_heads, random_heads, trained
from lowrank_heads import correlated, pyramid, values
from torch.nn.functional import scaled_dot_product_attention

import varnum as vn
from varnum.lowrank.baselines import estimate_baselines
from varnum.lowrank.problem import Problem, Target
from varnum.outward import at_most

ROUNDS = 3  # of the guaranteed one for each exact one


def exact(q, k, v, sigma, scales):
    """torch's fused attention, scale by scale; all at once without scales."""
    out, start = torch.empty((len(q), v.shape[1]), dtype=v.dtype, device=v.device), 0
    for count in scales or (len(q),):
        end = start + count
        seen = end if scales else len(k)
        part = [t[None, None] for t in (q[start:end], k[:seen], v[:seen])]
        out[start:end] = scaled_dot_product_attention(*part, scale=1 / sigma)[0, 0]
        start = end
    return out


def guaranteed(q, k, v, sigma, scales, target):
    """What a user calls."""
    return vn.attention(q, k, v, sigma=sigma, scales=scales, output_error=target)


def timed(function, device):
    wall, cpu = time.perf_counter(), time.thread_time()
    result = function()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.thread_time() - cpu, result


def synthetic(n, largest, how):
    """(name, q, k, v, sigma, scales); n < 0: flat, of length -n."""
    scales = pyramid(n) if n > 0 else None
    length = sum(scales) if scales else -n
    q, k = correlated(64, length, 0, largest)
    own = k @ np.random.default_rng(1).standard_normal((64, 64))
    v = own if how == "keys" else values(length, 64)
    shape = f"n = {n}" if n > 0 else "flat"
    return f"{shape}, R = {largest:g}, v {how}", q, k, v, 8.0, scales


def measure(head, target, repeats, device, dtype):
    """Print one line; median seconds of both."""
    name, q, k, v, sigma, scales = head
    q, k, v = (torch.tensor(np.ascontiguousarray(t), device=device).to(dtype) for t in (q, k, v))
    times = {"exact": [], "guaranteed": []}
    for turn in range(repeats + 1):
        a = timed(lambda: exact(q, k, v, sigma, scales), device)
        rounds = []
        for _ in range(ROUNDS):
            *spent, found = timed(lambda: guaranteed(q, k, v, sigma, scales, target), device)
            rounds.append(spent)
        if turn or not repeats:  # the first turn warms up
            times["exact"].append(a[:2])
            times["guaranteed"] += rounds
    spread = v.float().amax(0) - v.float().amin(0)
    true = float(((found.output - a[2].float()).abs() / spread)[:, spread > 0].max())
    host = [t.float().cpu() for t in (q, k, v)]
    beside = estimate_baselines(Problem(*host, sigma, Target("output", 0.1), scales), 256)
    medians = {key: np.median(np.array(rows), axis=0) for key, rows in times.items()}
    wall, cpu = medians["exact"] / medians["guaranteed"]
    c = found.certificate
    print(
        f"{name:32} {len(k):6} {medians['exact'][0]:8.4f} {wall:7.2f} {cpu:7.2f} {c.method:>9}"
        f" {c.rank:5} {c.rows_exact:6} {at_most(c.certified_error, 2):>9} {true:9.1e}"
        f" {beside.mean_v:9.1e} {beside.degree_one:9.1e}",
        flush=True,
    )
    return medians


def slopes(sides, rows):
    if len(sides) > 1:
        logs, what = np.log2(np.abs(sides)), "n" if sides[0] > 0 else "L"
        for name in ("exact", "guaranteed"):
            slope = np.polyfit(logs, np.log2([row[name][0] for row in rows]), 1)[0]
            print(f"slope in {what}, {name}: {slope:.2f}")


def memory(options):
    for name in ("exact", "guaranteed", "naive"):
        sizes = ["--sides", str(options.sides[-1]), "--largest", str(options.largest[0])]
        command = [sys.executable, __file__, "--one", name, *sizes]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"peak memory growth, {name}: {done.stdout.strip()} MiB")


def one(name, n, largest, target):
    _, q, k, v, sigma, scales = synthetic(n, largest, "keys")
    q, k, v = (torch.tensor(t, dtype=torch.float32) for t in (q, k, v))
    exact(q[:5], k[:5], v[:5], sigma, (1, 4))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name == "naive":
        last = q[-scales[-1] :]
        torch.softmax(last @ k.T / sigma, 1) @ v
    elif name == "exact":
        exact(q, k, v, sigma, scales)
    else:
        guaranteed(q, k, v, sigma, scales, target)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)


def other_heads(options):
    """Those that are not synthetic."""
    for kind in options.heads:
        if kind == "random":
            found = random_heads(options.tokens, options.count, options.cache)
        else:
            length = 21824 if options.tokens == 21845 else 5456  # images of 341 tokens
            found = capped_heads(length, 2) if kind == "capped" else trained()
        for name, what, *head in found:
            yield f"{name} ({what})", *head


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--lengths", type=int, nargs="+", help="plain attention, no scales")
    parser.add_argument("--largest", type=float, nargs="+", default=[1.0, 2.0])
    parser.add_argument("--values", choices=("keys", "independent"), default="keys")
    parser.add_argument("--heads", nargs="+", choices=("random", "capped", "trained"))
    parser.add_argument(
        "--tokens", type=int, choices=[*SIDES], default=5461, help="of random and capped"
    )
    parser.add_argument("--count", type=int, default=3, help="of random heads, factors spread")
    parser.add_argument("--cache", help="folder in which random heads are kept")
    parser.add_argument("--target", default="1e-2")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        one(options.one, options.sides[0], options.largest[0], options.target)
        return 0
    if options.memory:
        memory(options)
        return 0
    if options.lengths:
        options.sides = [-length for length in options.lengths]
    print(
        f"target {options.target} of V's range\n{'head':32} {'L':>6}  exact s    wall     cpu"
        "    method  rank  exact rows certified  true    mean V  degree 1"
    )
    rest = (options.target, options.repeats, options.device, getattr(torch, options.dtype))
    if options.heads:
        for head in other_heads(options):
            measure(head, *rest)
        return 0
    for largest in options.largest:
        rows = [measure(synthetic(n, largest, options.values), *rest) for n in options.sides]
        slopes(options.sides, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
