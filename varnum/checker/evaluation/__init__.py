"""Check the certificate of an evaluation of exp or exp2 in a float format.

It says how far a list of rounded operations is from the function. Read `evaluation_form` (the
file), `pieces` and `shift` (the theorems), `machine` (16-bit formats: all inputs).
"""

from fractions import Fraction
from typing import NamedTuple

from ..certificate import _list
from ..proof import NotProved, decimal
from .evaluation_form import Evaluation, extract, is_evaluation, read
from .machine import check_inputs
from .pieces import MAX_PIECES, Pieces
from .shift import check_domain, shift

__all__ = ["Evaluated", "check", "is_evaluation", "read"]


class Evaluated(NamedTuple):
    """What was proved; `tried`: inputs evaluated one by one, 0 where pieces were bounded."""

    certificate: Evaluation
    tried: int

    def __str__(self) -> str:
        c, text = self.certificate, self.certificate.text
        error = f"|computed / {c.function}(x) - 1|"
        if not c.relative:
            error = f"|computed - {c.function}(x)|"
        if c.reduction is None:
            where = shown(text["interval"])
        else:
            where = f"{shown(text['domain'])} (reduced: {c.reduction.kind})"
        how = f"all {self.tried} inputs were tried" if self.tried else "pieces were bounded"
        return (
            f"proved: the {len(c.steps)} operations in the file, each rounded to the nearest "
            f"{c.format_name}, have {error} <= {text['eps']} for every {c.format_name} x in "
            f"{where}; {how}. In exact arithmetic the polynomial's own error is at most "
            f"{text['polynomial_eps']} on {shown(text['interval'])}."
        )


def shown(ends: object) -> str:
    """An interval as the file has it."""
    return "[{}, {}]".format(*_list(ends, 2, "interval"))


def check(data: bytes) -> Evaluated:
    """Check a certificate, alone or in the comment of a source file.

    Raises Malformed (the file) or NotProved (the statement).
    """
    c = read(extract(data))
    check_domain(c)
    if c.enumeration:  # the inputs themselves are tried, their reduction with them
        check_pieces(c, None)
        return Evaluated(c, check_inputs(c))
    allowed = c.eps
    if c.reduction is not None:
        moved = shift(c)  # (1 + t) e^moved - 1 <= eps for this t, as e^-moved >= 1 - moved
        allowed = (1 + c.eps) * (1 - moved) - 1
        if allowed <= 0:
            raise NotProved("the range reduction alone errs by more than eps")
    check_pieces(c, allowed)
    return Evaluated(c, 0)


def check_pieces(c: Evaluation, allowed: Fraction | None) -> None:
    """Halve pieces of the interval until each is within the errors that are claimed."""
    pieces = Pieces(c)
    own, total = (None if x is None else int(x * pieces.one) for x in (c.polynomial_eps, allowed))
    assert own is not None
    start = c.low.numerator * pieces.one // c.low.denominator
    end = -(-c.high.numerator * pieces.one // c.high.denominator)
    waiting, count = [(start, end)], 0
    while waiting:
        a, b = waiting.pop()
        bound = None if 2 * (b - a) > pieces.one else pieces.bound(a, b)
        if bound is not None:
            count += 1
            if bound.polynomial <= own and (total is None or bound.total <= total):
                continue
        if count > MAX_PIECES or b - a < 2:
            raise NotProved(_reason(bound, own, pieces.one))
        middle = (a + b) >> 1
        waiting += [(a, middle), (middle, b)]


def _reason(bound: tuple[int, int] | None, own: int, one: int) -> str:
    if bound is None:
        return "no piece was short enough"
    own_fails = bound[0] > own
    value = decimal(Fraction(bound[0] if own_fails else bound[1], one), up=True)
    which = "the polynomial's own" if own_fails else "the total"
    return f"{which} error that follows on a piece, {value}, is above what is claimed"
