"""One head: the errors of all its rows against what is claimed; open rows again in long double."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import numpy as np

from .attention_form import Disagrees
from .exact_rows import Array, Mask, Whole, attend

_LONG = float(np.finfo(np.longdouble).eps) < 2.0**-60
_ROWS = 512  # rows at a time
_OUT = 1 + 2.0**-50


Kind: TypeAlias = type[np.floating]


class Head(NamedTuple):
    """Float64 arrays of one head: (L_q, d), (L_k, d), (L_k, d_v), (L_q, d_v), keys seen (L_q,)."""

    number: int
    q: Array
    k: Array
    v: Array
    out: Array
    divisor: np.longdouble
    ends: Whole


class Errors(NamedTuple):
    """In ranges, (n, d_v): at least, at most; exact values minus v_1, and their slip."""

    low: Array
    high: Array
    value: Array
    slip: Array


class Found(NamedTuple):
    """Of one head: rows left open, largest error in ranges, was long double needed?"""

    open: int
    largest: float
    long: bool


def compare(head: Head, bound: Fraction, spread_bound: Fraction | None) -> Found:
    """Disagrees where a row is certainly beyond its bound."""
    everything = np.arange(len(head.q))
    errors = errors_of(head, everything, np.float64)
    undecided = judge(head, bound, errors, everything)
    largest = _largest(errors.high[~undecided])
    rows, long = everything[undecided], False
    if len(rows) and _LONG:
        again = errors_of(head, rows, np.longdouble)
        undecided, long = judge(head, bound, again, rows), True
        largest = max(largest, _largest(again.high[~undecided]))
        rows = rows[undecided]
    if spread_bound is not None and not _within_spread(head, errors, spread_bound):
        return Found(len(everything), largest, long)
    return Found(len(rows), largest, long)


def errors_of(head: Head, rows: Whole, kind: Kind) -> Errors:
    """Of these rows, computed in float64 or long double; the result in float64."""
    parts = [_errors(head, rows[i : i + _ROWS], kind) for i in range(0, len(rows), _ROWS)]
    return Errors(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _errors(head: Head, rows: Whole, kind: Kind) -> Errors:
    q, k, v = (part.astype(kind) for part in (head.q[rows], head.k, head.v))
    exact = attend(q, k, v, kind(head.divisor), head.ends[rows])
    unit, out = float(np.finfo(kind).eps), head.out[rows].astype(kind) - v[0]
    off = np.abs(out - exact.value) / exact.spread
    slip = exact.slip + 8 * unit * (1 + np.abs(out) / exact.spread)
    still = exact.spread == 0
    wrong = np.where(head.out[rows] == exact.least, 0.0, np.inf)
    high = np.where(still, wrong, off * (1 + 8 * unit) + slip)
    low = np.where(still, wrong, off * (1 - 8 * unit) - slip)
    return Errors(
        np.asarray(np.nan_to_num(low, nan=0.0, posinf=np.inf, neginf=0.0), float) * (2 - _OUT),
        np.asarray(np.where(np.isnan(high), np.inf, high), float) * _OUT,
        np.asarray(exact.value, float),
        np.asarray(np.where(still, 0.0, slip), float),
    )


def judge(head: Head, bound: Fraction, errors: Errors, rows: Whole) -> Mask:
    """Which rows are open, (n,)."""
    low, high = errors.low.max(1), errors.high.max(1)
    for row, least in zip(rows, low, strict=True):
        if least == np.inf or Fraction(float(least)) > bound:
            raise Disagrees(
                f"output: head {head.number}, row {row} is off by {_shown(least, ROUND_FLOOR)} "
                f"of the range; certified is {_shown(float(bound), ROUND_CEILING)}"
            )
    return np.array([not (math.isfinite(x) and Fraction(float(x)) <= bound) for x in high], bool)


def _shown(value: float, rounding: str) -> str:
    """Three digits, on the side that claims less."""
    digits = Context(prec=3, rounding=rounding).create_decimal_from_float(float(value))
    return f"{digits:g}" if digits.is_finite() else "inf"


def _within_spread(head: Head, errors: Errors, bound: Fraction) -> bool:
    """Is every column within `bound` of the deviation of its exact values? False: not certain."""
    spread = np.ptp(head.v, 0)
    moving = spread > 0
    count = len(errors.value)
    loss = (errors.slip.max(0) + (count + 16) * 2.0**-50) * spread  # |value| <= spread
    std = errors.value.std(0)
    low, high = np.minimum.accumulate(head.v), np.maximum.accumulate(head.v)
    ranges = (high - low)[head.ends - 1]
    most = (errors.high * ranges).max(0)[moving] * _OUT
    least = (errors.low * ranges).max(0)[moving] * (2 - _OUT)
    number = float(bound)
    if (least > number * _OUT * (std + loss)[moving] * _OUT).any():
        shown = _shown(number, ROUND_CEILING)
        raise Disagrees(f"output: head {head.number} is not within {shown} of its own spread")
    return bool((most <= number * (2 - _OUT) * (std - loss)[moving]).all())


def _largest(part: Array) -> float:
    return float(part.max(initial=0.0))
