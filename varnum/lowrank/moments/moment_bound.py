"""The moment certificate: output error of quadratic features from exact weighted key moments.

For one query with logits x_j = chi.kappa_j, weights w_j > 0, W = sum w, E[f] = sum w f / W and the
polynomial p = 1 + x + a^2/2, where x = a + y and a is the part in the first d2 coordinates:

    |sum w p v / sum w p  -  sum w e^x v / sum w e^x|  <=  range(v) E|p - e^x| / E[p]
    E|p - e^x| <= sqrt(E x^2 E y^2) + E y^2 / 2 + sqrt(E x^2 E x^4) h(B)/6,          B >= max|x_j|
    (E x^4)^(1/4) <= (E a^4)^(1/4) + (E y^4)^(1/4),   E y^4 <= B_y^2 E y^2,        B_y >= max|y_j|

E x^2, E y^2 and E a^4 are quadratic forms of the query's own features in the Gram matrix of the key
features, which is accumulated with the state. Claims moment-certificate (lemmas 1-3) and
float-forward: proofs/moment-certificate.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from varnum.floats.arrays import light
from varnum.floats.guard import certified
from varnum.floats.rounding import gamma, up
from varnum.tensor import Array, Tensor

_STEPS = 16  # entries of the table of h per unit of B
FAR = 8.0  # beyond this B the certificate gives up on a query
_LOST = 300  # lemma 7: 4 f^2 C^2 + 512 f C <= 300 f^2 C^2 for f C >= 2, f >= 2 features, C >= 1
_SOME = 1e-300  # instead of a mass that rounding has made 0 or less; then `spread` is past use


@dataclass(frozen=True)
class Forms:
    """What the queries near one centre need, with the mass of the weights divided out.

    state (F, d_v): coefficients of the numerator. line (F,): of the denominator E[p]. form
    (F-1, F-1): features times (form @ features), summed by the rows of `select` (3, F-1), are
    E x^2, E y^2 and E a^4, none below the exact moment.
    """

    state: Tensor
    line: Tensor
    form: Tensor
    select: Tensor
    spread: float  # not below sqrt(E |kappa|^2)
    rounding: float  # twice the relative rounding of numerator or denominator, see `row_errors`


def make_forms(
    gram: Array,
    state: Array,
    size: int,
    top: int,
    terms: float,
    unit: float,
    cast: Callable[[Array], Tensor],
) -> Forms:
    """Forms from the weighted sums of products of features (F, F), of features times values
    (F, d_v), float64.

    `terms` bounds the number of roundings that any of these sums has seen (in `unit`). The diagonal
    is raised by gamma * dim * diag: this covers the rounding of the Gram matrix and of evaluating
    the form (proofs/moment-certificate.md, lemma 5).
    """
    count = len(gram)
    fold, line, select = _tables(size, top)
    some = gamma(terms + 8, unit)
    mass = max(float(gram[0, 0]) * (1 - 2 * some), _SOME)
    form = gram[1:, 1:] * (fold / mass)
    form.flat[::count] *= 1 + count * (2 * some + 4 * gamma(2 * count + 8, unit))
    squares = float(np.trace(gram[1 : 1 + size, 1 : 1 + size]))
    return Forms(
        state=cast(state * (line / gram[0, 0])[:, None]),
        line=cast(gram[0] * line / gram[0, 0]),
        form=cast(form),
        select=cast(select),
        spread=up(abs(squares / mass) ** 0.5),
        rounding=up(2 * gamma(terms + 3 * count + 24, unit)),
    )


@cache
def _tables(size: int, top: int) -> tuple[Array, Array, Array]:
    """Multiplicities of the form and of E[p]; and which rows of the form belong to which moment."""
    square = np.array([i == j for j in range(top) for i in range(j + 1)], dtype=bool)
    multiple = np.where(square, 1.0, 2.0)  # a^2 = sum_{i<=j} multiple chi_i chi_j kappa_i kappa_j
    fold = np.zeros((size + len(square), size + len(square)))
    fold[:size, :size] = 1
    fold[:top, top:size] = 2  # the cross block is counted once, from the inner rows
    fold[top:size, :top] = 0
    fold[size:, size:] = np.outer(multiple, multiple)
    select = np.zeros((3, len(fold)))
    select[0, :size] = select[1, top:size] = select[2, size:] = 1
    fold.flags.writeable = select.flags.writeable = False
    return fold, np.concatenate([np.ones(1 + size), multiple / 2]), select


@cache
@certified  # what is remembered must not come from another arithmetic
def tail_table() -> Array:
    """Upper bounds of h(B)/6, h(B) = 6 (e^B - 1 - B - B^2/2)/B^3, at B = 1/16, 2/16, .. and inf.

    h increases (its series 6 B^m/(m+3)! has positive terms), so the entry of the next larger B
    bounds it. 40 terms; the rest is at most the next term times 1/(1 - B/44) < 2 for B <= FAR.
    """
    far = np.arange(1, int(FAR * _STEPS) + 1) / _STEPS
    total = np.full_like(far, 2.0 / math.factorial(43))
    for m in reversed(range(40)):
        total = total * far + 1.0 / math.factorial(m + 3)
    table = np.append(total * (1 + 2.0**-40), np.inf)
    table.flags.writeable = False  # every later bound reads it
    return table


def row_errors(
    forms: Forms, features: Tensor, below: Tensor, squares: Tensor, far: tuple[float, float],
    lost: float, table: Tensor, cap: Tensor | float = math.inf,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(approximation, amplification) per query near one centre, features (F, n), below = E~[p].

    squares (2, n): |chi|^2, and that of the coordinates from d2 on; far: the largest lengths of
    kappa, likewise; cap (n,): another bound of max|x|; lost: what underflow may take from a sum,
    over the mass. The output is within range(v) * approximation of the softmax of the computed
    logits, plus max|v| (1 + approximation) * amplification for rounding. Infinite or nan where
    nothing is certified.
    """
    count = len(features)
    values = forms.form @ features[1:]
    values *= features[1:]
    squares = light(squares) + 4 * count * lost
    low = (1 + squares[0]) ** 2 * (_LOST * count * count * lost)  # lemma 7
    second, rest, fourth = (light(forms.select @ values) + low) ** 0.5  # of E x^2, E y^2, E a^4
    length, length_y = squares**0.5
    reach, last = length * far[0], len(table) - 1
    if isinstance(reach, np.ndarray):  # fmin: a nan gives way to the other bound, or to the last
        entry = np.fmin(np.fmin(reach, cap) * _STEPS, last)
        tail = table.take(entry.astype(np.int64))
    else:
        entry = (reach.clip(max=cap) * _STEPS).nan_to_num(last, last).clip(max=last)
        tail = table.take(entry.long())
    fourth = (fourth**0.5 + (length_y * far[1] * rest) ** 0.5) ** 2  # root of E x^4
    error = (second + 0.5 * rest) * rest + second * fourth * tail
    size = length * forms.spread
    slip = (size * size * 0.5 + (1 + size)) * forms.rounding
    sure = (light(below) - slip).clip(0)
    return error / sure, slip / sure
