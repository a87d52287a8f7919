"""Claim `bicubic-lebesgue`, exactly: how much interpolation can grow the maximum.

Per schedule the phases are finitely many rationals, so the constants are exact fractions.
"""

from __future__ import annotations

from fractions import Fraction

from varnum.model.interpolation import TORCH_BICUBIC, bicubic_matrix


def axis_growth(size_in: int, size_out: int, a: Fraction = TORCH_BICUBIC) -> Fraction:
    """Largest row sum of |weights| of one axis, border clamping included.

    >>> axis_growth(8, 16)
    Fraction(41, 32)
    """
    rows = bicubic_matrix(size_in, size_out, a)
    return max(sum((abs(w) for w in row), Fraction(0)) for row in rows)


def growth(size_in: int, size_out: int, a: Fraction = TORCH_BICUBIC) -> Fraction:
    """The same in two dimensions: the square."""
    return axis_growth(size_in, size_out, a) ** 2


def supremum(a: Fraction = TORCH_BICUBIC) -> Fraction:
    """Over all phases, two dimensions: (1 - a/2)^2; 121/64 for torch's kernel."""
    from varnum.formulas.layers import bicubic_sup

    return bicubic_sup.exact(a=a) ** 2


def smallest_weight(size_in: int, size_out: int, a: Fraction = TORCH_BICUBIC) -> Fraction:
    """The most negative entry of one axis' matrix."""
    return min(w for row in bicubic_matrix(size_in, size_out, a) for w in row)


def extremal_input(size_in: int, size_out: int, a: Fraction = TORCH_BICUBIC) -> list[int]:
    """Signs of the row with the largest sum: the input of one axis that attains the growth."""
    rows = bicubic_matrix(size_in, size_out, a)
    row = max(rows, key=lambda r: sum(abs(w) for w in r))
    return [1 if w >= 0 else -1 for w in row]


def schedule_growth(sides: tuple[int, ...], a: Fraction = TORCH_BICUBIC) -> dict[int, Fraction]:
    """Side of a scale -> growth of its up-interpolation to the last side (the last has none)."""
    return {side: growth(side, sides[-1], a) for side in sides[:-1]}
