"""`varnum run --flowar`: the official arrays through the command line, files, and refusals."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.support.flowar import DATA, arrays_of, assert_close, official
from varnum.cli import main
from varnum.model.flowar.flow_config import flow_preset
from varnum.model.flowar.flow_statedict import flow_shapes
from varnum.model.flowar.random_flow_weights import flow_buffers, random_flow_model

TINY = flow_preset("flowar-tiny")


@pytest.fixture
def varnum(monkeypatch, capsys):
    """varnum(*arguments) -> (exit code, stdout, stderr) of the real main()."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["varnum", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """The official state dict of set B as a file."""
    path = tmp_path_factory.mktemp("flowar") / "state.npz"
    np.savez(path, **official("B").state)
    return path


@pytest.fixture
def tiny(tmp_path):
    """tiny(changes) -> the file of a complete tiny state dict with some entries changed."""

    def make(suffix=".npz", **changes):
        state = random_flow_model(TINY, 0).weights | flow_buffers(TINY) | changes
        state = {name: x for name, x in state.items() if x is not None}
        path = tmp_path / f"state{suffix}"
        if suffix == ".npz":
            np.savez(path, **state)
        elif suffix == ".pth":
            torch = pytest.importorskip("torch", reason=".pth needs torch")
            torch.save({name: torch.from_numpy(x.copy()) for name, x in state.items()}, path)
        else:
            numpy_files = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
            numpy_files.save_file({n: np.ascontiguousarray(x) for n, x in state.items()}, path)
        return path

    return make


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        (["--backend", "numpy"], 1e-12),
        (["--backend", "torch"], 1e-12),
        (["--backend", "torch", "--dtype", "float32"], 1e-4),
    ],
)
def test_official_run(varnum, tmp_path, state, options, tolerance):
    if "torch" in options:
        pytest.importorskip("torch", reason="the torch backend needs torch")
    out, io = tmp_path / "out.npz", official("B").io
    options = ["--labels", "12,0", "--noise", DATA / "B_io.npz", "--num-steps", 8, *options]
    options += ["--cfg", "3.0", "--guidance", "0.7", "--out", out, "--trace", "--json"]
    code, text, _ = varnum("run", "--flowar", state, "--config", DATA / "B_config.json", *options)
    answer = json.loads(text)
    assert (code, answer["schema"], answer["verdict"]) == (0, "varnum/run/2", "done")
    arrays = arrays_of(out)
    assert set(arrays) == {"t_int", *(f"{part}_{k}" for part in ("map", "z") for k in range(4))}
    assert answer["t_int"] == arrays["t_int"].tolist() == io["grid_8_tint"].tolist()
    for k in range(4):
        assert_close(arrays[f"map_{k}"], io[f"g_map_{k}"], tolerance)
    assert_close(arrays["z_2"], io["g_z_2"], tolerance)


@pytest.mark.parametrize("suffix", [".npz", ".pth", ".safetensors"])
def test_files_are_the_random_model(varnum, tmp_path, tiny, suffix):
    """The sizes come from the weights alone, the noise from the seed."""
    found = []
    for source in (["--flowar", tiny(suffix)], ["--random", "flowar-tiny"]):
        out = tmp_path / "out.npz"
        code, _, error = varnum("run", *source, "--num-steps", 4, "--cfg", 2, "--out", out)
        assert code == 0, error
        found.append(arrays_of(out))
    assert set(found[0]) == {"map_0", "map_1", "map_2"}
    for name, x in found[0].items():
        np.testing.assert_array_equal(x, found[1][name])


def test_balls_enclose_the_numbers(varnum, tmp_path):
    """A guided run in balls; digits are certified per map; z is enclosed too."""
    options = ["--random", "flowar-tiny", "--seed", 1, "--num-steps", 4, "--cfg", 2, "--trace"]
    files = [tmp_path / "balls.npz", tmp_path / "numbers.npz"]
    code, text, _ = varnum("run", *options, "--backend", "balls", "--out", files[0], "--json")
    answer = json.loads(text)
    assert (code, answer["assurance"], answer["dtype"]) == (0, "proved for this run", "ball")
    assert min(answer["map_digits"]) >= answer["digits"] >= 15
    assert varnum("run", *options, "--out", files[1])[0] == 0
    balls, numbers = map(arrays_of, files)
    for name in ("map_0", "map_2", "z_1"):
        assert np.all(abs(balls[name] - numbers[name]) <= balls[f"{name}_radius"] + 1e-12)
        assert not np.array_equal(balls[name], numbers[name])
    np.testing.assert_array_equal(balls["t_int"], numbers["t_int"])


def test_too_few_bits_are_unknown(varnum):
    options = ["--random", "flowar-tiny", "--num-steps", 2, "--backend", "balls"]
    code, text, _ = varnum("run", *options, "--digits", 300, "--max-bits", 64, "--json")
    assert (code, json.loads(text)["verdict"]) == (3, "unknown")


def test_lowrank_attention_in_every_slot(varnum, tmp_path):
    """Within its guarantee on all heads, and not the exact run."""
    files = [tmp_path / "low.npz", tmp_path / "exact.npz"]
    options = ["--random", "flowar-tiny", "--num-steps", 2]
    lowrank = ["--attention", "lowrank", "--output-error", "1e-3"]
    code, text, _ = varnum("run", *options, *lowrank, "--out", files[0], "--json")
    made = json.loads(text)["attention"]
    assert code == 0
    assert made["output_error"] <= 1e-3
    tokens, heads = sum(TINY.lengths), TINY.encoder_heads
    assert made["rows"] == tokens * (2 * heads + 2 * TINY.flow_heads)  # two blocks, two evaluations
    varnum("run", *options, "--out", files[1])
    low, exact = (arrays_of(path)["map_2"] for path in files)
    assert 0 < abs(low - exact).max() < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--flowar", "nowhere.npz"], "nowhere.npz: no such file"),
        (["--random", "flowar-xl"], "known: flowar-tiny, "),
        (["--random", "flowar-tiny", "--num-steps", 1], "num-steps: must be 2 to"),
        (["--random", "flowar-tiny", "--labels", "11"], "allowed: 0 to 9"),
        (["--random", "flowar-tiny", "--image", "x.png"], "image: not of FlowAR"),
        (["--random", "flowar-tiny", "--tokens", "x.npy"], "tokens: not of FlowAR"),
        (["--random", "flowar-tiny", "--backend", "torch", "--dtype", "bfloat16"], "bfloat16"),
        (["--random", "flowar-tiny", "--cfg", "1e9"], "cfg: must be within"),
        (["--random", "flowar-tiny", "--noise", DATA / "B_io.npz"], "noise: need shapes"),
        (["--random", "flowar-tiny", "--noise", DATA / "B_state.npz"], "need the arrays noise_0"),
        (["--random", "flowar-tiny", "--config", DATA / "A_io.npz"], "not a JSON file"),
        (["--random", "flowar-tiny", "--top-k", "5"], "top-k: not of FlowAR"),
        (["--random", "flowar-tiny", "--top-p", "0.5"], "top-p: not of FlowAR"),
        (["--random", "var-tiny", "--num-steps", "9"], "num-steps: of FlowAR"),
        (["--random", "var-tiny", "--guidance", "0.5"], "guidance: of FlowAR"),
        (["--random", "var-tiny", "--trace"], "trace: of FlowAR"),
        (["--random", "var-tiny", "--noise", "x.npz"], "noise: of FlowAR"),
    ],
)
def test_refusals(varnum, options, message):
    if "torch" in options:
        pytest.importorskip("torch", reason="the torch backend needs torch")
    code, _, error = varnum("run", *options)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_norm.weight": None}, "1 key(s) missing, first 'encoder_norm.weight'"),
        ({"extra": np.zeros(3, np.float32)}, "1 key(s) not part of this model"),
        ({"mask": np.zeros((1, 1, 21, 21), np.float32)}, "expected squares"),
        ({"mask": flow_buffers(TINY)["mask"][..., ::-1]}, "mask is not the block-causal mask"),
        ({"z_proj.bias": np.zeros(31, np.float32)}, "z_proj.bias has shape (31,)"),
        ({"z_proj.bias": np.full(32, np.nan, np.float32)}, "holds NaN or infinity"),
        ({"class_emb.weight": None}, "key 'class_emb.weight' is missing"),
        (
            {"encoder_blocks.0.attn.rope.freqs": np.zeros(0, np.float32)},
            "encoder_heads: must be 1 to",
        ),
    ],
)
def test_state_dicts_that_do_not_fit(varnum, tiny, changes, message):
    code, _, error = varnum("run", "--flowar", tiny(**changes), "--num-steps", 2)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rope_extent": 8}, "rope_extent: 8; this model has 16"),
        ({"scales": [1, 2, 3]}, "scales is (1, 2, 4) in the weights, (1, 2, 3) in the config"),
        ({"encoder_heads": "2"}, "expected int"),
        ({"resample_through_sampling": 0}, "resample_through_sampling: must be 1 to"),
    ],
)
def test_configurations_that_do_not_fit(varnum, tmp_path, tiny, settings, message):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings))
    code, _, error = varnum("run", "--flowar", tiny(), "--config", path, "--num-steps", 2)
    assert code == 2
    assert message in error


def test_each_block_has_its_own_frequencies(varnum, tmp_path, tiny):
    """Another table in a single block is read, not taken from the first one."""
    key = "flownet.res_blocks.0.attn.rope.freqs"
    changed = random_flow_model(TINY, 0).weights[key] * np.float32(0.5)
    found = []
    for changes in ({}, {key: changed}):
        out = tmp_path / "out.npz"
        assert varnum("run", "--flowar", tiny(**changes), "--num-steps", 2, "--out", out)[0] == 0
        found.append(arrays_of(out)["map_2"])
    assert abs(found[0] - found[1]).max() > 1e-4


def test_sizes_of_a_random_model_follow_the_configuration(varnum, tmp_path):
    """Another width has another hidden width of its MLP too."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_width": 48, "flow_width": 128, "scales": [1, 2]}))
    out = tmp_path / "out.npz"
    options = ["--num-steps", 2, "--trace", "--out", out]
    assert varnum("run", "--random", "flowar-tiny", "--config", path, *options)[0] == 0
    assert arrays_of(out)["z_1"].shape == (1, 4, 48)
    config = replace(TINY, model_width=48, flow_width=128)
    assert flow_shapes(config)["encoder_blocks.0.mlp.fc1_g.weight"] == (128, 48)
    assert flow_shapes(config)["flownet.res_blocks.0.mlp.fc1_g.weight"] == (341, 128)
