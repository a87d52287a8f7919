"""sample_check(q, k, v, output, ...): what random rows, run exactly, say about any output."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from time import perf_counter

import numpy as np

from varnum._attention import parse_target, resolve_sigma, view_of
from varnum.balls.exact import parse, to_text
from varnum.envelope import plain as plain_json
from varnum.errors import InputError
from varnum.floats.arrays import shape_of, split_heads, to_double
from varnum.floats.guard import certifying, eagerly
from varnum.floats.inputs import owned, plain
from varnum.floats.qkv import check_inputs, check_kind
from varnum.outward import at_most, float_up
from varnum.sampled.mean import mean_above
from varnum.sampled.rows import Errors, errors_of_rows
from varnum.sampled.share import share_above
from varnum.tensor import Array, Tensor, Whole
from varnum.value import Value

MOST_ROWS = 1 << 16
_LEAST_CHANCE = Fraction(1, 10**12)


@dataclass(frozen=True, repr=False)
class SampleCheck(Value):
    """What random rows say about an output; nothing is said of a single row that was not drawn.

    Each of the two bounds is below the truth with probability at most `confidence`, over the rows
    drawn, whatever the arrays are. Errors are in units of the range of each value column over the
    keys that a row sees. Where every row was looked at (`all_rows`) there is no chance left.
    """

    rows: int
    total: int  # rows of the output, all heads
    all_rows: bool
    target: str  # error asked about, exactly
    confidence: str  # chance of each bound to be wrong, exactly
    above: int  # rows drawn that are not certainly within the target
    surely_above: int  # of them certainly not within it
    share_above: float  # at most this share of all rows exceeds the target
    mean_error: float  # at most this is the mean over rows of min(error, 1)
    largest_seen: float  # not below the largest error among the rows drawn
    witness: tuple[int, int, float] | None  # head, row, error at least: the worst surely above
    seconds: float

    @property
    def word(self) -> str:
        """Of the table of assurance, with its chance."""
        if self.all_rows:
            return "proved for this run"
        return f"with high probability, up to chance {self.confidence} for each bound"

    @property
    def verdict(self) -> str:
        """Of the output being within the target: "refuted" by a row, "unknown", "done" else."""
        if self.surely_above:
            return "refuted"
        if self.above:
            return "unknown"
        return "proved" if self.all_rows else "done"

    @property
    def exit_code(self) -> int:
        """1 where a row refutes the target, 3 where rounding leaves it open, else 0."""
        return {"refuted": 1, "unknown": 3}.get(self.verdict, 0)

    def summary(self) -> str:
        """Rows, both bounds, the chance."""
        share, mean = at_most(self.share_above), at_most(self.mean_error)
        chance = "" if self.all_rows else f" (chance {self.confidence} each)"
        return (
            f"{self.rows} of {self.total} rows: at most {share} of all rows above {self.target}, "
            f"mean error at most {mean}{chance}"
        )

    def __str__(self) -> str:
        return self.summary()

    def to_dict(self) -> dict[str, object]:
        """The fields of `varnum attention --against .. --json`."""
        names = (
            "rows", "total", "all_rows", "target", "confidence", "above", "surely_above",
            "share_above", "mean_error", "largest_seen", "witness", "seconds",
        )  # fmt: skip
        found: dict[str, object] = plain_json({name: getattr(self, name) for name in names})
        return found


@eagerly
def sample_check(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    output: Tensor,
    *,
    output_error: str | Fraction,
    rows: int = 256,
    confidence: str | Fraction = "1e-3",
    sigma: str | int | float | Fraction = "sqrt",
    scales: Sequence[int] | None = None,
    causal: bool = False,
) -> SampleCheck:
    """Draw rows of `output`, run them exactly: how many of all rows can exceed `output_error`?

    q (.., L_q, d), k (.., L_k, d), v (.., L_k, d_v), output (.., L_q, d_v), of any implementation;
    sigma, scales as in `varnum.attention`; causal: row i sees keys 0..i. `rows` are drawn with
    replacement from the system's randomness once `output` is copied; all are taken, once each, if
    they are no more. `confidence`: the chance of each bound to be wrong, such as "1e-3".

    Says nothing of a single row. Raises InputError for bad input, nan and inf in `output` included.

    >>> x = np.linspace(-1, 1, 24).reshape(8, 3)
    >>> sample_check(x, x, x, x, output_error="1e-2").verdict
    'refuted'
    >>> sample_check(x, x, x, x[:4], output_error="1e-2")
    Traceback (most recent call last):
    varnum.errors.InputError: output: shape (4, 3); expected (8, 3)

    Claim sampled-guarantee.
    """
    _, _, asked = parse_target(None, output_error)
    chance = parse(confidence, "confidence")
    if not _LEAST_CHANCE <= chance <= Fraction(1, 2):
        raise InputError(f"confidence: {confidence} is not allowed; a chance in [1e-12, 1/2]")
    if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= MOST_ROWS:
        raise InputError(f"rows: {rows!r} is not allowed; a whole number in [1, {MOST_ROWS}]")
    given = ((q, "q"), (k, "k"), (v, "v"), (output, "output"))
    q, k, v, output = (plain(part, name) for part, name in given)
    number = resolve_sigma(sigma, int(q.shape[-1]) if q.shape else 1)
    try:
        scales = None if scales is None else tuple(scales)
    except TypeError:
        raise InputError(
            f"scales: {scales!r} is not allowed; token counts such as (1, 4)"
        ) from None
    with certifying(q):
        began = perf_counter()
        check_inputs(q, k, v, number, scales)
        fixed = _checked_output(output, q, v)  # a copy: it exists before any row is drawn
        ends = _ends(int(q.shape[-2]), int(k.shape[-2]), scales, causal)
        total = fixed.shape[0] * len(ends)
        all_rows = rows >= total
        drawn = range(total) if all_rows else [secrets.randbelow(total) for _ in range(rows)]
        chosen, times = np.unique(np.array(drawn, dtype=np.int64), return_counts=True)
        found = _errors(q, k, v, fixed, number, ends, chosen)
        return _conclude(found, chosen, times, len(ends), all_rows, total, asked, chance, began)


def _checked_output(output: Tensor, q: Tensor, v: Tensor) -> Array:
    """The output as float64 (heads, L_q, d_v), a copy."""
    check_kind(output, "output", q)
    shape = (*shape_of(v)[:-2], int(q.shape[-2]), int(v.shape[-1]))
    if shape_of(output) != shape:
        raise InputError(f"output: shape {shape_of(output)}; expected {shape}")
    wide: Array = to_double(owned(output)).reshape((-1, *shape[-2:]))
    if not np.isfinite(wide).all():
        raise InputError("output: holds nan or inf; all entries must be finite")
    return wide


def _ends(queries: int, keys: int, scales: Sequence[int] | None, causal: bool) -> Whole:
    """How many keys each row sees, (L_q,)."""
    counts = view_of(queries, keys, scales, causal)
    return np.full(queries, keys) if counts is None else np.repeat(np.cumsum(counts), counts)


def _errors(
    q: Tensor, k: Tensor, v: Tensor, output: Array, sigma: float, ends: Whole, chosen: Whole
) -> Errors:
    """Of the chosen rows (n,), numbered through all heads in order."""
    low, high = [], []
    for head, (head_q, head_k, head_v) in enumerate(split_heads(q, k, v)):
        of_head = chosen[chosen // len(ends) == head] % len(ends)
        if not len(of_head):
            continue
        wide = (to_double(head_q[of_head]), to_double(head_k), to_double(head_v))
        found = errors_of_rows(output[head, of_head], *wide, sigma, ends[of_head])
        low.append(found.low)
        high.append(found.high)
    return Errors(np.concatenate(low), np.concatenate(high))


def _conclude(
    found: Errors, chosen: Whole, times: Whole, length: int, all_rows: bool, total: int,
    asked: str, chance: Fraction, began: float,
) -> SampleCheck:  # fmt: skip
    target = Fraction(asked)
    bad = np.array([not (np.isfinite(x) and Fraction(float(x)) <= target) for x in found.high])
    sure = np.array([not np.isfinite(x) or Fraction(float(x)) > target for x in found.low])
    above, rows = int(times[bad].sum()), int(times.sum())
    cut = np.minimum(found.high, 1.0)
    if all_rows:
        share = Fraction(above, total)
        mean = sum((Fraction(float(x)) for x in cut), Fraction(0)) / total
    else:
        share = share_above(above, rows, chance)
        mean = mean_above(np.repeat(cut, times).tolist(), chance)
    worst = int(np.argmax(found.low))
    head, row = divmod(int(chosen[worst]), length)
    return SampleCheck(
        rows, total, all_rows, asked, to_text(chance), above, int(times[sure].sum()),
        float_up(share), float_up(mean), float(found.high.max()),
        (head, row, float(found.low[worst])) if sure.any() else None, perf_counter() - began,
    )  # fmt: skip
