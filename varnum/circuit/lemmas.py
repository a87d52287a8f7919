"""What one layer of threshold gates can do with a form: the claims `threshold-*`.

Each function adds gates to the builder and returns forms over them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from varnum.circuit.form import Form, constant, narrowed, total
from varnum.circuit.gates import Builder


def telescope(b: Builder, form: Form, f: Callable[[int], int]) -> Form:
    """f(form) = f(lo) + sum_(m > lo) (f(m) - f(m-1)) [form >= m]; a gate per change of f.

    Claim `threshold-telescope`: any function of one form, in one layer.
    """
    values = [f(m) for m in range(form.low, form.high + 1)]
    steps = [
        b.gate(form, form.low + m) * (values[m] - values[m - 1])
        for m in range(1, len(values))
        if values[m] != values[m - 1]
    ]
    return narrowed(total([values[0], *steps]), min(values), max(values))


def and_bit(b: Builder, form: Form, m: int, bit: Form) -> Form:
    """[form >= m and bit] = [form + B bit >= m + B], B >= hi - m + 1: no layer of its own.

    Claim `threshold-and`; bit: an input, a gate or a constant 0 or 1. Here m > lo, so that
    B = hi - lo serves every m: all of them share one sum.
    """
    if bit.constant:
        return b.gate(form, m) if bit.low else constant(0)
    if m > form.high:
        return constant(0)
    if m <= form.low:
        return bit
    bound = form.high - form.low
    return b.gate(form + bit * bound, m + bound)


def telescope_times(b: Builder, form: Form, f: Callable[[int], int], other: Form) -> Form:
    """f(form) * other in the layer after both, by `telescope_and` on each node of `other`."""
    alone = telescope(b, form, f)
    parts = [
        telescope_and(b, form, f, Form({node: 1}, 0, 0, 1)) * w for node, w in other.terms.items()
    ]
    ends = [s * t for s in (alone.low, alone.high) for t in (other.low, other.high)]
    return narrowed(total([alone * other.const, *parts]), min(ends), max(ends))


def telescope_and(b: Builder, form: Form, f: Callable[[int], int], bit: Form) -> Form:
    """f(form) * bit in one layer, bit an input or a gate (claims `-telescope`, `-and`)."""
    values = [f(m) for m in range(form.low, form.high + 1)]
    steps = [
        and_bit(b, form, form.low + m, bit) * (values[m] - values[m - 1])
        for m in range(1, len(values))
        if values[m] != values[m - 1]
    ]
    return narrowed(total([bit * values[0], *steps]), min(0, *values), max(0, *values))


def ratio_steps(b: Builder, a: Form, over: Form, q0: int, q1: int) -> list[Form]:
    """Gates [a - m over >= 0] for m = q0 + 1 .. q1: as many are 1 as clip(floor(a/over)) - q0.

    Claim `threshold-ratio`; raises ValueError unless over >= 1 is proved.
    """
    if over.low < 1 or q0 > q1:
        raise ValueError(f"ratio: the divisor's range {over.low}..{over.high} is not above 0")
    return [b.gate(a - over * m, 0) for m in range(q0 + 1, q1 + 1)]


def ratio(b: Builder, a: Form, over: Form, q0: int, q1: int) -> Form:
    """clip(floor(a / over), q0, q1) in one layer (claim `threshold-ratio`)."""
    return narrowed(total([q0, *ratio_steps(b, a, over, q0, q1)]), q0, q1)


def unary_bit(steps: list[Form], j: int) -> Form:
    """Bit j of how many of `steps` are 1, steps[m-1] = [value >= m].

    It changes at multiples of 2^j.
    """
    turns = [
        steps[m - 1] * (1 if m >> j & 1 else -1) for m in range(1 << j, len(steps) + 1, 1 << j)
    ]
    return narrowed(total(turns), 0, 1)


def bit_of(table: Mapping[int, int] | Sequence[int], j: int) -> Callable[[int], int]:
    """The function m -> bit j of table[m]."""
    return lambda m: table[m] >> j & 1


def settle(b: Builder, steps: list[Form]) -> list[Form]:
    """All bits of that number as gates, lowest first: one layer; one change is a gate already."""
    return [b.output(unary_bit(steps, j)) for j in range(len(steps).bit_length())]


def root_ratio(b: Builder, a: Form, v: Form, k: int, most: int) -> Form:
    """clip(floor(sqrt(k) a' / sqrt(v)), -most, most) for a = a'|a'|, in one layer.

    Claim `threshold-root`: t|t| increases, so [sqrt(k) a' >= m sqrt(v)] = [k a'|a'| >= m|m| v].
    Raises ValueError unless v >= 1 is proved.
    """
    if v.low < 1 or k < 1 or most < 1:
        raise ValueError(f"root: the range {v.low}..{v.high} is not above 0")
    steps = [b.gate(a * k - v * (m * abs(m)), 0) for m in range(-most + 1, most + 1)]
    return narrowed(total([-most, *steps]), -most, most)


def multiply(b: Builder, x: Form, y: Form) -> Form:
    """x y = floor((x+y)^2 / 4) - floor((x-y)^2 / 4) over the integers, in one layer.

    Claim `quarter-squares`; gates: at most the ranges of x + y and of x - y.
    """
    if x.constant or y.constant:
        return y * x.low if x.constant else x * y.low
    if x is y:
        return telescope(b, x, lambda m: m * m)
    product = telescope(b, x + y, lambda m: m * m // 4) - telescope(b, x - y, lambda m: m * m // 4)
    ends = [s * t for s in (x.low, x.high) for t in (y.low, y.high)]
    return narrowed(product, min(ends), max(ends))


def bits_of(b: Builder, form: Form) -> list[Form]:
    """The bits of form - low as gates, lowest first: two layers."""
    return settle(b, [b.gate(form, m) for m in range(form.low + 1, form.high + 1)])
