"""Triage of a head: would low-rank attention pay? A guess from a sample, in milliseconds.

The logits of a sample of rows and keys, without what a softmax does not see (row means) and what
weights of the keys can carry (column means), say how steep a head is; the attention weights of the
sample say how few directions carry its output. The thresholds were set on 137 heads and then tried
on 54 others; `checks/bench/triage.py` tries them against what is certified and compared today. An
estimate of what today's algorithms reach, never a proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from varnum.balls.exact import parse, to_text
from varnum.errors import InputError
from varnum.floats.inputs import number
from varnum.outward import at_most
from varnum.value import Value

Floats = npt.NDArray[np.float32]
Word = Literal["pays", "may pay", "cannot pay"]
MOST_RANK = 48
"""Ranks above are not told apart: the answer is the same."""
_LARGE = 1e15  # of a logit: up to here sums of squares stay in float32


@dataclass(frozen=True, repr=False)
class Triage(Value):
    """What the sample says. Every number is an estimate.

    M: largest |logit|. spread: half the range of a row of centred logits, its median, 90 % point
    and largest. key_weight: half the range of the column means. dim: participation ratio of the
    centred logits. k99: part of the keys that carries 99 % of a row's weight, median over rows.
    rank: least rank of the attention weights that keeps the sample's outputs within the target
    (`MOST_RANK` + 1: more). norms: median and largest |q|, then |k|.
    """

    verdict: Word
    reasons: tuple[str, ...]
    output_error: str
    sample: tuple[int, int]  # rows, keys
    M: float
    spread: tuple[float, float, float]
    key_weight: float
    dim: float
    k99: float
    rank: int
    norms: tuple[float, float, float, float]

    def summary(self) -> str:
        """Verdict, target, the two figures that decide."""
        rank = f"over {MOST_RANK}" if self.rank > MOST_RANK else str(self.rank)
        return (
            f"{self.verdict} at output error {self.output_error[:12]}: spread "
            f"{at_most(self.spread[1])} (9 rows of 10), rank {rank}; an estimate"
        )

    def __str__(self) -> str:
        return "\n".join([self.summary(), *(f"  {reason}" for reason in self.reasons)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return {
            "triage": self.verdict,
            "reasons": list(self.reasons),
            "output_error": self.output_error,
            "sample": list(self.sample),
            "M": self.M,
            "spread": list(self.spread),
            "key_weight": self.key_weight,
            "dim": self.dim,
            "k99": self.k99,
            "rank": self.rank,
            "norms": list(self.norms),
        }


def triage(
    q: Any, k: Any, v: Any, *, scale: float | None = None,
    output_error: str | Fraction = "1e-2", sample: int = 256, seed: int = 0,
    mask: Any = None,
) -> Triage:  # fmt: skip
    """Does low-rank attention pay for a head? q (Lq, d), k (Lk, d), v (Lk, dv), logits scale q.k.

    scale None: 1/sqrt(d). output_error: in (0, 1), in units of the range of each column of v. At
    most `sample` rows and keys are looked at, drawn with `seed`. mask (Lq, Lk): True takes part.
    NumPy arrays or torch tensors. An estimate of what `vn.attention` and the audit's compared
    output reach today. Raises InputError for what does not fit together or is not finite.

    >>> x = np.linspace(-1, 1, 24).reshape(8, 3)
    >>> triage(x / 4, x, x).verdict
    'pays'
    >>> triage(x, x, x[:4])
    Traceback (most recent call last):
    varnum.errors.InputError: q, k, v: shapes (8, 3), (8, 3), (4, 3) do not fit together
    """
    target = parse(output_error, "output_error")
    if not 0 < target < 1:
        raise InputError(f"output_error: {output_error} is not allowed; strictly between 0 and 1")
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < 2:
        raise InputError(f"sample: {sample!r} is not allowed; a whole number, at least 2")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed: {repr(seed)[:40]} is not allowed; a whole number, at least 0")
    q, k, v = (_plain(x, name) for x, name in ((q, "q"), (k, "k"), (v, "v")))
    _check(q, k, v)
    scale = 1 / math.sqrt(q.shape[1]) if scale is None else number(scale, "scale")
    if not math.isfinite(scale):
        raise InputError(f"scale: {scale} is not finite")
    rng = np.random.default_rng(seed)
    rows, keys = (np.sort(rng.permutation(len(x))[:sample]) for x in (q, k))
    lengths = len(q), len(k)
    with np.errstate(over="ignore"):
        q, k, v = (np.asarray(x, dtype=np.float32) for x in (q[rows], k[keys], v[keys]))
    seen = None if mask is None else _seen(mask, rows, keys, lengths)
    if not all(np.isfinite(x).all() for x in (q, k, v)):
        raise InputError("q, k, v: nan or inf in the sample; all entries must be finite")
    with np.errstate(over="ignore", invalid="ignore"):
        logits = (np.float32(scale) * q) @ k.T
    if not np.isfinite(logits).all():
        raise InputError("q, k: logits of the sample overflow float32; nothing is said of them")
    return _look(logits, q, k, v, seen, target)


def _look(x: Floats, q: Floats, k: Floats, v: Floats, seen: Any, target: Fraction) -> Triage:
    centred, columns = _centred(x, seen)
    spread = _half_range(centred, seen)
    weights = np.exp(x - x.max(1, keepdims=True)) if seen is None else _masked(x, seen)
    weights /= weights.sum(1, keepdims=True)
    squares: Any = centred if seen is None else np.where(seen, centred, 0.0)
    squares = squares.astype(np.float64) if np.abs(x).max() > _LARGE else squares
    gram = squares @ squares.T if len(squares) <= squares.shape[1] else squares.T @ squares
    gram = gram.astype(np.float64)
    fourth = float(np.sum(gram * gram))
    lengths = [np.linalg.norm(y.astype(np.float64), axis=1) for y in (q, k)]
    found = Triage(
        "may pay", (), to_text(target), (len(x), x.shape[1]),
        float(np.abs(x if seen is None else np.where(seen, x, 0)).max()),
        (float(np.median(spread)), float(np.quantile(spread, 0.9)), float(spread.max())),
        0.5 * float(np.ptp(columns)),
        float(np.trace(gram)) ** 2 / fourth if fourth > 0 else 0.0,
        _part_of_keys(weights), _rank(weights, v, float(target)),
        (*(float(f(n)) for n in lengths for f in (np.median, np.max)),),  # type: ignore[arg-type]
    )  # fmt: skip
    word, reasons = _judge(found, float(target))
    return Triage(**{**found.__dict__, "verdict": word, "reasons": reasons})


def _centred(x: Floats, seen: Any) -> tuple[Floats, Floats]:
    """The logits without row means and then column means, and the latter."""
    if seen is None:
        x = x - x.mean(1, keepdims=True)
        columns = x.mean(0)
        return x - columns, columns
    count = np.maximum(seen.sum(1, keepdims=True), 1)
    x = x - np.where(seen, x, 0.0).sum(1, keepdims=True) / count
    columns = np.where(seen, x, 0.0).sum(0) / np.maximum(seen.sum(0), 1)
    return x - columns, columns


def _half_range(x: Floats, seen: Any) -> Floats:
    if seen is None:
        return np.asarray(0.5 * np.ptp(x, axis=1))
    high = np.where(seen, x, -np.inf).max(1)
    low = np.where(seen, x, np.inf).min(1)
    return np.asarray(np.where(seen.any(1), 0.5 * (high - low), 0.0))


def _masked(x: Floats, seen: Any) -> Floats:
    x = np.where(seen, x, -np.inf)
    high = x.max(1, keepdims=True)
    weights = np.exp(x - np.where(np.isfinite(high), high, 0.0))
    weights[~seen.any(1)] = 1.0
    return weights


def _part_of_keys(weights: Floats) -> float:
    """Keys that carry 99 % of a row's weight, as a part of all; the median over rows."""
    descending = -np.sort(-weights, axis=1)
    needed = (np.cumsum(descending, axis=1) < 0.99).sum(1) + 1
    return float(np.median(needed) / weights.shape[1])


def _rank(weights: Floats, v: Floats, target: float) -> int:
    """Least r whose leading directions of P P^T keep P v within the target, up to MOST_RANK + 1.

    By subspace iteration with MOST_RANK columns: a full decomposition takes longer than all else.
    """
    out = weights @ v
    size = np.ptp(v, axis=0)
    out = out[:, size > 0] / size[size > 0]
    if not out.size:
        return 1
    columns = int(min(MOST_RANK, *weights.shape))
    basis = weights @ weights.T[:, _spread_out(len(weights), columns)]
    basis = weights @ (weights.T @ np.linalg.qr(basis)[0])
    basis = np.linalg.qr(basis)[0]
    small = basis.T @ weights
    basis = basis @ np.linalg.eigh(small @ small.T)[1][:, ::-1]  # leading ones first
    parts = basis.T @ out

    def misses(r: int) -> bool:
        return bool(np.abs(out - basis[:, :r] @ parts[:r]).max() > target)

    if misses(columns):
        return columns + 1
    low, high = 0, columns
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if misses(middle) else (low, middle)
    return high


def _spread_out(count: int, some: int) -> Any:
    """`some` of 0 .. count - 1, evenly."""
    return np.linspace(0, count - 1, some).astype(int)


def _judge(t: Triage, target: float) -> tuple[Word, tuple[str, ...]]:
    """Thresholds at 1e-1 and 1e-2, in between interpolated in the logarithm of the target."""
    at = min(1.0, max(0.0, math.log10(target) + 2))  # 0 at 1e-2, 1 at 1e-1

    def between(low: float, high: float) -> float:
        return float(low * (high / low) ** at)

    _, most, all_ = t.spread
    few = between(24, 8)
    if target >= 0.1:
        pays, said = most <= 1.6 or t.rank <= 2, "spread of 9 rows in 10 at most 1.6, or rank <= 2"
    else:
        pays = all_ <= between(1.1, 1.6) and t.rank <= 12
        said = f"largest spread at most {between(1.1, 1.6):.2f} and rank <= 12"
    steep = between(1.6, 3.2)
    if pays and target >= 0.0099:
        return "pays", (said, "both hold" if target < 0.1 else "it holds")
    if pays:
        return "may pay", (said, "below 1e-2 the rule was not tried: no more is said")
    open_ = f"spread of 9 rows in 10 at most {steep:.2f}, or rank <= {few:.0f}"
    if most <= steep or t.rank <= few:
        return "may pay", (open_, "it holds, but not what is asked for 'pays': " + said)
    return "cannot pay", (f"neither {open_}",)


def block_causal(lengths: tuple[int, ...], rows: int) -> npt.NDArray[np.bool_]:
    """The mask in which tokens of a scale see all scales up to it; raises InputError."""
    if min(lengths, default=0) < 1 or sum(lengths) != rows:
        raise InputError(f"scales: {lengths} are {sum(lengths)} tokens, but q has {rows}")
    ends = np.repeat(np.cumsum(lengths), lengths)
    return np.arange(rows)[None, :] < ends[:, None]


def _plain(x: Any, name: str) -> Any:
    """A NumPy array of floats, without copying more than has to be."""
    if hasattr(x, "detach"):
        if x.device.type == "meta" or "sparse" in str(x.layout):
            raise InputError(f"{name}: a meta or sparse tensor holds no numbers to look at")
        x = x.detach().cpu()
        x = (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise InputError(f"{name}: dtype {x.dtype} is not allowed; float16, float32 or float64")
    return x


def _check(q: Any, k: Any, v: Any) -> None:
    for name, x in (("q", q), ("k", k), ("v", v)):
        if x.ndim != 2 or 0 in x.shape:
            raise InputError(f"{name}: shape {x.shape}; one head is allowed, (L, d), no 0")
    if q.shape[1] != k.shape[1] or len(k) != len(v):
        raise InputError(f"q, k, v: shapes {q.shape}, {k.shape}, {v.shape} do not fit together")


def _seen(mask: Any, rows: Any, keys: Any, size: tuple[int, int]) -> Any:
    mask = mask.cpu().numpy() if hasattr(mask, "cpu") else np.asarray(mask)
    if mask.dtype != bool or mask.ndim != 2:
        raise InputError(f"mask: need booleans (Lq, Lk), got {mask.dtype} of shape {mask.shape}")
    if any(n not in (1, m) for n, m in zip(mask.shape, size, strict=True)):
        raise InputError(f"mask: shape {mask.shape} does not fit q and k")
    return np.broadcast_to(mask, size)[np.ix_(rows, keys)]
