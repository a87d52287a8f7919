"""Block optimal recovery under attack: hill climbing on true error over bound, all rows counted.

Random problems of every kind (few and many keys, far keys, equal keys, offsets, tiny ranges, steep
and flat, keys that the lens was not fitted to, groups, added in parts, causal blocks, both ways to
the block norms, float32 and float64, NumPy and torch), then hill climbing from each: the tokens are
nudged, doubled, moved together, and kept where the worst ratio grows. The reference is long double.
One evaluation is one row. Exit code 1 where a row is above its bound.

    python checks/attack/recovery.py --evaluations 1000000
    python checks/attack/recovery.py --evaluations 100000 --heads heads.npz     # q_NAME, k_.., v_..
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from varnum.floats.guard import certifying
from varnum.lowrank.recovery.recovery_settings import fixed
from varnum.lowrank.recovery.recovery_state import Open, RecoveryState

LONG = np.longdouble


def draw(rng):
    """Tokens q, k, v in float64, sigma."""
    d = int(rng.choice([1, 2, 3, 8, 16]))
    n, m = int(rng.choice([8, 40, 150])), int(rng.choice([2, 3, 7, 40, 200]))
    size = float(rng.choice([1e-3, 0.1, 0.5, 1, 2, 4]))
    decay = float(rng.choice([1.0, 0.7])) ** np.arange(d)
    q, k = rng.standard_normal((n, d)) * decay * size, rng.standard_normal((m, d)) * decay * size
    kind = rng.integers(8)
    if kind == 0:
        k[0] *= 8
    elif kind == 1:
        k[1:] = k[1]
    elif kind == 2:
        q, k = q + rng.standard_normal(d) * 20, k + rng.standard_normal(d) * 20 / size
    elif kind == 3:
        k[::2] = -k[: len(k[::2])]
    elif kind == 4:
        q[0] *= 30
    v = rng.standard_normal((m, int(rng.choice([1, 2, 5]))))
    style = rng.integers(6)
    if style == 0:
        v = np.sign(v)
    elif style == 1:
        v = np.tanh(k @ rng.standard_normal((d, v.shape[1])))
    elif style == 2:
        v = v * 1e-6 + 3
    elif style == 3:
        v[:, 0] = v[0, 0]
    elif style == 4:
        v = np.zeros_like(v)
        v[int(rng.integers(m))] = 1
    return q, k, v, float(rng.choice([1.0, 0.3, 8.0]))


def some(rng, d):
    """How many coordinates the products of each degree have."""
    counts = rng.integers(0, min(d, 5) + 1, rng.integers(0, 5))
    return tuple(sorted((int(n) for n in counts), reverse=True))


def how(rng, tokens):
    """Block size, products, groups, and so on: everything that is not a token."""
    q, k, _, _ = tokens
    return {
        "block": int(rng.integers(1, 2 * len(k) + 1)), "tops": some(rng, q.shape[1]),
        "sharp": bool(rng.random() < 0.5), "dtype": rng.choice(["float32", "float64"]),
        "groups": int(rng.choice([1, 1, 1, 2, 4])), "foreign": bool(rng.random() < 0.2),
        "parts": int(rng.integers(1, 4)), "torch": bool(rng.random() < 0.3),
        "open": bool(rng.random() < 0.25), "seed": int(rng.integers(2**31)),
    }  # fmt: skip


def ratios(tokens, setting, lens_of=None):
    """True error over bound (n,); a bound that is infinite counts as 0."""
    q, k, v, sigma = tokens
    q, k, v = (np.ascontiguousarray(part, dtype=setting["dtype"]) for part in (q, k, v))
    if not all(np.isfinite(part).all() for part in (q, k, v)):
        return np.zeros(len(q))
    host = (q, k, v)
    if setting["torch"]:
        import torch

        q, k, v = (torch.tensor(part) for part in host)
    with certifying(q):
        shape = {n: setting[n] for n in ("block", "tops", "sharp", "groups")}
        source = (q, k, v)
        if setting["foreign"]:
            half = max(1, len(host[1]) // 2)
            source = (q[: max(1, len(host[0]) // 2)], k[:half], v[:half])
        shape["groups"] = min(shape["groups"], len(source[0]))
        made = fixed(*source, sigma, **shape).state()
        cut = len(host[1]) * 2 // 3 if setting["open"] and len(host[1]) > 3 else len(host[1])
        for part in np.array_split(np.arange(cut), min(setting["parts"], cut)):
            made.add(k[part[0] : part[-1] + 1], v[part[0] : part[-1] + 1])
        own, ends = None, np.full(len(host[0]), cut)
        if cut < len(host[1]):
            seen = np.random.default_rng(setting["seed"]).integers(
                1, len(host[1]) - cut + 1, len(q)
            )
            own, ends = Open(k[cut:], v[cut:], seen), cut + seen
        out, error = made.attend(q, None, own)
    out = out if isinstance(out, np.ndarray) else out.numpy()
    spread = np.ptp(host[2].astype(LONG), axis=0)
    hidden = np.arange(len(host[1]))[None, :] >= ends[:, None]
    logits = host[0].astype(LONG) @ host[1].astype(LONG).T / LONG(sigma)
    logits[hidden] = -np.inf
    weights = np.exp(logits - logits.max(1, keepdims=True))
    exact = weights @ host[2].astype(LONG) / weights.sum(1, keepdims=True)
    moving = spread > 0
    if not moving.any():
        return np.zeros(len(host[0]))
    true = (abs(out - exact)[:, moving] / spread[moving]).max(1)
    sure = np.isfinite(error)
    return np.where(sure, true / np.maximum(error, 1e-300), 0).astype(float)


def nudge(rng, tokens, row):
    """The tokens a little changed, or much."""
    q, k, v, sigma = (part.copy() if hasattr(part, "copy") else part for part in tokens)
    step = 10.0 ** rng.uniform(-3, 0.3)
    which = rng.integers(6)
    at = int(rng.integers(len(k)))
    if which == 0:
        q[row] += rng.standard_normal(q.shape[1]) * step
    elif which == 1:
        k[at] += rng.standard_normal(k.shape[1]) * step
    elif which == 2:
        v[at] += rng.standard_normal(v.shape[1]) * step
    elif which == 3:
        q[row] *= 1 + rng.standard_normal() * step
    elif which == 4:
        k[at] = k[int(rng.integers(len(k)))]
    else:
        v[at] = v[int(rng.integers(len(k)))]
    return q, k, v, sigma


def climb(rng, tokens, setting, steps):
    """(rows looked at, worst ratio, violations) from one problem on."""
    found = ratios(tokens, setting)
    rows, best, wrong = len(found), float(found.max()), int((found > 1).sum())
    for _ in range(steps):
        row = int(np.argmax(found))
        other = nudge(rng, tokens, row)
        again = ratios(other, setting)
        rows += len(again)
        wrong += int((again > 1).sum())
        if float(again.max()) > best:
            tokens, found, best = other, again, float(again.max())
    return rows, best, wrong


def of_heads(path, rng):
    """Tokens of stored heads, subsampled."""
    with np.load(path) as stored:
        names = sorted({name[2:] for name in stored.files if name.startswith("q_")})
        name = names[int(rng.integers(len(names)))]
        q, k, v = (stored[f"{part}_{name}"].astype(float) for part in "qkv")
    some_q, some_k = (rng.choice(len(part), min(size, len(part)), replace=False)
                      for part, size in ((q, 200), (k, 400)))  # fmt: skip
    return q[some_q], k[some_k], v[some_k], float(np.sqrt(q.shape[1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--heads", type=Path)
    parser.add_argument("--half", action="store_true", help="halve the norms: must be caught")
    options = parser.parse_args()
    if options.half:
        plain = RecoveryState.sums
        from dataclasses import replace

        def halved(self):
            found = plain(self)
            return replace(found, norms=found.norms / 2)

        RecoveryState.sums = halved
    rng = np.random.default_rng(options.seed)
    rows, wrong, best, began, problems, worst = 0, 0, [], time.perf_counter(), 0, ""
    with np.errstate(all="ignore"):
        while rows < options.evaluations:
            tokens = of_heads(options.heads, rng) if options.heads else draw(rng)
            setting = how(rng, tokens)
            count, ratio, bad = climb(rng, tokens, setting, options.steps)
            rows, wrong, problems = rows + count, wrong + bad, problems + 1
            if ratio > max(best, default=0.0):
                worst = f"{setting}, shapes {[part.shape for part in tokens[:3]]}"
            best.append(ratio)
            if bad:
                print(f"violation: ratio {ratio:.4g}, {setting}, shapes "
                      f"{[part.shape for part in tokens[:3]]}, sigma {tokens[3]}")  # fmt: skip
                if wrong > 10_000:
                    break
    spent = time.perf_counter() - began
    print(
        f"{rows} rows, {problems} problems, {spent:.0f} s: {wrong} above their bound; largest ratio"
        f" {max(best):.6f} ({worst}), median problem {np.median(best):.3f}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
