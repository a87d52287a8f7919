"""Integer linear forms over inputs and gates, each with a proved range.

A form is never computed by itself, only merged into the weights of a gate: sums, constants and
hard-wired integer weights are free in depth, and are paid for in weights and fan-in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Form:
    """const + sum terms[node] * node, with low <= value <= high for every input of the circuit."""

    terms: dict[int, int]
    const: int
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"a form with an empty range {self.low}..{self.high}")

    @property
    def constant(self) -> bool:
        """True if the form has one value whatever the input."""
        return not self.terms or self.low == self.high

    def __add__(self, other: Form | int) -> Form:
        return total([self, other])

    __radd__ = __add__

    def __sub__(self, other: Form | int) -> Form:
        return total([self, -other])

    def __rsub__(self, other: int) -> Form:
        return total([-self, other])

    def __neg__(self) -> Form:
        return self * -1

    def __mul__(self, factor: int) -> Form:
        ends = sorted((self.low * factor, self.high * factor))
        terms = {node: w * factor for node, w in self.terms.items()} if factor else {}
        return Form(terms, self.const * factor, *ends)

    __rmul__ = __mul__


def constant(value: int) -> Form:
    """The form with this one value."""
    return Form({}, value, value, value)


def total(forms: Iterable[Form | int]) -> Form:
    """The sum of many forms at once, its range the sum of the ranges."""
    terms: dict[int, int] = {}
    const = low = high = 0
    for form in forms:
        if isinstance(form, int):
            form = constant(form)
        const, low, high = const + form.const, low + form.low, high + form.high
        for node, weight in form.terms.items():
            terms[node] = terms.get(node, 0) + weight
    return Form({n: w for n, w in terms.items() if w}, const, low, high)


def narrowed(form: Form, low: int, high: int) -> Form:
    """The same form with a range that is known to be narrower (the caller says why)."""
    return Form(form.terms, form.const, max(low, form.low), min(high, form.high))


def weighted(bits: Iterable[tuple[Form, int]]) -> Form:
    """sum weight * form."""
    return total(form * weight for form, weight in bits)
