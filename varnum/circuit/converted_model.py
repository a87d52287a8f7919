"""A model with its weights as another kind of array, so that its own code runs on that kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from varnum.model.backend import Array
from varnum.model.generate import Model
from varnum.model.statedict import without_buffers
from varnum.tensor import Doubles


def converted(model: Model, array: Callable[[Doubles], Array]) -> Model:
    """The model with every weight as another kind of array."""
    parts = [
        {name: array(np.asarray(w, dtype=np.float64)) for name, w in without_buffers(held).items()}
        for held in (model.var_weights, model.vae_weights)
    ]
    return Model(model.var, model.vae, *parts)
