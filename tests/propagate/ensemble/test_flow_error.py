"""FlowAR's whole sampler: exact maps enclosed, Jacobians against differences, S(u) below bounds."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import varnum as vn
from tests.propagate.ensemble.test_gated_sites import Point
from tests.propagate.ensemble.test_reverse import Columns, Exact, Given
from varnum.balls.scalar import precision
from varnum.cli import main
from varnum.model.backend import Backend, to_numpy
from varnum.model.flowar.flow_config import flow_preset
from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise, sample_maps
from varnum.model.flowar.random_flow_weights import random_flow_model
from varnum.propagate.ensemble import cloud, protocol, sampler_clouds
from varnum.propagate.ensemble.chance import cauchy_quantile
from varnum.propagate.ensemble.cloud import Fixed, Pilot
from varnum.propagate.ensemble.flow_error import flow_error_of
from varnum.propagate.ensemble.sampler_clouds import Sampling

GUIDED = FlowSettings(2, Fraction("2.5"), Fraction("0.9"))
KINDS = ["flowar-tiny", "flowar-tiny-cross"]


def small(
    kind: str, seed: int, scales: tuple[int, ...] = (1, 2), width: int = 16
) -> tuple[Any, Any]:
    """A random model and noise for one label."""
    config = replace(flow_preset(kind), scales=scales, model_width=width, flow_width=width)
    model = random_flow_model(config, seed)
    return model, draw_noise(config, 1, seed)


def maps_of(model: Any, noise: Any, settings: FlowSettings, where: Backend) -> list[Any]:
    latents = [where.array(x) for x in noise]
    return [scale.map for scale in sample_maps(model.to(where), [3], latents, settings)]


def exact_ends(model: Any, noise: Any, settings: FlowSettings) -> list[Any]:
    """(low, high) of every map, in balls."""
    with precision(400):
        return [x.bounds() for x in maps_of(model, noise, settings, Backend("balls"))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [GUIDED, FlowSettings(3)])
def test_exact_maps_are_enclosed(kind: str, settings: FlowSettings) -> None:
    model, noise = small(kind, 1)
    found = flow_error_of(model, 3, noise, settings=settings, samples=16)
    assert found.verdict == "proved"
    ends = exact_ends(model, noise, settings)
    for (low, high), centre, bound in zip(ends, found.centre, found.bound, strict=True):
        assert (centre - bound <= low).all()
        assert (high <= centre + bound).all()
    assert found.rounding_bound < 1e-7
    assert found.map_error == max(found.map_error_per_scale)
    assert found.map_error == pytest.approx(found.rounding_bound, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_other_runs_are_bounded(dtype: str) -> None:
    """Their true error, from balls, is below the bound, which is what was measured and a little."""
    pytest.importorskip("torch")
    model, noise = small("flowar-tiny", 2)
    given = [to_numpy(x) for x in maps_of(model, noise, GUIDED, Backend("torch", dtype))]
    found = flow_error_of(model, 3, noise, given, settings=GUIDED, samples=16)
    off = [
        np.maximum(np.abs(x - low), np.abs(x - high)).max()
        for x, (low, high) in zip(given, exact_ends(model, noise, GUIDED), strict=True)
    ]
    assert max(off) <= found.map_error <= (found.measured or 0) + found.rounding_bound * 1.01
    assert found.map_error < 1.001 * max(off) + found.rounding_bound
    assert "measured" in str(found)


class Walked(Point):
    """Keeps the maps' deviations."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def forms(self, values: Any, err: Any, first: int) -> Any:
        self.found.append(values[:, 0].copy())
        return np.zeros_like(values[:, 0])

    def norm(self, samples: Any, err: Any, first: int) -> Any:
        return np.zeros(len(samples))


@pytest.mark.parametrize("kind", KINDS)
def test_deviations_travel_as_differences_say(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of the first map's noise reaches the last map through inputs, keys and guidance."""
    model, noise = small(kind, 3, (1, 2, 3))
    step = 1e-6 * np.random.default_rng(0).standard_normal(noise[0].shape)
    bare = sampler_clouds.bare

    def moved(ensemble: Any, centre: Any, entry: Any) -> Any:
        found = bare(ensemble, centre, entry)
        if np.array_equal(centre, noise[0][0]):
            found.samples[:, 0] = step[0]
        return found

    monkeypatch.setattr(sampler_clouds, "bare", moved)
    walked: Any = Walked()
    run = Sampling(model.weights, model.config, GUIDED, 3, tuple(x[0] for x in noise))
    run.through(walked)
    wide = [x.astype(float) for x in noise]
    shifted = [wide[0] + step, *wide[1:]]
    ends = [maps_of(model, x, GUIDED, Backend()) for x in (wide, shifted)]
    last = [d for d in walked.found if d.shape[1] == model.config.latent_channels][-3:]
    for linear, before, after in zip(last, *ends, strict=True):
        true = (after - before)[0]
        assert np.abs(true).max() > 1e-8
        assert np.abs(linear - true).max() < 1e-3 * np.abs(true).max()


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_are_above_the_exact_affine_radius(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S(u) of the last map, one column per coordinate of every group."""
    monkeypatch.setattr(
        cloud, "cauchy_quantile", lambda m, d: cauchy_quantile(m, d) if m < 256 else 0.0
    )
    model, noise = small(kind, 4, width=8)
    run = Sampling(model.weights, model.config, GUIDED, 3, tuple(x[0] for x in noise))
    plan, chance = protocol.Plan(16, split=False), Fraction(1, 10**9)
    pilot = Pilot(4.0)
    protocol._walk(run, plan, pilot, b"one", 1, chance)
    fixed = Fixed(pilot.radii)
    end, _ = protocol._walk(run, plan, fixed, b"two", 1, chance)
    counted = Columns(8)
    lengths, low = run.lengths, Fraction(1, 100)
    run.through(Exact(counted, Given(fixed.named), lengths, low, split=False))
    columns = Columns(counted.next)
    ensemble = Exact(columns, Given(fixed.named), lengths, low, split=False)
    run.through(ensemble)
    square = np.add.reduceat(ensemble.last[:, : columns.next] ** 2, columns.groups, axis=1)
    radius = np.sqrt(square).sum(1)
    ratio = end.bound[-len(radius) :] / radius
    assert ratio.min() > 1
    assert ratio.max() < 1e4


def test_a_run_without_a_bound_is_unknown() -> None:
    model, noise = small("flowar-tiny", 0)
    weights = dict(model.weights)
    name = "encoder_blocks.0.attn.qkv.weight"
    weights[name] = weights[name] * np.float32(1e4)
    found = flow_error_of(replace(model, weights=weights), 3, noise, settings=GUIDED, samples=4)
    assert (found.verdict, found.exit_code) == ("unknown", 3)
    assert "not certified (try 3 of 3)" in str(found)
    assert found.to_dict()["map_error"] is None


def test_sums_beyond_float64_are_unknown() -> None:
    """inf - inf reaches GELU's table, whose index it must not be."""
    model, noise = small("flowar-tiny", 0)
    weights = dict(model.weights)
    name = "encoder_blocks.0.mlp.fc1_g.weight"
    weights[name] = np.sign(np.asarray(weights[name], dtype=np.float64)) * 1.7e308
    found = flow_error_of(replace(model, weights=weights), 3, noise, settings=GUIDED, samples=4)
    assert found.verdict == "unknown"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"labels": 11}, "labels: allowed are -1"),
        ({"labels": 0.5}, "labels: need integers"),
        ({"noise": "x"}, "noise: need a list"),
        ({"maps": [np.zeros((1, 1, 4))]}, "maps: need shapes"),
        ({"samples": 7}, "samples: 7 is odd"),
        ({"chance": "1/2"}, "chance: 1/2 is not allowed"),
        ({"settings": FlowSettings(1)}, "num_steps: must be 2"),
        ({"settings": FlowSettings(2.5)}, "num_steps: need a whole number"),  # type: ignore[arg-type]
        ({"settings": FlowSettings(2, 1.1)}, "cfg: need a Fraction"),  # type: ignore[arg-type]
        ({"settings": (2, 1)}, "settings: need FlowSettings, got tuple"),
        ({"model": None}, "model: NoneType is not allowed"),
    ],
)
def test_bad_input_is_one_line(changes: dict[str, Any], word: str) -> None:
    model, noise = small("flowar-tiny", 0)
    with pytest.raises(vn.InputError, match=word):
        flow_error_of(**({"model": model, "labels": 0, "noise": noise} | changes))


def run(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    sys.argv = ["varnum", *command.split()]
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Maps that `run` wrote, then a little off in one entry; the enclosure that is written."""
    base = "--random flowar-tiny --labels 3 --num-steps 2 --cfg 2.5"
    out, bounds = tmp_path / "run.npz", tmp_path / "bounds.npz"
    assert run(f"run {base} --out {out}", capsys)[0] == 0
    code, text, _ = run(f"error {base} --maps {out} --samples 16 --json", capsys)
    same = json.loads(text)
    assert (code, same["verdict"]) == (0, "proved")
    assert same["measured"] < 1e-13
    with np.load(out) as held:
        arrays = dict(held)
    arrays["map_2"][0, 5, 1] += 0.5
    np.savez(out, **arrays)
    code, text, _ = run(f"error {base} --maps {out} --samples 16 --out {bounds} --json", capsys)
    assert 0.5 <= json.loads(text)["map_error"] < 0.5001
    with np.load(bounds) as held:
        assert sorted(held) == [f"{stem}_{k}" for stem in ("bound", "map") for k in range(3)]
    code, text, _ = run(f"error {base} --dtype float32 --samples 16", capsys)
    assert code == 0
    assert "of the exact sampler's" in text


@pytest.mark.parametrize(
    "wrong",
    [
        "--random flowar-tiny --margins", "--random flowar-tiny --tokens x",
        "--random flowar-tiny --kernel-error 1e-3", "--random var-tiny --noise x",
        "--random var-tiny --num-steps 4", "--random flowar-tiny --maps x --dtype float32",
        "--random flowar-tiny --backend balls", "--random flowar-tiny --noise nowhere.npz",
    ],
)  # fmt: skip
def test_other_options_are_one_line(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, said = run(f"error {wrong}", capsys)
    assert (code, out) == (2, "")
    assert said.count("\n") <= 3
