"""Degrees, ranks and advice for a logit bound: proved, and asked once per bound.

Bounds are rounded up to three significant digits (two from 10 on) first, so that heads share
answers; a degree for the larger bound holds for the smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from varnum._plan import least_degree
from varnum.approx.closed import certify_degree_closed_form
from varnum.approx.degree_certificate import ProvedDegree
from varnum.approx.inverse import certify_largest_interval
from varnum.approx.target import relative
from varnum.audit.fields import Row
from varnum.balls.exact import parse, round_decimal
from varnum.cost.counts import largest_dimension, largest_rank
from varnum.cost.schedule import Schedule
from varnum.lowrank.counting import largest_degree, rank
from varnum.verdict import Proved, Unknown

_LONGEST = 150  # proving a least degree up to here takes seconds


@dataclass(frozen=True)
class Degree:
    """A degree proved to reach the error on [-M, M]; `minimal`: no lower one does, at `M`."""

    M: Fraction
    degree: int
    minimal: bool


def at_spread(spread: float, d: int, eps: Fraction) -> Row:
    """The figures of a head whose logits spread that far: degree, and rank in d dimensions."""
    degree = certify_degree(Fraction(spread), eps).degree
    return {"degree_spread": degree, "rank_spread": rank(d, degree)}


def certify_degree(M: Fraction, eps: Fraction) -> Degree:
    """The least degree at `M` rounded up; the closed form's where that is Unknown or takes long."""
    digits = 3 if M < 10 else 2
    return _degree(parse(round_decimal(M, digits, up=True)) if M else Fraction(0), eps)


@lru_cache(maxsize=4096)
def _degree(M: Fraction, eps: Fraction) -> Degree:
    found = least_degree(relative(M), eps, relative(M), _LONGEST)
    if isinstance(found, ProvedDegree):
        return Degree(M, found.degree, isinstance(found.minimal, Proved))
    return Degree(M, certify_degree_closed_form(relative(M), eps), False)


@lru_cache(maxsize=256)
def certify_cap(schedule: Schedule, d: int, d_v: int, eps: Fraction) -> Fraction | None:
    """The largest logit bound at which the a-priori rank costs less than exact attention.

    Rounded down to four digits; None where none was found.
    """
    degree = largest_degree(d, largest_rank(schedule, d, d_v))
    if degree is None:
        return None
    found = certify_largest_interval(relative, degree, eps, digits=4)
    return None if isinstance(found, Unknown) else found.size


@lru_cache(maxsize=4096)
def certify_dimension(schedule: Schedule, M: Fraction, eps: Fraction) -> int | None:
    """The largest head dimension at which the a-priori rank for `M` costs less; 0 if none."""
    degree = _degree(M, eps)
    found = largest_dimension(schedule, lambda _: degree.degree)
    return None if found is None else found.d
