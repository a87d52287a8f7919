"""Which rows a policy keeps: by attention mass, by position, at random.

H2O: Zhang et al., arXiv 2306.14048; StreamingLLM: Xiao et al., arXiv 2309.17453; SnapKV: Li et al.,
arXiv 2404.14469. Masses here come from exact attention over all rows, also those dropped earlier,
which a real cache no longer has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from varnum.errors import InputError

POLICIES = ("h2o", "streaming", "snapkv", "random")
SINKS = 4  # streaming: first rows that always stay
WINDOW = 32  # snapkv: last queries whose mass counts


def choose(policy: str, candidates: Any, count: int, masses: Any, seed: int) -> Any:
    """The `count` rows to keep of `candidates` (n,), sorted; ties go to the earlier row.

    masses (L_q, N): softmax rows of the queries seen so far, over all rows. h2o: most mass; snapkv:
    most mass of the last 32 queries; streaming: the first 4 and the last; random: seeded.
    """
    if policy not in POLICIES:
        raise InputError(f"policy: no {policy!r}; allowed are {', '.join(POLICIES)}")
    candidates = np.sort(candidates)
    count = min(count, len(candidates))
    if policy == "random":
        picked = np.random.default_rng(seed).choice(len(candidates), count, replace=False)
        return np.sort(candidates[picked])
    if policy == "streaming":
        first = min(SINKS, count)
        last = candidates[len(candidates) - (count - first) :] if count > first else candidates[:0]
        return np.concatenate([candidates[:first], last])
    weights = masses if policy == "h2o" else masses[-WINDOW:]
    score = weights.sum(0)[candidates]
    return np.sort(candidates[np.argsort(-score, kind="stable")[:count]])


def softmax_rows(q: Any, k: Any, sigma: float, seen: Any | None = None) -> Any:
    """(L_q, L) attention weights in float64; seen (L_q, L) says which keys a query sees."""
    logits = (q @ k.T) / sigma
    if seen is not None:
        logits = np.where(seen, logits, -np.inf)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)
