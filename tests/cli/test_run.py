"""`varnum run`: the official arrays through the command line, its files, and its refusals."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from varnum.cli import main

DATA = Path(__file__).parents[1] / "data" / "var"


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


def arrays_of(path):
    with np.load(path) as archive:
        return dict(archive)


def files_of(name):
    parts = [("--var", "var_state.npz"), ("--vae", "vae_state.npz"), ("--config", "config.json")]
    return [x for flag, part in parts for x in (flag, DATA / f"{name}_{part}")]


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a", ["--backend", "numpy"], 1e-10),
        ("b", ["--backend", "torch"], 1e-10),
        ("b", ["--backend", "torch", "--dtype", "float32"], 1e-4),
        ("a", ["--backend", "numpy", "--dtype", "float32"], 1e-4),
    ],
)
def test_official_generation(varnum, tmp_path, name, options, tolerance):
    if "torch" in options:
        pytest.importorskip("torch", reason="the torch backend needs torch")
    io, out = arrays_of(DATA / f"{name}_io.npz"), tmp_path / "out.npz"
    labels = ",".join(map(str, io["label_B"]))
    options = [*options, "--labels", labels, "--cfg", "1.5", "--top-k", "1", "--top-p", "0"]
    code, text, _ = varnum("run", *files_of(name), *options, "--out", out)
    assert code == 0, text
    arrays = arrays_of(out)
    assert len(arrays) == 3 * 4 + 1
    for s in range(4):
        np.testing.assert_array_equal(arrays[f"tokens_s{s}"], io[f"cfg1p5_tokens_s{s}"])
        for key in (f"logits_s{s}", f"fhat_s{s}"):
            np.testing.assert_allclose(arrays[key], io[f"cfg1p5_{key}"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(arrays["image"], io["cfg1p5_image"], rtol=0, atol=tolerance)


@pytest.mark.parametrize("backend", ["numpy", "balls"])
def test_official_teacher_forcing(varnum, tmp_path, backend):
    io, out = arrays_of(DATA / "a_io.npz"), tmp_path / "out.npz"
    tokens = tmp_path / "tokens.npy"
    np.save(tokens, io["tf_tokens"])
    for source in (tokens, DATA / "a_io.npz"):
        labels = ",".join(map(str, io["label_B"]))
        options = ["--labels", labels, "--tokens", source, "--backend", backend, "--out", out]
        code, text, _ = varnum("run", *files_of("a"), *options, "--json")
        answer = json.loads(text)
        assert (code, answer["schema"], answer["verdict"]) == (0, "varnum/run/2", "done")
        arrays = arrays_of(out)
        np.testing.assert_allclose(arrays["logits"], io["tf_logits"], rtol=0, atol=1e-10)
        if backend == "balls":
            assert answer["digits"] >= 15
            assert answer["bits"] >= 64
            assert arrays["logits_radius"].max() < 1e-14
        else:
            assert list(arrays) == ["logits"]


def test_generated_tokens_can_be_forced(varnum, tmp_path):
    """The npz of a generation is a tokens file; without guidance the logits are the same."""
    out, forced = tmp_path / "out.npz", tmp_path / "forced.npz"
    common = ["run", "--random", "var-tiny", "--labels", "3,-1,random", "--seed", "4"]
    assert varnum(*common, "--top-k", "20", "--top-p", "0.9", "--out", out)[0] == 0
    assert varnum(*common, "--tokens", out, "--out", forced)[0] == 0
    generated = arrays_of(out)
    logits = np.concatenate([generated[f"logits_s{s}"] for s in range(4)], axis=1)
    np.testing.assert_allclose(arrays_of(forced)["logits"], logits, rtol=0, atol=1e-12)


def test_image_file(varnum, tmp_path):
    out, png = tmp_path / "out.npz", tmp_path / "out.png"
    code, _, _ = varnum(
        "run", "--random", "var-tiny", "--labels", "1,2", "--image", png, "--out", out
    )
    assert code == 0
    data = png.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (32, 16)
    length = struct.unpack(">I", data[33:37])[0]
    rows = np.frombuffer(zlib.decompress(data[41 : 41 + length]), np.uint8).reshape(16, 1 + 32 * 3)
    pixels = rows[:, 1:].reshape(16, 2, 16, 3).transpose(1, 3, 0, 2)
    assert np.all(rows[:, 0] == 0)
    assert np.abs(pixels / 255 - arrays_of(out)["image"]).max() <= 0.5 / 255 + 1e-12


def test_sizes_can_be_changed(varnum, tmp_path):
    sizes = tmp_path / "sizes.json"
    sizes.write_text('{"depth": 1, "patch_nums": [1, 3], "vae_ch_mult": [1], "colour": "red"}')
    code, text, err = varnum("run", "--random", "var-tiny", "--config", sizes, "--json")
    answer = json.loads(text)
    assert code == 0
    assert [len(rows[0]) for rows in answer["tokens"]] == [1, 9]
    assert "ignored: colour" in err


def test_the_same_seed_repeats_and_another_differs(varnum):
    common = ["run", "--random", "var-tiny", "--top-k", "0", "--json", "--seed"]
    one, again, other = (json.loads(varnum(*common, s)[1])["tokens"] for s in (0, 0, 1))
    assert one == again != other


def test_balls_say_unknown_when_precision_is_capped(varnum, tmp_path):
    out = tmp_path / "out.npz"
    common = ["run", "--random", "var-tiny", "--backend", "balls", "--max-bits", "64"]
    code, text, _ = varnum(*common, "--out", out)
    assert code == 3
    assert text.startswith("unknown: ")
    assert not out.exists()
    code, text, _ = varnum(*common, "--json")
    assert (code, json.loads(text)["verdict"]) == (3, "unknown")


REFUSED = [
    (["--labels", "11"], "labels: '11' is not a label; allowed: 0 to 9"),
    (["--labels", "1,x"], "labels: 'x' is not a label"),
    (["--labels", ""], "labels: '' is not a label"),
    (["--top-k", "65"], "--top-k: 65 is not within 0 (off) to the vocabulary size 64"),
    (["--top-k", "-1"], "--top-k: -1"),
    (["--top-p", "1.5"], "--top-p: 1.5 is not within 0 (off) to 1"),
    (["--cfg", "much"], "cfg: 'much' is not a decimal"),
    (["--backend", "jax"], "backend: no 'jax'; known: numpy, torch, balls"),
    (["--dtype", "int8"], "dtype: no 'int8'"),
    (["--dtype", "bfloat16"], "NumPy has no bfloat16"),
    (["--device", "cuda"], "device: 'cuda' needs the torch backend"),
    (["--attention", "lowrank", "--backend", "balls"], "attention: balls take exact alone"),
    (["--attention", "magic"], "attention: no 'magic'; known: exact"),
    (["--seed", "-1"], "seed: -1 is negative"),
    (["--digits", "0"], "digits must be 1"),
    (["--max-bits", "9" * 30], "max-bits 64 to 1000000"),
    (["--out", "out.txt"], "out.txt: need a name ending in .npz"),
    (["--image", "no/such/folder/o.png"], "in a folder that exists"),
    (["--tokens", "none.npy"], "tokens: none.npy: no such file"),
    (["--var", "x.npz"], "give either --random or --var and --vae"),
    (["--config", "none.json"], "none.json: no such file"),
    (["--random", "var-d17"], "preset: no 'var-d17'; known: var-tiny"),
    (["--labels", "9" * 5000], "is not a label"),
    (["--cfg", "1e400"], "cfg: the guidance strength must be within"),
    (["--top-p", "1e400"], "is not within 0 (off) to 1"),
    (["--backend", "torch", "--device", "cpu:" + "9" * 5000], "device: no 'cpu:9"),
    (["--out", "a\0b.npz"], "need a name ending in .npz"),
    (["--config", "a" * 5000], "File name too long"),
    (["--tokens", "a" * 5000], "File name too long"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_bad_input_is_one_line(varnum, options, message):
    code, text, err = varnum("run", "--random", "var-tiny", *options)
    assert code == 2
    assert text == ""
    assert err.startswith("varnum: error: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"norm_eps": Infinity}', "norm_eps: must be above zero and finite"),
        ('{"mlp_ratio": Infinity}', "must be above zero and finite"),
        ('{"mlp_ratio": 1e300}', "must be above zero and finite"),
        ('{"mlp_ratio": 1e-9}', "hidden: must be 1 to"),
        ('{"mlp_ratio": 1' + "0" * 400 + "}", "mlp_ratio: expected float"),
        ('{"depth": 1000000000}', "depth: must be 1 to 10000"),
        ('{"share_quant_resi": 1000000000}', "share_quant_resi must be 0 to 10000"),
        ('{"patch_nums": [1, 100000]}', "rising numbers from 1 to 10000"),
        ('{"vae_ch_mult": [' + "1, " * 99 + "1]}", "ch_mult: need 1 to 16"),
        ("[" * 100_000, "not a JSON file"),
    ],
)
def test_sizes_out_of_range(varnum, tmp_path, text, message):
    (tmp_path / "c.json").write_text(text)
    code, _, err = varnum("run", "--random", "var-tiny", "--config", tmp_path / "c.json")
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_results_that_overflow_are_refused(varnum, tmp_path):
    """A teacher-forced pass decides no token, so only its result shows the overflow."""
    state = arrays_of(DATA / "a_var_state.npz")
    state["head.weight"] = np.full((64, 32), 1.7e308)
    np.savez(tmp_path / "v.npz", **state)
    weights = ["--var", tmp_path / "v.npz", *files_of("a")[2:]]
    np.save(tmp_path / "t.npy", np.zeros((1, 30), dtype=np.int64))
    run = ["run", *weights, "--labels", "1", "--tokens", tmp_path / "t.npy"]
    for dtype in ("float32", "float64"):
        with np.errstate(all="ignore"):
            code, _, err = varnum(*run, "--dtype", dtype)
        assert (code, "logits: not finite" in err) == (2, True)


def test_output_that_cannot_be_written(varnum, tmp_path):
    (tmp_path / "o.npz").mkdir()
    code, _, err = varnum("run", "--random", "var-tiny", "--out", tmp_path / "o.npz")
    assert (code, "cannot write it (Is a directory)" in err) == (2, True)


def test_every_negative_label_is_no_class(varnum):
    common = ["run", "--random", "var-tiny", "--json", "--labels"]
    texts = [varnum(*common, label)[1] for label in ("-1", "10", f"-{10**30}")]
    assert len({json.dumps(json.loads(t)["tokens"]) for t in texts}) == 1


def test_unknown_torch_device(varnum):
    torch = pytest.importorskip("torch", reason="asks torch for devices")
    common = ["run", "--random", "var-tiny", "--backend", "torch", "--device"]
    for device in ("tpu", "cuda:x", *([] if torch.cuda.is_available() else ["cuda"])):
        code, _, err = varnum(*common, device)
        assert code == 2
        assert "device: " in err


def test_an_output_error_that_is_not_reached_is_unknown(varnum):
    common = ["run", "--random", "var-tiny", "--attention", "lowrank", "--output-error"]
    for error, expected in (("1e-2", (0, "done", True)), ("1e-200", (3, "unknown", False))):
        code, text, _ = varnum(*common, error, "--json")
        answer = json.loads(text)
        assert (code, answer["verdict"], answer["attention"]["reached"]) == expected
    assert "was not reached" in varnum(*common, "1e-200")[1]


def test_bad_tokens(varnum, tmp_path):
    common = ["run", "--random", "var-tiny", "--labels", "1,2", "--tokens"]
    for tokens, message in (
        (np.zeros((2, 29), dtype=np.int64), "need integers of shape (2, 30)"),
        (np.zeros((2, 30)), "need integers of shape (2, 30)"),
        (np.full((2, 30), 64), "tokens: allowed are 0 to 63"),
    ):
        np.save(tmp_path / "t.npy", tokens)
        code, _, err = varnum(*common, tmp_path / "t.npy")
        assert code == 2
        assert message in err
    np.savez(tmp_path / "t.npz", other=np.zeros(3))
    assert "no readable tokens" in varnum(*common, tmp_path / "t.npz")[2]
    (tmp_path / "t.npy").write_bytes(b"nothing")
    assert "no readable tokens" in varnum(*common, tmp_path / "t.npy")[2]
    code, _, err = varnum("run", "--random", "var-tiny", "--tokens", "t.npy", "--image", "i.png")
    assert (code, "makes no image" in err) == (2, True)
    code, _, err = varnum("run", "--random", "var-tiny", "--tokens", "t.npy", "--cfg", "4")
    assert (code, "has no guidance" in err) == (2, True)
    code, _, err = varnum("run", "--labels", "1")
    assert (code, "give --var and --vae" in err) == (2, True)
