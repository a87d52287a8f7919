"""Shared: official tiny models, and small blocks with random weights."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from varnum.model.backend import Backend
from varnum.model.config import VaeConfig, VarConfig, read_settings
from varnum.model.generate import Model

FIXTURES = Path(__file__).parents[1] / "data" / "var"


@pytest.fixture(scope="session")
def tiny_model():
    """tiny_model("a" or "b") -> official tiny model in float64 on NumPy, and its tokens (B, L)."""

    def load(name):
        pairs = json.loads((FIXTURES / f"{name}_config.json").read_text())
        settings, _ = read_settings(pairs, name)
        configs = [
            kind(**{f.name: settings[f.name] for f in fields(kind) if f.name in settings})
            for kind in (VarConfig, VaeConfig)
        ]
        states = [dict(np.load(FIXTURES / f"{name}_{part}_state.npz")) for part in ("var", "vae")]
        io = dict(np.load(FIXTURES / f"{name}_io.npz"))
        return Model(*configs, *states).to(Backend("numpy", "float64")), io

    return load
