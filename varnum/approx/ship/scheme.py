"""The operations of an evaluation, one list for all: analysis, twin, emitters and certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from varnum.errors import InputError

Operation = Literal["mul", "add", "fma"]
Name: TypeAlias = str  # "r": the argument; "c0", "c1", ..: coefficients; "t0", "t1", ..: results
SCHEMES = ("horner", "estrin")


@dataclass(frozen=True)
class Step:
    """One rounded operation: mul(a, b), add(a, b), or fma(a, b, c) = a b + c rounded once."""

    result: Name
    operation: Operation
    arguments: tuple[Name, ...]


@dataclass(frozen=True)
class Scheme:
    """How sum_k c_k r^k is evaluated; `result` is the name of the value at the end."""

    name: str
    fma: bool
    degree: int
    steps: tuple[Step, ...]
    result: Name


def scheme(name: str, degree: int, fma: bool) -> Scheme:
    """Horner's or Estrin's evaluation, each a b + c fused or as two operations.

    >>> [(s.operation, *s.arguments) for s in scheme("horner", 2, True).steps]
    [('fma', 'c2', 'r', 'c1'), ('fma', 't0', 'r', 'c0')]
    """
    if name not in SCHEMES:
        raise InputError(f"scheme: {name!r} is not allowed; {' or '.join(SCHEMES)}")
    steps: list[Step] = []

    def push(operation: Operation, *arguments: Name) -> Name:
        steps.append(Step(f"t{len(steps)}", operation, arguments))
        return steps[-1].result

    def multiply_add(a: Name, b: Name, c: Name) -> Name:
        return push("fma", a, b, c) if fma else push("add", push("mul", a, b), c)

    coefficients = [f"c{k}" for k in range(degree + 1)]
    if name == "horner":
        last = coefficients[-1]
        for c in reversed(coefficients[:-1]):
            last = multiply_add(last, "r", c)
        return Scheme(name, fma, degree, tuple(steps), last)
    row, power = coefficients, "r"
    while len(row) > 1:
        pairs = [multiply_add(b, power, a) for a, b in zip(row[::2], row[1::2], strict=False)]
        row = pairs + row[len(pairs) * 2 :]
        if len(row) > 1:
            power = push("mul", power, power)
    return Scheme(name, fma, degree, tuple(steps), row[0])
