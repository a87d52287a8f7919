"""Claims kv-sparse-rows, kv-dictionary, kv-structured: exact bits of sparse caches, in integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from varnum.balls.scalar import ball, lower, precision, upper
from varnum.cost.schedule import Schedule
from varnum.errors import InputError

MAX_SIZE = 10**9
MAX_EXACT = 2**16  # bits of an integer written out to take its logarithm


def log2_ceiling(count: int, times: int = 1) -> int:
    """ceil(times log2 count), exactly, for whole count >= 1.

    Whole only where count is a power of two (count^times = 2^k leaves it no other prime); else the
    integer count^times decides, or balls of growing precision where it is too long to write.

    >>> log2_ceiling(3, 2), log2_ceiling(8, 5)
    (4, 15)
    """
    if count == 1:
        return 0
    if count & (count - 1) == 0:
        return times * (count.bit_length() - 1)
    if times * count.bit_length() <= MAX_EXACT:
        return int((count**times - 1).bit_length())
    return _ceiling(lambda: ball(times) * ball(count).log() / ball(2).log())


def row_count(d_v: int, a: int, b: int) -> int:
    """Rows of d_v values with at most a nonzero, levels 1/q .. 1, q = 2^b - 1: how many."""
    if a >= d_v:
        return 1 << (b * d_v)  # dense: sum C(d_v, j) q^j = (1 + q)^d_v
    q = 2**b - 1
    total, term = 0, 1
    for j in range(a + 1):
        total += term
        term = term * (d_v - j) * q // (j + 1)  # C(d_v, j+1) q^(j+1), whole at every step
    return total


def sparse_bits(rows: int, d_v: int, a: int, b: int) -> int:
    """Least bits of a cache of N rows with at most a of d_v values nonzero: needed, and enough.

    ceil(N log2 sum_{j<=a} C(d_v, j) q^j); a >= d_v is dense, N d_v b. Needed: attention as in
    kv-capacity reads every table back, so tables need different states. Enough: number the tables.
    Raises InputError.

    >>> sparse_bits(424, 64, 8, 8), sparse_bits(424, 64, 64, 8)
    (40704, 217088)
    """
    check_sizes(rows, d_v, b)
    if not 0 <= a <= MAX_SIZE:
        raise InputError(f"sparsity: {a} is not allowed; 0 to {MAX_SIZE} nonzero values a row")
    return log2_ceiling(row_count(d_v, a, b), rows)


@dataclass(frozen=True)
class Dictionary:
    """Rows as sums of a of m atoms; a coefficient has 2^b values, an atom d entries of b_D bits."""

    atoms: int
    used: int
    b: int
    d: int
    b_D: int

    def __post_init__(self) -> None:
        for name, value in (("atoms", self.atoms), ("d", self.d)):
            if not 1 <= value <= 10**6:
                raise InputError(f"{name}: {value} is not allowed; 1 to 1000000")
        for name, value in (("bits", self.b), ("atom_bits", self.b_D)):
            if not 1 <= value <= 64:
                raise InputError(f"{name}: {value} is not allowed; 1 to 64")
        if not 1 <= self.used <= self.atoms:
            raise InputError(
                f"sparsity: {self.used} is not allowed; 1 to {self.atoms} (atoms) atoms a row"
            )

    @property
    def patterns(self) -> int:
        """C(m, a)."""
        return math.comb(self.atoms, self.used)

    def known_bits(self, rows: int) -> int:
        """ceil(N (log2 C(m, a) + a b)): bits where reader and writer know the dictionary."""
        return log2_ceiling(self.patterns, rows) + rows * self.used * self.b

    def kept_bits(self, rows: int) -> int:
        """The same with the dictionary kept as well, m d b_D bits once."""
        return self.known_bits(rows) + self.atoms * self.d * self.b_D

    def pays_from(self) -> int | None:
        """The first N from which on kept_bits(N) < N d b; None if no N does."""
        free = (self.d - self.used) * self.b
        if free <= 0 or self.patterns >= 2**free:
            return None  # a row costs as much as a dense one
        once = self.atoms * self.d * self.b_D  # ceil(N log2 C) + once < N free: whole bits

        def least() -> Any:
            per_row = ball(self.patterns).log() / ball(2).log()
            return ball(once + 1) / (ball(free) - per_row)

        if self.patterns & (self.patterns - 1) == 0:
            return -(-(once + 1) // (free - self.patterns.bit_length() + 1))
        return _ceiling(least)


def _ceiling(value: Callable[[], Any]) -> int:
    """ceil of an irrational number that `value` encloses at the precision in force."""
    bits = 128
    while True:
        with precision(bits):
            enclosed = value()
            if enclosed.is_finite():
                low, high = math.ceil(lower(enclosed)), math.ceil(upper(enclosed))
                if low == high:
                    return low
        bits *= 2


def tokens_known_bits(rows: int, a: int, d_v: int, b: int) -> int:
    """ceil(log2 C(N, a)) + a d_v b: a of N rows are read, which ones is known when written.

    Where it is not known, sparse attention saves nothing (kv-sparse-attention): N d_v b.
    """
    check_sizes(rows, d_v, b)
    if not 0 <= a <= rows:
        raise InputError(f"read_rows: {a} is not allowed; 0 to {rows} rows")
    return log2_ceiling(math.comb(rows, a)) + a * d_v * b


def last_scales_rows(schedule: Schedule) -> list[int]:
    """Rows that must stay for the last map if it reads the last m = 1, 2, .. earlier scales only.

    >>> last_scales_rows(Schedule((1, 2, 3, 4, 5, 6, 8, 10, 13, 16)))[:4]
    [169, 269, 333, 369]
    """
    earlier = schedule.lengths[:-1][::-1]
    return [sum(earlier[: i + 1]) for i in range(len(earlier))]


def check_sizes(rows: int, d_v: int, b: int) -> None:
    """Raises InputError unless 1 <= rows, d_v <= 1e9 (d_v <= 1e6) and 1 <= b <= 64."""
    for name, value, most in (("rows", rows, MAX_SIZE), ("dv", d_v, 10**6), ("bits", b, 64)):
        if not 1 <= value <= most:
            raise InputError(f"{name}: {value} is not allowed; 1 to {most}")


def factor(dense: int, sparse: int) -> Fraction | None:
    """How many times fewer bits, exact; None where nothing is left."""
    return Fraction(dense, sparse) if sparse else None
