"""Is the output within the certified error of attention of q, k and v? Every row is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .attention_form import CAUSAL, Claimed, Disagrees, Malformed, array_facts, read
from .compare import Head, compare
from .exact_rows import Array, Whole


@dataclass(frozen=True)
class Agreed:
    """What was found: the output is within the bounds on every row, but for `open` ones."""

    claimed: Claimed
    rows: int
    open: int  # rows that rounding leaves undecided: nothing is proved of them
    largest: float  # not below the largest error, in units of the range, over decided rows
    arithmetic: str

    def __str__(self) -> str:
        text = self.claimed.text
        if self.open:
            return f"unknown: rounding leaves {self.open} of {self.rows} rows undecided"
        spread = self.claimed.spreads is not None
        unit = "spread of its column" if spread else "range of its column of V"
        bound = _up(text["bound"] if spread else text["output_bound"])
        beyond = "; what it says of kernel entries was not looked at" * (text["kind"] == "eps")
        return (
            f"every entry of the output {tuple(text['output']['shape'])} is within {bound} of the "
            f"{unit} of exact attention: {self.rows} rows recomputed in {self.arithmetic}, "
            f"largest error {_up(self.largest)} of the range{beyond}"
        )


def _up(value: float) -> str:
    """Three digits, rounded up."""
    digits = f"{value:.2e}"
    if Fraction(digits) < Fraction(value):
        mantissa, _, exponent = digits.partition("e")
        digits = f"{float(mantissa) + 0.01:.2f}e{exponent}"
    return digits


def check(data: bytes, q: Array, k: Array, v: Array, output: Array) -> Agreed:
    """Recompute the statement of the certificate `data` for these arrays.

    Raises Disagrees where the statement, a hash, a shape or the file itself is not as it says;
    Malformed where there is nothing to check.
    """
    claimed = read(data)
    arrays = {"q": q, "k": k, "v": v, "output": output}
    for name, array in arrays.items():
        found, stated = array_facts(array), claimed.arrays[name]
        for field in ("dtype", "shape", "sha256"):
            if found[field] != stated[field]:
                raise Disagrees(f"{name}: {field} is {str(found[field])[:16]}, not what it says")
        if not np.isfinite(array).all():
            raise Disagrees(f"{name}: holds nan or inf")
    ends = _keys_seen(claimed, q, k, v, output)
    flat = [np.asarray(a, dtype=np.float64).reshape(-1, *a.shape[-2:]) for a in arrays.values()]
    divisor = _divisor(claimed.sigma, q.shape[-1])
    spreads = claimed.spreads or (None,) * len(claimed.bounds)
    seen = []
    with np.errstate(all="ignore"):
        for number, (a, b, c, out) in enumerate(zip(*flat, strict=True)):
            head = Head(number, a, b, c, out, divisor, ends)
            seen.append(compare(head, claimed.bounds[number], spreads[number]))
    long = any(one.long for one in seen)
    return Agreed(
        claimed,
        len(seen) * len(ends),
        sum(one.open for one in seen),
        max(one.largest for one in seen),
        "float64, where that was too coarse in long double" if long else "float64",
    )


def _keys_seen(claimed: Claimed, q: Array, k: Array, v: Array, output: Array) -> Whole:
    """By each row; Disagrees unless the arrays fit together and to the heads."""
    good = min(a.ndim for a in (q, k, v, output)) >= 2 and 0 not in q.shape + k.shape + v.shape
    good = good and q.shape[-1] == k.shape[-1] and k.shape[-2] == v.shape[-2]
    good = good and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    if not good or output.shape != (*q.shape[:-1], v.shape[-1]):
        raise Malformed("arrays: shapes do not fit together")
    heads, rows = claimed.text["heads"], q.shape[-2]
    if len(heads) != math.prod(q.shape[:-2]):
        raise Disagrees(f"heads: {len(heads)} of them, the arrays have {math.prod(q.shape[:-2])}")
    for head in heads:
        if head["rows"] != rows:
            raise Disagrees(f"heads: rows are not {rows}")
    if claimed.ends is None:
        return np.full(rows, k.shape[-2])
    if claimed.ends == CAUSAL:
        if rows != k.shape[-2]:
            raise Disagrees(f"scales: causal, but there are {rows} queries and {k.shape[-2]} keys")
        return np.arange(1, rows + 1)
    if claimed.ends[-1] != rows or rows != k.shape[-2]:
        raise Disagrees(f"scales: sum to {claimed.ends[-1]}, the arrays have {rows} tokens")
    starts = (0, *claimed.ends[:-1])
    return np.repeat(claimed.ends, np.subtract(claimed.ends, starts))


def _divisor(sigma: Fraction | str, d: int) -> np.longdouble:
    """Within 2 units in the last place of long double, as rows that are open need it."""
    if isinstance(sigma, Fraction):
        high = float(sigma)
        return np.longdouble(high) + np.longdouble(float(sigma - Fraction(high)))
    factor, root = {"sqrt": (1, True), "4sqrt": (4, True), "d": (1, False)}[sigma]
    number = np.longdouble(d)
    return np.longdouble(factor * (np.sqrt(number) if root else number))
