"""The moment certificate: output error of quadratic features from exact weighted key moments.

For one query with logits x_j = chi.kappa_j, weights w_j > 0, W = sum w, E[f] = sum w f / W and the
polynomial p = 1 + x + a^2/2 (a: the part of x in the first d2 coordinates), with den = E[p]:

    |sum w p v / sum w p  -  sum w e^x v / sum w e^x|  <=  range(v) E|p - e^x| / E[p]
    E|p - e^x| <= sqrt(E (x^2 - a^2)^2)/2 + sqrt(E x^2 E x^4) h(B)/6,   B >= max|x_j|

Each moment is a quadratic form of the query's own features in a Gram matrix of key features, which
is accumulated with the state. Claims moment-certificate (lemmas 1-3) and float-forward:
proofs/moment-certificate.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.lowrank.backend import light
from varnum.lowrank.rounding import gamma, up

Array = npt.NDArray[Any]
_STEPS = 16  # entries of the table of h per unit of B
FAR = 8.0  # beyond this B the certificate gives up on a query


@dataclass(frozen=True)
class Forms:
    """What the queries near one centre need, with the mass of the weights divided out.

    state (rank, d_v): coefficients of the numerator. lines (3, F): the denominator, |chi|^2, E x^2.
    form (P, P): row by row, quadratic features times (form @ quadratic features) sum to E x^4, of
    which the rows outside the first d2 coordinates alone are E (x^2 - a^2)^2; `select` (2, P) does
    these sums. No moment comes out below the exact one.
    """

    state: Any
    lines: Any
    form: Any
    select: Any
    rounding: float  # relative rounding of numerator and denominator against E[1 + |x| + x^2/2]


def make_forms(
    sums: Array, quartic: Array, state: Array, size: int, top: int, terms: float, unit: float,
    cast: Any,
) -> Forms:  # fmt: skip
    """Forms from the weighted sums of all features (F,), of products of two quadratic ones (P, P),
    and of features times values (rank, d_v), float64.

    `terms` bounds the number of roundings any of these sums has seen (in `unit`). The squares of a
    form are raised by gamma * dim: this covers the rounding of the sums and of evaluating the form
    (proofs/moment-certificate.md, lemma 5).
    """
    pairs, rank = size * (size + 1) // 2, 1 + size + top * (top + 1) // 2
    fold, lines, select = _tables(size, top)
    slip = 2 * gamma(terms + 8, unit) + 4 * gamma(2 * pairs + 8, unit)
    mass = sums[0] * (1 - 2 * gamma(terms + 8, unit))
    form = quartic * (fold / mass)
    form.flat[:: pairs + 1] *= 1 + slip * pairs
    full = lines.copy()
    full[0, :rank] *= sums[:rank] / sums[0]
    full[2] *= sums / mass
    full[2] *= 1 + slip * size * lines[1]  # lines[1] marks the squares
    return Forms(
        state=cast(state[:rank] * (lines[0, :rank] / sums[0])[:, None]),
        lines=cast(full),
        form=cast(form),
        select=cast(select),
        rounding=up(2 * gamma(terms + 3 * rank + 24, unit)),
    )


@cache
def _tables(size: int, top: int) -> tuple[Array, Array, Array]:
    """Multiplicities of the form, of the lines, and which rows belong to which moment."""
    square, inner = _is_square(size), top * (top + 1) // 2
    multiple = np.where(square, 1.0, 2.0)  # x^2 = sum_{i<=j} multiple chi_i chi_j kappa_i kappa_j
    fold = np.outer(multiple, multiple)
    fold[:inner, inner:] *= 2  # the cross block is counted once, from the inner rows
    fold[inner:, :inner] = 0
    lines = np.zeros((3, 1 + size + len(square)))
    lines[0, : 1 + size] = 1
    lines[0, 1 + size : 1 + size + inner] = multiple[:inner] / 2
    lines[1, 1 + size :] = square
    lines[2, 1 + size :] = multiple
    select = np.zeros((2, len(square)))
    select[0] = select[1, inner:] = 1
    return fold, lines, select


def _is_square(size: int) -> Array:
    """For each quadratic feature in the order of the monomials: is it a square?"""
    return np.array([i == j for j in range(size) for i in range(j + 1)])


@cache
def tail_table() -> Array:
    """Upper bounds of h(B)/6, h(B) = 6 (e^B - 1 - B - B^2/2)/B^3, at B = 1/16, 2/16, .. and inf.

    h increases (its series 6 B^m/(m+3)! has positive terms), so the entry of the next larger B
    bounds it. 40 terms; the rest is at most the next term times 1/(1 - B/44) < 2 for B <= FAR.
    """
    far = np.arange(1, int(FAR * _STEPS) + 1) / _STEPS
    total = np.full_like(far, 2.0 / math.factorial(43))
    for m in reversed(range(40)):
        total = total * far + 1.0 / math.factorial(m + 3)
    return np.append(total * (1 + 2.0**-40), np.inf)


def relative_errors(
    forms: Forms, features: Any, below: Any, second: Any, far: Any, table: Any
) -> tuple[Any, Any]:
    """(approximation, amplification) per query: features (F, n), E~[p], E x^2 and B (n,) each.

    The output is within range(v) * approximation of the softmax of the computed logits, plus
    amplification * (rounding in units of max|v|). Infinite or nan where nothing is certified.
    """
    quadratic = features[len(features) - len(forms.form) :]
    values = forms.form @ quadratic
    values *= quadratic
    fourth, missing = light(forms.select @ values)
    entry, last = far * _STEPS, len(table) - 1
    if isinstance(far, np.ndarray):
        tail = table.take(np.minimum(entry, last).astype(np.int64), mode="clip")
    else:
        tail = table.take(entry.clip(max=last).long().clip(0, last))
    error = missing**0.5 * 0.5 + (second * fourth) ** 0.5 * tail  # a nan is caught by `slip`
    slip = (far * far * 0.5 + (1 + far)) * forms.rounding
    sure = (below - slip).clip(0)
    return error / sure, slip / sure
