"""State dicts: official names and shapes, every file kind, and one clear line for each defect."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from varnum.errors import InputError, MissingExtra
from varnum.model import checkpoint
from varnum.model.backend import Backend, to_numpy
from varnum.model.config import PRESETS, VaeConfig, VarConfig, preset, read_settings
from varnum.model.generate import Model, teacher_forced_logits
from varnum.model.random_weights import buffers, random_model, random_weights
from varnum.model.statedict import BUFFERS, vae_shapes, var_shapes

TORCH = "torch reads .pth and .safetensors"


# --- names and shapes ---------------------------------------------------------------------------


@pytest.fixture
def official_keys(fixture_path):
    return json.loads((fixture_path / "state-dict-keys.json").read_text())


def listed(entry):
    return [(name, tuple(value["shape"])) for name, value in entry.items()]


def test_keys_of_the_released_models(official_keys):
    assert listed(official_keys["var_d16"]) == list(var_shapes(preset("var-d16")[0]).items())
    vae = list(vae_shapes(preset("var-d16")[1]).items())
    assert listed(official_keys["vae_ch160v4096z32"]) == vae
    d36 = var_shapes(preset("var-d36")[0])
    first = [(n, s) for n, s in d36.items() if not n.startswith("blocks.") or "blocks.0." in n]
    assert listed(official_keys["var_d36_shared_aln_nonblock_and_block0"]) == first


@pytest.mark.parametrize("depth", [16, 20, 24, 30, 36])
def test_sizes_of_the_released_models(official_keys, depth):
    shapes = var_shapes(preset(f"var-d{depth}")[0])
    parameters = {n: s for n, s in shapes.items() if n not in BUFFERS and "zero_k" not in n}
    sizes = official_keys["_sizes"][f"var_d{depth}"]
    assert len(shapes) == sizes["n_keys"]
    assert sum(map(math.prod, parameters.values())) == sizes["params"]


@pytest.mark.parametrize("name", ["a", "b"])
def test_keys_of_the_fixtures(official, fixture_path, name):
    model, _ = official(name)
    for part, shapes in (("var", var_shapes(model.var)), ("vae", vae_shapes(model.vae))):
        with np.load(fixture_path / f"{name}_{part}_state.npz") as state:
            assert {n: state[n].shape for n in state.files} == shapes


# --- good files ---------------------------------------------------------------------------------


def full_state(var: VarConfig, vae: VaeConfig, seed: int = 0):
    model = random_model(var, vae, seed)
    extra = buffers(var, vae)
    return {**model.var_weights, **extra[0]}, {**model.vae_weights, **extra[1]}


def write(tmp_path, suffix, states, nested=False):
    paths = [str(tmp_path / f"{name}{suffix}") for name in ("var", "vae")]
    if suffix == ".npz":
        for path, state in zip(paths, states, strict=True):
            np.savez(path, **state)
        return paths
    torch = pytest.importorskip("torch", reason=TORCH)
    tensors = [{n: torch.from_numpy(np.array(x)) for n, x in state.items()} for state in states]
    if nested:
        trainer = {"config": {}, "var_wo_ddp": tensors[0], "vae_local": tensors[1], "var_opt": {}}
        tensors = [{"epoch": 1, "iter": 2, "trainer": trainer, "args": {"depth": 2}}] * 2
    for path, state in zip(paths, tensors, strict=True):
        if suffix == ".safetensors":
            safetensors = pytest.importorskip("safetensors.torch", reason="writes .safetensors")
            safetensors.save_file(state, path)
        else:
            torch.save(state, path)
    return paths


@pytest.mark.parametrize("name", [n for n in PRESETS if n.startswith("var-tiny")])
@pytest.mark.parametrize(
    ("suffix", "nested"),
    [(".npz", False), (".pth", False), (".pth", True), (".safetensors", False)],
)
def test_every_kind_of_file(tmp_path, name, suffix, nested):
    var, vae = preset(name)
    states = full_state(var, vae)
    paths = write(tmp_path, suffix, states, nested)
    settings = {} if var.attn_l2_norm else {"num_heads": var.num_heads}
    model = checkpoint.load_model(*paths, settings)
    assert (model.var, model.vae) == (var, vae)  # everything else was read off the shapes
    for weights, state in ((model.var_weights, states[0]), (model.vae_weights, states[1])):
        assert set(weights) == set(state) - BUFFERS
        for key, x in weights.items():
            np.testing.assert_array_equal(np.asarray(x), state[key])
    tokens = np.zeros((1, 30), dtype=np.int64)
    logits = teacher_forced_logits(model.to(Backend()), np.array([0]), tokens)
    expected = teacher_forced_logits(random_model(var, vae, 0).to(Backend()), np.array([0]), tokens)
    np.testing.assert_array_equal(logits, expected)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_bfloat16_files(tmp_path, suffix):
    torch = pytest.importorskip("torch", reason=TORCH)
    var, vae = preset("var-tiny")
    states = full_state(var, vae)
    paths = write(tmp_path, suffix, states)
    if suffix == ".pth":
        for path in paths:
            state = torch.load(path, weights_only=True)
            torch.save(
                {n: x.bfloat16() if x.is_floating_point() else x for n, x in state.items()}, path
            )
    model = checkpoint.load_model(*paths).to(Backend())
    key = "blocks.1.attn.mat_qkv.weight"  # random weights lie on the bfloat16 grid
    np.testing.assert_array_equal(model.var_weights[key], states[0][key])


def test_sizes_hard_to_infer(tmp_path):
    """Published width rule gives the heads; mlp_ratio and phi sharing are read off the shapes."""
    var = VarConfig((1, 2), 1, 64, 1, 2.5, vocab_size=16, Cvae=4, num_classes=3, attn_l2_norm=False)
    for share in (0, 1, 3):
        vae = VaeConfig((1, 2), 16, 4, 32, (1, 2, 2), 1, share_quant_resi=share, quant_conv_ks=1)
        paths = write(tmp_path, ".npz", full_state(var, vae))
        model = checkpoint.load_model(*paths)
        assert (model.var, model.vae) == (var, vae)


def test_random_weights_are_seeded_and_all_matter():
    var, vae = preset("var-tiny")
    shapes = var_shapes(var)
    one, again, other = (random_weights(shapes, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(one[n], again[n]) for n in one)
    model = random_model(var, vae, 0).to(Backend())
    tokens = np.arange(60).reshape(2, 30) % 64
    labels = np.array([1, 2])
    logits = teacher_forced_logits(model, labels, tokens)
    for name, x in model.var_weights.items():
        if "zero_k_bias" in name:
            continue
        assert not np.array_equal(one[name], other[name])
        weights = {**model.var_weights, name: x * 1.25}
        changed = type(model)(var, vae, weights, model.vae_weights)
        difference = np.abs(teacher_forced_logits(changed, labels, tokens) - logits).max()
        assert difference > 1e-3, name


# --- bad files ----------------------------------------------------------------------------------


def assert_refused(paths, message, settings=None):
    with pytest.raises(InputError, match=message) as caught:
        checkpoint.load_model(*paths, settings)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.fixture
def states():
    return full_state(*preset("var-tiny"))


DEFECTS = {
    "missing": (lambda s: s.pop("blocks.1.ffn.fc1.bias"), "1 key.* missing, first 'blocks.1.ffn"),
    "extra": (lambda s: s.update(x=s["head.bias"]), "1 key.* not part of this model, first 'x'"),
    "shape": (
        lambda s: s.update({"head.bias": s["head.bias"][1:]}),
        r"head.bias has shape \(63,\)",
    ),
    "nan": (lambda s: s["head.bias"].__setitem__(3, np.nan), "head.bias holds NaN or infinity"),
    "infinity": (lambda s: s["pos_1LC"].__setitem__(0, np.inf), "pos_1LC holds NaN or infinity"),
    "integers": (
        lambda s: s.update({"head.bias": s["head.bias"].astype(np.int64)}),
        "head.bias has dtype int64, expected floating-point",
    ),
    "mask": (lambda s: s["attn_bias_for_masking"].fill(0), "not the block-causal mask"),
    "levels": (lambda s: s["lvl_1L"].sort(), None),
    "ragged levels": (lambda s: s["lvl_1L"].__setitem__((0, 0), 1), "lvl_1L"),
    "no levels": (lambda s: s.pop("lvl_1L"), "key 'lvl_1L' is missing"),
    "another model": (lambda s: s.pop("word_embed.weight"), "'word_embed.weight' is missing"),
}


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("suffix", [".npz", ".pth"])
def test_defects_in_a_state_dict(tmp_path, states, defect, suffix):
    spoil, message = DEFECTS[defect]
    states = ({n: np.array(x) for n, x in states[0].items()}, states[1])
    spoil(states[0])
    paths = write(tmp_path, suffix, states)
    if message is None:  # sorting sorted levels changes nothing
        checkpoint.load_model(*paths)
    else:
        assert_refused(paths, message.replace("dtype int64", r"dtype (torch\.)?int64"))


def test_the_config_is_checked(tmp_path, states):
    paths = write(tmp_path, ".npz", states)
    assert_refused(paths, "depth is 2 in the weights, 3 in the config", {"depth": 3})
    assert_refused(paths, "ch is 32 in the weights, 64 in the config", {"ch": 64})
    assert_refused(paths, "patch_nums is", {"patch_nums": (1, 2, 3, 5)})
    other = full_state(*preset("var-tiny-plain"))
    assert_refused(write(tmp_path, ".npz", other), "num_heads is not in the shapes")
    swapped = [paths[1], paths[0]]
    assert_refused(swapped, "'word_embed.weight' is missing")


@pytest.mark.parametrize("suffix", [".npz", ".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.999])
def test_truncated_files(tmp_path, states, suffix, keep):
    paths = write(tmp_path, suffix, states)
    data = Path(paths[0]).read_bytes()
    Path(paths[0]).write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    assert_refused(paths, "not a readable checkpoint, or cut short")


@pytest.mark.parametrize("suffix", [".npz", ".pth", ".safetensors"])
def test_files_that_are_no_checkpoints(tmp_path, states, suffix):
    paths = write(tmp_path, suffix, states)
    Path(paths[0]).write_text("a shopping list, and no state dict at all\n" * 100)
    assert_refused(paths, "not a readable checkpoint|holds")


def test_odd_contents(tmp_path, states):
    torch = pytest.importorskip("torch", reason=TORCH)
    paths = write(tmp_path, ".pth", states)
    for content, message in (
        ([1, 2], "holds no state dict"),
        ({}, "holds no state dict"),
        ({"a": 3}, "entry 'a' is no array"),
        (torch.zeros(3), "holds no state dict"),
    ):
        torch.save(content, paths[0])
        assert_refused(paths, message)


def test_odd_tensors(tmp_path, states):
    """Parameters and 8-bit numbers are arrays; sparse and empty tensors are not."""
    torch = pytest.importorskip("torch", reason=TORCH)
    paths = write(tmp_path, ".pth", states)
    good = torch.load(paths[0], weights_only=True)

    def save(**changes):
        torch.save({**good, **{k.replace("__", "."): x for k, x in changes.items()}}, paths[0])

    save(**{k: torch.nn.Parameter(x) for k, x in good.items() if x.is_floating_point()})
    model = checkpoint.load_model(*paths)
    assert not any(x.requires_grad for x in model.to(Backend("torch")).var_weights.values())
    save(head__bias=torch.ones(64, dtype=torch.float8_e4m3fn))
    assert checkpoint.load_model(*paths).to(Backend()).var_weights["head.bias"].sum() == 64
    for odd in (torch.zeros(64).to_sparse(), torch.zeros(64, device="meta")):
        save(head__bias=odd)
        assert_refused(paths, "head.bias is a sparse, quantised or empty tensor")
    save(lvl_1L=good["lvl_1L"].bfloat16())
    assert_refused(paths, "lvl_1L must hold the scale index")


def test_hostile_names_and_shapes(tmp_path, states):
    good = {n: np.array(x) for n, x in states[0].items()}
    for change, message in (
        ({"blocks." + "9" * 60 + ".x": np.zeros(1)}, "1[0-9] key.* missing, first 'blocks.2"),
        ({"word_embed.weight": np.zeros((0, 8), np.float32)}, "embed_dim: must be 1 to"),
    ):
        assert_refused(write(tmp_path, ".npz", ({**good, **change}, states[1])), message)


def test_weights_wider_than_float64_are_not_rounded(tmp_path, states):
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("long double is float64 here")
    states = ({**states[0], "head.bias": states[0]["head.bias"].astype(np.longdouble)}, states[1])
    assert_refused(write(tmp_path, ".npz", states), "wider than float64")


def test_remarks_of_torch_are_not_shown(tmp_path, states):
    """torch warns of old pickles; warnings are errors here."""
    pytest.importorskip("torch", reason=TORCH)
    paths = write(tmp_path, ".pth", states)
    with open(paths[0], "wb") as file:
        pickle.dump({"head.bias": _Bomb(str(tmp_path / "trace"))}, file, protocol=4)
    assert_refused(paths, "no pickle of plain arrays")


def test_paths(tmp_path, states):
    paths = write(tmp_path, ".npz", states)
    assert_refused([str(tmp_path / "none.npz"), paths[1]], "no such file")
    assert_refused([str(tmp_path), paths[1]], "no such file")
    assert_refused([str(tmp_path / "a\0b.npz"), paths[1]], "no such file")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.npz")
        assert_refused([str(tmp_path / "pipe.npz"), paths[1]], "not a plain file")
    shutil.copy(paths[0], tmp_path / "var.bin")
    assert_refused(
        [str(tmp_path / "var.bin"), paths[1]], "unknown kind '.bin'; allowed: .npz, .safetensors"
    )


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, states):
    torch = pytest.importorskip("torch", reason=TORCH)
    paths = write(tmp_path, ".pth", states)
    trace = tmp_path / "trace"
    torch.save({"head.bias": _Bomb(str(trace))}, paths[0])
    assert_refused(paths, "refused, not executed")
    with open(paths[0], "wb") as file:
        pickle.dump({"head.bias": _Bomb(str(trace))}, file)
    assert_refused(paths, "refused, not executed|not a readable checkpoint")
    arrays = str(tmp_path / "var.npz")
    np.savez(arrays, allow_pickle=True, bomb=np.array([_Bomb(str(trace))], dtype=object))
    assert_refused([arrays, paths[1]], "not a readable checkpoint")
    assert not trace.exists()


def test_settings():
    settings, ignored = read_settings({"vae_ch": 32, "depth": 2, "seed": 1}, "c.json")
    assert settings == {"ch": 32, "depth": 2}
    assert ignored == ["seed"]
    for pairs in ({"depth": "2"}, {"depth": 2.5}, {"depth": True}, {"patch_nums": 4}):
        with pytest.raises(InputError, match=r"c\.json: .*: expected"):
            read_settings(pairs, "c.json")


def test_impossible_sizes():
    for changes in ({"num_heads": 5}, {"patch_nums": (4,)}, {"patch_nums": (2, 2)}, {"depth": 0}):
        with pytest.raises(InputError):
            VarConfig(**changes)
    for changes in ({"ch": 33}, {"ch_mult": ()}, {"quant_resi": 0.0}, {"quant_conv_ks": 2}):
        with pytest.raises(InputError):
            VaeConfig(**changes)
    with pytest.raises(InputError, match="known: var-tiny"):
        preset("var-d17")
    with pytest.raises(InputError, match="patch_nums: the transformer has"):
        Model(preset("var-tiny")[0], VaeConfig(), {}, {})
    with pytest.raises(InputError, match="NumPy has no bfloat16"):
        Backend("numpy", "bfloat16")
    assert to_numpy(np.float32([0.5])).dtype == np.float64


def test_without_torch(monkeypatch, tmp_path, states):
    """NumPy and .npz need no torch; what does need it names the extra."""
    monkeypatch.setitem(sys.modules, "torch", None)
    checkpoint.load_model(*write(tmp_path, ".npz", states)).to(Backend())
    for suffix in (".pth", ".safetensors"):
        path = tmp_path / f"var{suffix}"
        path.write_bytes(b"")
        with pytest.raises(MissingExtra, match=r"varnum\[torch\]"):
            checkpoint.load_model(str(path), str(path))
    with pytest.raises(MissingExtra, match=r"varnum\[torch\]"):
        Backend("torch")
