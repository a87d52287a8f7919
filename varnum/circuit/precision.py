"""How many bits a model's tokens need: p-bit runs, an enclosure of their error, a first order.

Claim `precision-p`. The real model has the weights as given; P_p rounds weights, inputs and every
operation to p bits. Everything is about one run: teacher-forced logits for given tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from varnum.balls.array import BallArray
from varnum.balls.questions import bounds
from varnum.circuit.adjoint import Tape
from varnum.circuit.converted_model import converted
from varnum.circuit.every_rounding import certify_every_rounding
from varnum.circuit.pbit import Rounding
from varnum.model.backend import Backend, Ints
from varnum.model.enclosure import certify_forward
from varnum.model.generate import Model, generate, teacher_forced_logits
from varnum.verdict import Unknown

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]
SEEDS = 16  # margins differentiated at once
DIGITS = 15
Real = BallArray | Floats  # the real model's logits: enclosed, or in float64


def run_pbit(model: Model, labels: Ints, tokens: Ints, rounding: Rounding) -> Floats:
    """Logits (B, L, V) of P_p (or P_p^seq), as float64: deterministic, the same everywhere."""
    with np.errstate(all="ignore"):  # what is not finite is an ArithmeticError, said once
        logits = teacher_forced_logits(converted(model, rounding.array), labels, tokens)
    return np.asarray(logits.values, dtype=np.float64)


def greedy_tokens(model: Model, labels: Ints) -> Ints:
    """Tokens (B, L) that the model itself chooses in float64."""
    held = model.to(Backend())
    return np.concatenate([s.tokens for s in generate(held, labels)], axis=1)


def certify_logits(model: Model, labels: Ints, tokens: Ints) -> BallArray | Unknown:
    """The real model's logits (B, L, V) in balls, 15 digits certified, or Unknown."""
    exact = model.to(Backend("balls"))
    found = certify_forward(
        lambda: teacher_forced_logits(exact, labels, tokens), lambda x: [x], DIGITS, start=128
    )
    return found if isinstance(found, Unknown) else found.value


@dataclass(frozen=True)
class Margins:
    """Of the float64 run, per token: how far the best logit is ahead, and its first order.

    logits: (B, L, V); the rest (B, L), constants in units of u = 2^-p; random: as if all roundings
    were independent.
    """

    logits: Floats
    best: Ints
    second: Ints
    margin: Floats
    constant: Floats
    random: Floats

    def least_bits(self) -> Ints:
        """(B, L): the least p with constant 2^-p < margin; first order, an estimate."""
        ratio = self.constant / np.maximum(self.margin, 1e-300)
        bits: Ints = np.maximum(1 + np.floor(np.log2(np.maximum(ratio, 1e-300))), 1).astype(int)
        return bits


def estimate_margins(
    model: Model, labels: Ints, tokens: Ints, say: Say = lambda _: None
) -> Margins:
    """Margins of every token to the runner-up, with C1 by reverse mode (claim `precision-p`)."""
    tape = Tape()
    logits = teacher_forced_logits(converted(model, tape.weight), labels, tokens)
    values = logits.value
    order = np.argsort(values, axis=-1, kind="stable")
    best, second = np.argmax(values, axis=-1), order[..., -1]
    second = np.where(second == best, order[..., -2], second)
    places = [(*where, best[where], second[where]) for where in np.ndindex(*best.shape)]
    constant, random = np.zeros(best.shape), np.zeros(best.shape)
    for start in range(0, len(places), SEEDS):
        say(f"first order: token {start} of {len(places)}")
        here = places[start : start + SEEDS]
        seeds = np.zeros((len(here), *values.shape))
        for s, (b, t, first, other) in enumerate(here):
            seeds[s, b, t, first], seeds[s, b, t, other] = 1.0, -1.0
        found = tape.estimate_constants(logits, seeds)
        for (b, t, _, _), c, r in zip(here, *found, strict=True):
            constant[b, t], random[b, t] = c, r
    margin = np.take_along_axis(values, best[..., None], -1) - np.take_along_axis(
        values, second[..., None], -1
    )
    return Margins(values, best, second, margin[..., 0], constant, random)


@dataclass(frozen=True)
class Row:
    """What one p gives. error: (low, high) of max |logit error|, of the real model if enclosed."""

    bits: int
    error_low: float
    error_high: float
    equal: int
    certain: int


def compare(logits: Floats, real: Real, enclosed: bool) -> tuple[float, float, int]:
    """(low, high) around max |logits - real|, and tokens that are the same for certain.

    real: balls (then the ends are outward) or float64.
    """
    if not enclosed:
        same = cast(Floats, real)
        error = float(abs(logits - same).max())
        return error, error, int((logits.argmax(-1) == same.argmax(-1)).sum())
    low, high = bounds(abs(real - logits))
    lows, highs = bounds(real)
    chosen = logits.argmax(-1)[..., None]
    mine = np.take_along_axis(lows, chosen, -1)
    others = highs.copy()
    np.put_along_axis(others, chosen, -np.inf, -1)
    return float(low.max()), float(high.max()), int((mine[..., 0] > others.max(-1)).sum())


def precision_rows(
    model: Model, labels: Ints, tokens: Ints, bits: Sequence[int], real: Real, enclosed: bool,
    margins: Margins, in_order: bool = False, say: Say = lambda _: None,
) -> list[Row]:  # fmt: skip
    """One row for each p."""
    rows = []
    least = margins.least_bits()
    for p in bits:
        say(f"running with {p} bits")
        logits = run_pbit(model, labels, tokens, Rounding(p, in_order))
        low, high, equal = compare(logits, real, enclosed)
        rows.append(Row(p, low, high, equal, int((least <= p).sum())))
    return rows


def every_rounding_rows(
    model: Model, labels: Ints, tokens: Ints, bits: Sequence[int], in_order: bool = False,
    say: Say = lambda _: None,
) -> dict[int, int]:  # fmt: skip
    """p -> tokens certain for every rounding to p bits (claim `pbit-interval`)."""
    found = {}
    for p in bits:
        say(f"every rounding to {p} bits")
        found[p] = int(certify_every_rounding(model, labels, tokens, p, in_order).sum())
    return found
