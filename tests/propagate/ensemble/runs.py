"""Small runs for the tests of the ensembles."""

from __future__ import annotations

from typing import Any

import numpy as np

from varnum.model.config import VaeConfig, VarConfig
from varnum.model.generate import Model
from varnum.model.random_weights import random_model
from varnum.propagate.ensemble.embeddings import conditions, embedded
from varnum.propagate.ensemble.protocol import Start

SIDES = (1, 2)


def small(seed: int, **changes: Any) -> tuple[Model, Any]:
    """A random model of five tokens, and tokens (1, 5) for it."""
    sizes = {"depth": 2, "embed_dim": 16, "num_heads": 2, "vocab_size": 12, "Cvae": 4}
    var = VarConfig(SIDES, num_classes=3, **(sizes | changes))
    vae = VaeConfig(SIDES, vocab_size=12, Cvae=4, ch=32, ch_mult=(1,), num_res_blocks=1)
    tokens = np.random.default_rng(seed).integers(0, 12, (1, 5))
    return random_model(var, vae, seed), tokens


def start_of(model: Model, tokens: Any, label: int = 1, **changes: Any) -> Start:
    """Where the walk starts for the first row of tokens."""
    x, error = embedded(model, label, tokens[0])
    return Start(model.var_weights, model.var, x, error, conditions(model, label), **changes)
