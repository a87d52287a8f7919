"""Backends and official fixtures, shared by the tests of the model."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from varnum.model.backend import Backend
from varnum.model.config import VaeConfig, VarConfig, read_settings
from varnum.model.generate import Model

FIXTURES = Path(__file__).parents[1] / "data" / "var"


def arrays_of(path):
    """All arrays of an .npz."""
    with np.load(path) as archive:
        return dict(archive)


def _backend(name: str, dtype: str) -> Backend:
    if name == "torch":
        pytest.importorskip("torch", reason="the torch backend needs torch")
    return Backend(name, dtype)


@pytest.fixture(params=["numpy", "torch"])
def backend(request):
    """Float64 on NumPy and on torch."""
    return _backend(request.param, "float64")


@pytest.fixture(params=["numpy", "torch"])
def backend32(request):
    """Float32 on NumPy and on torch."""
    return _backend(request.param, "float32")


@pytest.fixture
def fixture_path():
    """Where the official arrays lie."""
    return FIXTURES


@pytest.fixture(scope="session")
def official():
    """official(x) -> (model with NumPy float32 weights, inputs and outputs) of fixture x."""
    known = {}

    def load(name: str) -> tuple[Model, dict[str, np.ndarray]]:
        if name not in known:
            pairs = json.loads((FIXTURES / f"{name}_config.json").read_text())
            settings, _ = read_settings(pairs, name)
            var, vae = (
                kind(**{f.name: settings[f.name] for f in fields(kind) if f.name in settings})
                for kind in (VarConfig, VaeConfig)
            )
            parts = [f"{name}_{part}.npz" for part in ("var_state", "vae_state", "io")]
            *states, io = (arrays_of(FIXTURES / part) for part in parts)
            known[name] = Model(var, vae, *states), io
        return known[name]

    return load


@pytest.fixture(scope="session")
def oracle_of():
    """oracle_of(model on torch) -> an independent model in plain torch with the same weights."""
    spec = importlib.util.spec_from_file_location("oracle", Path(__file__).parent / "oracle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda m: module.Oracle(m.var, m.vae, m.var_weights, m.vae_weights)
