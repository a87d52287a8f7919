"""The same forward pass in rigorous balls, with precision doubled until enough digits stand.

The enclosures contain the exact real-number result for the given weights; nothing is assumed about
the floating-point evaluation of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from varnum.balls.questions import certified_digits, precisions
from varnum.balls.scalar import precision
from varnum.errors import InputError
from varnum.model.backend import Array
from varnum.model.sampling import UndecidedError
from varnum.verdict import Unknown

T = TypeVar("T")


@dataclass(frozen=True)
class Enclosed(Generic[T]):
    """A result in balls, the bits of precision that went in and the digits that came out.

    Every entry x of the arrays asked about has radius <= 10^-digits max(|x|, 1).
    """

    value: T
    bits: int
    digits: int


def certify_forward(
    run: Callable[[], T],
    arrays: Callable[[T], Iterable[Array]],
    digits: int,
    start: int = 64,
    limit: int = 4096,
) -> Enclosed[T] | Unknown:
    """Call `run` at `start`, 2 `start`, .. bits until all `arrays` of it have `digits` digits.

    Like `raise_precision_until`, for runs with discrete steps: one that is not certain counts as no
    digits. Returns Unknown, with the last reason, where `limit` bits do not suffice.
    """
    if not 2 <= start <= limit:
        raise InputError(f"precision: {start} to {limit} bits; allowed are 2 <= start <= limit")
    for bits in precisions(start, limit):
        try:
            with precision(bits):
                value = run()
                found = min(int(certified_digits(x, scale=1).min()) for x in arrays(value))
            if found >= digits:
                return Enclosed(value, bits, found)
            reason = f"{found} of {digits} digits certified at {bits} bits"
        except UndecidedError as undecided:
            reason = f"{undecided} (at {bits} bits)"
    return Unknown(reason)
