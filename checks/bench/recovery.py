"""Guaranteed attention by block optimal recovery on heads that exist: time, bound, baselines.

One thread, float32, rounding counted, rows that miss done exactly. Each line, in one run: exact
attention's time (torch fused, scale by scale) over that of `vn.attention(.., method="auto")`, what
was certified and, on sampled rows, the true error, beside the errors of the mean of V (of the keys
that a row sees) and of centred degree-1 attention. Processor time, medians of --repeats.

    python checks/bench/recovery.py kw                       # v = K W, L = 16384; and n = 128
    python checks/bench/recovery.py d16 --side 64            # random VAR-d16 run on real pyramids
    python checks/bench/recovery.py d16 --side 128 --cache DIR   # L = 21845; minutes and 0.6 GB
    python checks/bench/recovery.py heads --files a.npz ..   # trained heads: q_NAME, k_.., v_..
    python checks/bench/recovery.py limit                    # a fitted state over its products
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from lowrank_heads import pyramid
from recovery_heads import key_dependent, random_d16
from torch.nn.functional import scaled_dot_product_attention as fused

import varnum as vn
from varnum.lowrank.recovery.recovery_settings import fixed

COLUMNS = (
    "head                          target   exact ms   ours ms   times  method        rows exact"
    "   certified       true   mean(V)  degree 1  bound/true"
)


def exact(q, k, v, sigma, scales):
    """torch's fused attention, scale by scale; all at once without scales."""
    out, start = torch.empty((len(q), v.shape[1])), 0
    for count in scales or (len(q),):
        end = start + count
        seen = end if scales else len(k)
        part = (q[None, None, start:end], k[None, None, :seen], v[None, None, :seen])
        out[start:end] = fused(*part, scale=1 / sigma)[0, 0]
        start = end
    return out


def baselines(q, k, v, sigma, scales, at):
    """Largest errors over the range of (mean of V, degree 1 about the means) on rows `at`, float64;
    and the exact output there."""
    ends = np.repeat(np.cumsum(scales), scales) if scales else np.full(len(q), len(k))
    q, k, v = (part.double().numpy() for part in (q, k, v))
    errors, outputs, ranges = [], [], []
    for row in at:
        end = ends[row]
        x, y, u = q[row], k[:end], v[:end]
        logits = y @ x / sigma
        weights = np.exp(logits - logits.max())
        true = weights @ u / weights.sum()
        q0, k0 = q.mean(0), y.mean(0)
        c = np.exp((y - k0) @ q0 / sigma)
        linear = c * (1 + (y - k0) @ (x - q0) / sigma)
        spread = np.ptp(u, axis=0)
        spread = np.where(spread > 0, spread, np.inf)
        first = linear @ u / linear.sum()
        errors.append([abs(u.mean(0) - true), abs(first - true)] / spread)
        outputs.append(true)
        ranges.append(spread)
    return np.array(errors).max((0, 2)), np.array(outputs), np.array(ranges)


def measure(name, head, target, repeats, sampled=256):
    """One line of the table."""
    q, k, v, sigma, scales = head
    q, k, v = (torch.tensor(np.ascontiguousarray(part, dtype=np.float32)) for part in (q, k, v))
    times = {"exact": [], "ours": []}
    for _ in range(repeats + 1):
        began = time.thread_time()
        exact(q, k, v, sigma, scales)
        middle = time.thread_time()
        found = vn.attention(q, k, v, sigma=sigma, output_error=target, scales=scales)
        times["exact"].append(middle - began)
        times["ours"].append(time.thread_time() - middle)
    ours, fused_time = (float(np.median(times[part][1:])) for part in ("ours", "exact"))
    at = np.linspace(0, len(q) - 1, sampled).astype(int)
    (mean_v, degree), truth, spread = baselines(q, k, v, sigma, scales, at)
    true = float((abs(found.output[at].numpy() - truth) / spread).max())
    made = found.certificate
    ratio = made.certified_error / max(true, 1e-12)
    print(
        f"{name:28} {target:>7} {1e3 * fused_time:10.1f} {1e3 * ours:9.1f} {fused_time / ours:7.2f}"
        f"  {made.method:12} {made.rows_exact:6}/{made.rows:6} {made.certified_error:10.2e}"
        f" {true:10.1e} {mean_v:9.1e} {degree:9.1e} {ratio:11.1f}",
        flush=True,
    )
    if not true <= made.certified_error:
        raise SystemExit(f"{name}: the true error is above the certified one")


def run_kw(options):
    for largest, targets in ((1.0, ("1e-2", "1e-3")), (2.0, ("1e-2", "1e-3"))):
        head = (*key_dependent(16384, largest), 8.0, None)
        for target in targets:
            measure(f"v = K W, R = {largest:g}, flat", head, target, options.repeats)
    for largest in (1.0, 2.0):
        head = (*key_dependent(21845, largest), 8.0, pyramid(128))
        measure(f"v = K W, R = {largest:g}, n = 128", head, "1e-2", options.repeats)


def run_d16(options):
    sides = tuple(2**i for i in range(int(np.log2(options.side)) + 1))
    rows, scales = random_d16(sides, options.depth, 0, options.cache)
    rows = sorted(rows, key=lambda row: row[2])
    picks = np.linspace(0, len(rows) - 1, options.count).astype(int)
    for row in (rows[index] for index in picks):
        layer, head, factor, *sides_of = row
        for target in options.targets:
            name = f"d16 random {layer}.{head}, factor {factor:.2f}"
            measure(name, (*sides_of, 1.0, scales), target, options.repeats)


def run_heads(options):
    """Share of rows certified by groups of queries, whatever the time; and what auto says."""
    print("head                 groups block products   certified at 1e-1   3e-2   1e-2"
          "   ms, exact ms   mean(V)  degree 1  worst true/bound")  # fmt: skip
    for path in options.files:
        with np.load(path) as stored:
            names = sorted({name[2:] for name in stored.files})
            heads = {n: tuple(stored[f"{c}_{n}"].astype(np.float32) for c in "qkv") for n in names}
        for name, head in heads.items():
            of_head(f"{path.stem.split('_')[0]} {name}", head)


def of_head(name, head):
    """Several settings of one head, and the reason that auto gives."""
    q, k, v = (torch.tensor(part) for part in head)
    sigma = float(np.sqrt(q.shape[1]))
    wide = [part.double() for part in (q, k, v)]
    truth = torch.softmax(wide[0] @ wide[1].T / sigma, 1) @ wide[2]
    spread = wide[2].amax(0) - wide[2].amin(0)
    at = np.arange(0, len(q), 8)
    (mean_v, degree), *_ = baselines(q, k, v, sigma, None, at)
    began = time.thread_time()
    exact(q, k, v, sigma, None)
    plain = time.thread_time() - began
    for groups, block, tops in (
        (1, 128, ()), (16, 2048, (16,)), (64, 2048, (12, 6, 4)), (96, 2048, (16, 8, 5, 4)),
    ):  # fmt: skip
        began = time.thread_time()
        made = fixed(q, k, v, sigma, groups=groups, block=block, tops=tops, sharp=False).state()
        made.add(k, v)
        out, error = made.attend(q)
        spent = time.thread_time() - began
        true = ((out.double() - truth).abs() / spread).amax(1).numpy()
        shares = [float((error <= target).mean()) for target in (0.1, 0.03, 0.01)]
        worst = float(np.nanmax(np.where(np.isfinite(error), true / error, 0)))
        print(f"{name:20} {groups:6} {block:5} {tops!s:14} {shares[0]:18.3f} {shares[1]:6.3f}"
              f" {shares[2]:6.3f} {1e3 * spent:6.0f}, {1e3 * plain:6.1f} {mean_v:9.1e}"
              f" {degree:9.1e} {worst:10.2f}", flush=True)  # fmt: skip
    certificate = vn.attention(q, k, v, sigma=sigma, output_error="1e-1").certificate
    print(f"{name:20} auto at 1e-1: {certificate.method}, {certificate.reason}", flush=True)


def run_limit(options):
    """Time of a fitted state (keys in, queries out) over that of its matrix products alone."""
    q, k, v = (torch.tensor(part) for part in key_dependent(16384, 1.0))
    n, d, d_v = len(q), q.shape[1], v.shape[1]
    for block in (16, 32, 64, 128):
        setting = fixed(q, k, v, 8.0, block=block)
        count = n // block
        y, f, u = torch.randn(n, d), torch.randn(n, d + 1), torch.randn(n, d_v + 1)
        maps = torch.randn(d, d + 1)

        def products(block=block, count=count, y=y, f=f, u=u, maps=maps):
            y @ maps
            f.T @ u
            y @ maps[:, :d]
            y @ maps
            for start in range(0, n, 2048):
                rows = slice(start // block, (start + 2048) // block)
                a, b, c = (t.reshape(count, block, -1)[rows] for t in (y, f, u))
                torch.bmm(torch.bmm(a, a.transpose(1, 2)), c)
                torch.bmm(b, b.transpose(1, 2))

        def state(setting=setting):
            made = setting.state()
            made.add(k, v)
            made.attend(q)

        spent = {}
        for name, function in (("products", products), ("state", state)):
            times = []
            for _ in range(options.repeats + 1):
                began = time.thread_time()
                function()
                times.append(time.thread_time() - began)
            spent[name] = float(np.median(times[1:]))
        a, b = spent["state"], spent["products"]
        print(f"blocks of {block}: state {1e3 * a:.1f} ms, products {1e3 * b:.1f} ms, {a / b:.2f}")


RUNS = {"kw": run_kw, "d16": run_d16, "heads": run_heads, "limit": run_limit}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=RUNS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--count", type=int, default=9)
    parser.add_argument("--targets", nargs="+", default=["1e-1", "1e-2"])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--files", type=Path, nargs="+", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    if options.what not in ("heads", "limit"):
        print(COLUMNS)
    RUNS[options.what](options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
