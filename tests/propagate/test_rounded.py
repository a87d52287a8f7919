"""A float64 run of the blocks stays within the walked bound; a unit too small does not hold it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from varnum.balls.questions import bounds
from varnum.errors import InputError
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.random_weights import random_model
from varnum.model.transformer import Numbers
from varnum.model.walk import walk
from varnum.propagate.budget import teacher_forced_setting
from varnum.propagate.forward_rounding import Arithmetic
from varnum.propagate.rounded import certify_rounding
from varnum.propagate.run_enclosure import certify_ranges
from varnum.propagate.transfer import Reach
from varnum.propagate.var_model import block_norms, head_norms


def setting(name: str) -> Any:
    """A model, one input (L, C) and the AdaLN vectors of its blocks and head."""
    model = random_model(*preset(name), seed=0).to(Backend("numpy", "float64"))
    tokens = np.random.default_rng(1).integers(0, model.var.vocab_size, model.var.length)
    return model, *teacher_forced_setting(model, 1, tokens)


def test_float64_stays_within() -> None:
    model, x, vectors = setting("var-tiny-plain")
    config, wide = model.var, model.var_weights
    exact, ranges = certify_ranges(wide, config, x, vectors, config.lengths)
    ops = Numbers(model.var_weights, config, blocks=config.lengths)
    conditions = [[v.reshape(1, 1, -1) for v in given] for given in vectors]
    run = np.asarray(walk(ops, x[None], conditions)[0])
    low, high = bounds(exact)
    moved = np.maximum(np.abs(run - low), np.abs(run - high)).max()

    norms = [block_norms(wide, config, i, six) for i, six in enumerate(vectors[:-1])]
    token = Fraction(float(np.sqrt((x**2).sum(-1).max()) * (1 + 1e-12)))
    start = Reach.of(config.embed_dim, Fraction(float(np.abs(x).max())), 0, token)

    def bound(arithmetic: Arithmetic) -> float:
        found = certify_rounding(
            norms, head_norms(wide, vectors[-1]), start, Fraction(str(config.norm_eps)),
            arithmetic, config.length, ranges,
        )  # fmt: skip
        return float(found.error)

    true = Arithmetic.of("float64")
    assert 0 < moved <= bound(true)
    assert bound(replace(true, mu=true.mu / 2**40)) < moved


def test_normalised_heads_are_refused() -> None:
    model, _, vectors = setting("var-tiny")
    config = model.var
    norms = [block_norms(model.var_weights, config, i, six) for i, six in enumerate(vectors[:-1])]
    start = Reach.of(config.embed_dim, 1)
    with pytest.raises(InputError, match="l2-normalised"):
        certify_rounding(
            norms,
            None,
            start,
            Fraction(1, 10**6),
            Arithmetic.of("float32"),
            5,
            None,  # type: ignore[arg-type]
        )
