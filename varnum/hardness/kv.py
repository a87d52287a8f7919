"""Claims kv-capacity, kv-recompute, kv-lowrank: what a key/value cache must hold, and what does."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from varnum.balls.scalar import precision, upper
from varnum.cost.schedule import Schedule
from varnum.errors import InputError
from varnum.formulas import hardness as forms

MAX_BITS_PER_VALUE = 64


@dataclass(frozen=True)
class Capacity:
    """A state that answers these queries within `error` (of V's range) holds `bits` bits.

    rows N, d_v, b; keys with products <= mu; query: the norm over sigma, a rational not below what
    the claim asks for. Per head and layer.
    """

    rows: int
    d_v: int
    b: int
    mu: Fraction
    query: Fraction
    error: Fraction
    bits: int


def certify_capacity(rows: int, d_v: int, b: int, mu: Fraction) -> Capacity:
    """The least size of the state, the query it takes, the attention error it tolerates.

    Any streaming oracle that answers attention queries on N = `rows` cached rows with an error
    below 1/(4q) of V's range, q = 2^b - 1, holds N d_v b bits. Raises InputError.
    """
    if not 1 <= b <= MAX_BITS_PER_VALUE:
        raise InputError(f"bits: {b} is not allowed; 1 to {MAX_BITS_PER_VALUE} per value")
    for name, value in (("rows", rows), ("d_v", d_v)):
        if not 1 <= value <= 10**9:
            raise InputError(f"{name}: {value} is not allowed; 1 to 1e9")
    if not -1 <= mu < 1:
        raise InputError(f"mu: {mu} is not allowed; -1 <= mu < 1")
    tau = forms.kv_tau.exact(q=2**b - 1)
    with precision(128):
        query = forms.kv_query.ball(N=rows, tau=tau, mu=mu) if rows > 1 else None
        needed = max(Fraction(0), upper(query)) if query is not None else Fraction(0)
    bits = forms.kv_bits.integer(N=rows, dv=d_v, b=b)
    return Capacity(rows, d_v, b, mu, needed, tau, bits)


def largest_b(rows: int, mu: Fraction, cap: Fraction) -> int:
    """The most bits per value that a query norm over sigma of at most `cap` can read; 0 if none."""
    fits = 0
    for b in range(1, MAX_BITS_PER_VALUE + 1):
        if certify_capacity(rows, 1, b, mu).query > cap:
            break
        fits = b
    return fits


def cached_rows(schedule: Schedule) -> int:
    """Tokens cached before the last scale: L - N_K."""
    rows = schedule.length - schedule.lengths[-1]
    if rows < 1:
        raise InputError("schedule: a single scale caches nothing; give at least two")
    return rows


def id_bits(vocabulary: int) -> int:
    """Bits of one token id, ceil(log2 V)."""
    if not 2 <= vocabulary <= 10**9:
        raise InputError(f"vocabulary: {vocabulary} is not allowed; 2 to 1e9")
    return (vocabulary - 1).bit_length()


def states(
    capacity: Capacity, schedule: Schedule | None, vocabulary: int, rank: int | None, width: int
) -> dict[str, Any]:
    """Upper bounds beside the lower one: recomputing, and a rank-r state of `width`-bit numbers.

    `rank_floor` is the least rank whose state could answer as precisely (kv-lowrank).
    """
    found: dict[str, Any] = {}
    if schedule is not None:
        ids = id_bits(vocabulary)
        found["recompute_bits"] = forms.kv_recompute.integer(L=schedule.length, b=ids)
    floor = forms.kv_rank_floor.exact(N=capacity.rows, dv=capacity.d_v, b=capacity.b, width=width)
    found["rank_floor"] = -(-floor.numerator // floor.denominator)
    if rank is not None:
        found["lowrank_numbers"] = forms.kv_lowrank.integer(r=rank, dv=capacity.d_v)
        found["lowrank_bits"] = found["lowrank_numbers"] * width
    return found
