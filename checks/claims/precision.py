"""precision-product, pbit-run, pbit-adjoint, token-precision: p-bit runs against their bounds.

Random weights of the smallest preset; `varnum precision --var ..` does the same on a checkpoint.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np

from varnum.circuit import precision
from varnum.circuit.every_rounding import weight
from varnum.circuit.pbit import PArray, Rounding, matmul, round_to
from varnum.model.config import preset
from varnum.model.generate import teacher_forced_logits
from varnum.model.random_weights import random_model
from varnum.proof.checking import Measurement, main, summarise


def product_error(w, x, p, in_order=False):
    """(|y^ - w.x|, (1 + u) u sum|w x| + u |w.x|) of one dot product of p-bit numbers, exactly."""
    r = Rounding(p, in_order)
    got = Fraction(float(matmul(PArray(w[None, :], r), PArray(x[:, None], r)).values[0, 0]))
    terms = [Fraction(a) * Fraction(b) for a, b in zip(w.tolist(), x.tolist(), strict=True)]
    u, t = Fraction(1, 1 << p), sum(terms)
    return float(abs(got - t)), float((1 + u) * u * sum(map(abs, terms)) + u * abs(t))


def _products(trials, seed):
    rng = np.random.default_rng(seed)
    random, worst = [], []
    for _ in range(trials):
        p, n = int(rng.integers(3, 12)), int(rng.integers(1, 40))
        w, x = (round_to(rng.standard_normal(n), p) for _ in range(2))
        random.append(product_error(w, x, p))
        ones = np.full(n, 1 + 2.0 ** (1 - p))  # (1 + 2u)^2 rounds down by nearly u
        worst.append(product_error(ones, ones, p))
    return summarise("precision-product", "error of a dot product", tuple(np.transpose(random)),
                     tuple(np.transpose(worst)))  # fmt: skip


def _roundings(trials, seed):
    """Relative error of one rounding over 2^-p; adversary: the tie just above a power of two."""
    rng = np.random.default_rng(seed)
    pairs = []
    for worst in (False, True):
        p = rng.integers(2, 25, trials)
        x = rng.standard_normal(trials) if not worst else (1 + 2.0**-p) * 2.0 ** rng.integers(-9, 9)
        made = np.array([round_to(np.array([a]), int(b))[0] for a, b in zip(x, p, strict=True)])
        pairs.append((np.abs(made - x) / np.abs(x) * 2.0**p, 1 / (1 + 2.0**-p)))
    return summarise("precision-p", "relative error of one rounding over 2^-p", *pairs)


def _runs(seed, bits=(8, 11, 24)):
    model = random_model(*preset("var-tiny"), seed=seed)
    labels = np.array([3])
    tokens = precision.greedy_tokens(model, labels)
    margins = precision.estimate_margins(model, labels, tokens)
    real = precision.certify_logits(model, labels, tokens)
    return model, labels, tokens, margins, real, bits


def every_rounding(model, labels, tokens, margins, p=48):
    """A float64 run inside the intervals for 48 bits; tokens certain for all roundings."""
    held = precision.converted(model, lambda w: weight(w, Fraction(1, 1 << p), in_order=True))
    low, high = teacher_forced_logits(held, labels, tokens).value.bounds()
    outside = int(((margins.logits < low) | (margins.logits > high)).sum())
    certain = (low.max(-1) > np.sort(high, axis=-1)[..., -2]) & (low.argmax(-1) == high.argmax(-1))
    outside += int((margins.best != low.argmax(-1))[certain].sum())
    middle = (low + high) / 2
    away = float((abs(margins.logits - middle)).max())
    return Measurement("pbit-interval", "float64 from the middle, radius", away,
                       float((high - low).max() / 2), low.size, 0, outside)  # fmt: skip


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    found = [_products(min(trials, 2000), seed), _roundings(min(trials, 2000), seed)]
    model, labels, tokens, margins, real, bits = _runs(seed)
    enclosed, first, wrong = [], [], 0
    for p in bits:
        logits = precision.run_pbit(model, labels, tokens, Rounding(p))
        low, high, _ = precision.compare(logits, real, True)
        near = abs(logits - margins.logits).max()  # float64: inside but for its own rounding
        enclosed += [(low, high), (near, high + 1e-12)]
        ahead = [np.take_along_axis(logits, i[..., None], -1)[..., 0]
                 for i in (margins.best, margins.second)]  # fmt: skip
        moved = abs(ahead[0] - ahead[1] - margins.margin)
        first += list(zip((moved * 2.0**p).ravel(), margins.constant.ravel(), strict=True))
        certain = margins.least_bits() <= p
        wrong += int((logits.argmax(-1) != margins.best)[certain].sum())
    inside = every_rounding(model, labels, tokens, margins)
    none = (np.zeros(0), np.zeros(0))
    tokens_seen = margins.best.size * len(bits)
    return [
        *found,
        summarise("pbit-run", "error of logits, enclosed", tuple(np.transpose(enclosed)), none),
        summarise("pbit-adjoint", "2^p change of a margin over C1", tuple(np.transpose(first)),
                  none),
        inside,
        Measurement("token-precision", "certain tokens that changed", float(wrong), 0.0,
                    tokens_seen, 0, wrong),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(measure))
