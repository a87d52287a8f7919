"""Claim tsf-lazy: the tangent model of a head at zero init, and what positions change.

Logits linear in the window, no positional parameters: the features are mean(x), odd in x, and x_k
(x_j - mean), even. Where (x, y) and (-x, -y) are equally likely the even ones are useless.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.errors import InputError


def least_risk(w: Sequence[Fraction], C: Sequence[Sequence[Fraction]]) -> Fraction:
    """min over multiples u of mean(x) of E (D - u mean)^2, D = w.x, E x x' = C; exact.

    w'C w - (w'C 1)^2/(1'C 1): with skip, a symmetric law, logits without positions, the least risk
    of the tangent model. C = I: |w|^2 - (1.w)^2/T. Raises InputError where 1'C 1 is not positive.
    """
    Cw = [sum((c * x for c, x in zip(row, w, strict=True)), Fraction(0)) for row in C]
    total = sum((sum(row, Fraction(0)) for row in C), Fraction(0))
    if total <= 0:
        raise InputError("C: 1'C 1 is not positive: the mean of the window is always 0")
    square = sum((a * b for a, b in zip(w, Cw, strict=True)), Fraction(0))
    return square - sum(Cw, Fraction(0)) ** 2 / total


def features(x: Any, *, positional: bool = False) -> Any:
    """Tangent features of windows x (N, T): mean, all x_k (x_j - mean); positional: x_j - mean too.

    With additive positional logits the last appear, every w.x is a combination, and the obstruction
    is gone.
    """
    mean = x.mean(1, keepdims=True)
    centred = x - mean
    products = (x[:, :, None] * centred[:, None, :]).reshape(len(x), -1)
    return np.concatenate([mean, products, *([centred] if positional else [])], axis=1)


def estimate_risk(w: Any, x: Any, *, positional: bool = False) -> float:
    """Least mean squared error of the features for D = w.x on the windows given, by lstsq."""
    made, target = features(x, positional=positional), x @ w
    found = np.linalg.lstsq(made, target, rcond=None)[0]
    return float(np.mean((target - made @ found) ** 2))
