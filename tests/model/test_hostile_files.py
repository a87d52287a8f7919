"""Files whose headers lie, and state dicts as training scripts leave them."""

from __future__ import annotations

import argparse
import io
import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from varnum.audit.row_file import digest_of_file
from varnum.cli.attention import _load
from varnum.cli.sources import read_tokens
from varnum.errors import InputError
from varnum.model import checkpoint, npfile
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.generate import Settings, generate, image_of, teacher_forced_logits
from varnum.model.random_weights import buffers, random_model

TORCH = "torch reads .pth and .safetensors"


def header(shape, dtype="<f4", order=False, version=1):
    """The start of a .npy file that says this."""
    text = f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}"
    text = text.ljust(64 * 2 - 11) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode()


def npz(**members):
    """A deflated archive of these bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


LIES = {
    "32 TiB": header("(8796093022208,)") + bytes(64),
    "32 TiB, version 2": header("(8796093022208,)", version=2) + bytes(64),
    "32 TiB in an archive": npz(q=header("(8796093022208,)") + bytes(64)),
    "a truth value for a size": header("(True, 4)") + bytes(16),
    "a negative size": header("(-1, 4)") + bytes(16),
    "two negative sizes": header("(-2, -2)") + bytes(16),
    "a huge size": header("(" + "9" * 400 + ",)") + bytes(16),
    "a size of no bytes": header("(10,)", "<f4"),
    "bytes left over": header("(2,)") + bytes(12),
    "objects": header("(2,)", "|O") + bytes(16),
    "fields": header("(2,)", "<f4").replace(b"'<f4'", b"[('a', '<f4')]") + bytes(8),
    "complex": header("(1,)", "<c8") + bytes(8),
    "dates": header("(1,)", "<M8[s]") + bytes(8),
    "text": header("(1,)", "<U2") + bytes(8),
    "no array": b"\x93NUMPY\x01\x00",
    "another version": b"\x93NUMPY\x07\x00" + bytes(20),
    "code for a header": header("__import__('os').getpid()") + bytes(4),
    "no archive": b"PK\x03\x04" + bytes(100),
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused(tmp_path, lie):
    path = tmp_path / "x.npy"
    path.write_bytes(LIES[lie])
    with pytest.raises(npfile.Damaged):
        npfile.read_arrays(str(path))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f2", ">i8", "|i1", "|b1", "|u1"])
def test_good_arrays_come_back(tmp_path, dtype, order):
    x = np.arange(24).reshape(2, 3, 4).astype(dtype, order=order)
    np.save(tmp_path / "x.npy", x)
    np.savez_compressed(tmp_path / "x.npz", a=x, empty=x[:0], point=x[0, 0, 0])
    packed = npfile.read_arrays(str(tmp_path / "x.npz"))
    for found in (npfile.read_arrays(str(tmp_path / "x.npy")), packed["a"]):
        np.testing.assert_array_equal(found, x)
        assert found.dtype.isnative
    assert packed["empty"].shape == (0, 3, 4)
    assert packed["point"].shape == ()


BOMB = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from varnum.cli import main
sys.argv = ["varnum", *sys.argv[1:]]
main()
"""


def varnum(*arguments, cwd):
    """(exit code, stderr) with at most 4 GiB of address space."""
    done = subprocess.run(
        [sys.executable, "-c", BOMB, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    path, zeros = tmp_path / "bomb.npz", bytes(1 << 26)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("q.npy", "w", force_zip64=True) as file,
    ):
        file.write(header(f"({1 << 28},)"))
        for _ in range(16):
            file.write(zeros)
    assert path.stat().st_size < 8 << 20
    files = ("--q", str(path), "--k", str(path), "--v", str(path))
    code, said = varnum("attention", *files, "--eps", "1e-2", cwd=tmp_path)
    assert code == 2
    assert "would unpack from" in said
    with pytest.raises(InputError, match="would unpack from"):
        checkpoint.load_model(str(path), str(path))
    with pytest.raises(InputError, match="would unpack from"):
        read_tokens(str(path))


def test_pipes_are_not_waited_for(tmp_path):
    pipe = str(tmp_path / "pipe.npy")
    os.mkfifo(pipe)
    for read in (
        lambda: _load(pipe, "q", "numpy"), lambda: read_tokens(pipe),
        lambda: digest_of_file(pipe), lambda: checkpoint.read_settings_file(pipe),
    ):  # fmt: skip
        with pytest.raises(InputError, match="not a plain file"):
            read()


def test_random_models_larger_than_memory_are_refused():
    from dataclasses import replace

    var, vae = preset("var-tiny")
    with pytest.raises(InputError, match="GB, this machine has"):
        random_model(replace(var, embed_dim=2**22, num_heads=1), vae, 0)


# --- state dicts as they come ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def states():
    var, vae = preset("var-tiny")
    model, extra = random_model(var, vae, 0), buffers(var, vae)
    return {**model.var_weights, **extra[0]}, {**model.vae_weights, **extra[1]}


@pytest.fixture(scope="module")
def logits():
    return forward(random_model(*preset("var-tiny"), 0))


def forward(model, backend="numpy"):
    tokens = np.zeros((1, 30), dtype=np.int64)
    return np.asarray(teacher_forced_logits(model.to(Backend(backend)), np.array([0]), tokens))


def test_big_endian_weights_on_every_backend(tmp_path, states, logits):
    paths = [str(tmp_path / name) for name in ("var.npz", "vae.npz")]
    for path, state in zip(paths, states, strict=True):
        np.savez(path, **{n: x.astype(x.dtype.newbyteorder(">")) for n, x in state.items()})
    model = checkpoint.load_model(*paths)
    np.testing.assert_array_equal(forward(model), logits)
    pytest.importorskip("torch", reason=TORCH)
    np.testing.assert_allclose(forward(model, "torch"), logits, rtol=1e-9, atol=1e-9)


WRAPS = {
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "model_state_dict": lambda s: {"model_state_dict": s, "optimizer": {"lr": 1.0}},
    "model": lambda s: {"model": s},
    "module.": lambda s: {f"module.{n}": x for n, x in s.items()},
    "_orig_mod.": lambda s: {f"_orig_mod.{n}": x for n, x in s.items()},
    "both": lambda s: {"state_dict": {f"module._orig_mod.{n}": x for n, x in s.items()}},
    "scalars": lambda s: {"state_dict": s, "loss": np.float64(0.5), "step": np.int64(3)},
    "options": lambda s: {"state_dict": s, "args": argparse.Namespace(depth=2, name="x")},
    "trainer": lambda s: {"trainer": {"var_wo_ddp": {f"module.{n}": x for n, x in s.items()}}},
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_wrapped_state_dicts_are_read(tmp_path, states, wrap):
    torch = pytest.importorskip("torch", reason=TORCH)
    path = str(tmp_path / "var.pth")
    torch.save(WRAPS[wrap]({n: torch.from_numpy(np.array(x)) for n, x in states[0].items()}), path)
    found = checkpoint.read_state(path, "var_wo_ddp")
    assert set(found) == set(states[0])


def test_other_objects_are_named(tmp_path, states):
    torch = pytest.importorskip("torch", reason=TORCH)
    path = str(tmp_path / "var.pth")
    torch.save({"state_dict": {}, "when": __import__("datetime").datetime.now()}, path)
    with pytest.raises(InputError, match=r"more than plain arrays \(datetime.datetime\); refused"):
        checkpoint.read_state(path, "var_wo_ddp")
    weights = torch.zeros(1).as_strided((1 << 20, 1 << 20), (0, 0))
    torch.save({"head.weight": weights}, path)
    with pytest.raises(InputError, match="repeats what the file holds once"):
        checkpoint.read_state(path, "var_wo_ddp")


def test_a_torch_archive_that_unpacks_too_far(tmp_path):
    pytest.importorskip("torch", reason=TORCH)
    path = tmp_path / "var.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(npfile.UNPACKED + 1))
    with pytest.raises(InputError, match="would unpack from"):
        checkpoint.read_state(str(path), "var_wo_ddp")


def test_the_decoder_alone_generates(tmp_path, states):
    decoder = {n: x for n, x in states[1].items() if not n.startswith(("encoder.", "quant_conv."))}
    paths = [str(tmp_path / name) for name in ("var.npz", "vae.npz")]
    np.savez(paths[0], **states[0])
    np.savez(paths[1], **decoder)
    whole = random_model(*preset("var-tiny"), 0).to(Backend())
    part = checkpoint.load_model(*paths).to(Backend())
    assert part.vae == whole.vae
    images = []
    for model in (whole, part):
        *_, last = generate(model, np.array([1]), Settings())
        images.append(image_of(model, last.f_hat))
    np.testing.assert_array_equal(*images)
    half = {n: x for n, x in states[1].items() if not n.startswith("encoder.mid")}
    np.savez(paths[1], **half)
    with pytest.raises(InputError, match=r"key\(s\) missing, first 'encoder"):
        checkpoint.load_model(*paths)


def test_an_assumption_about_the_heads_is_said(tmp_path, states, capsys):
    from varnum.cli.sources import load_model

    plain = {n: x for n, x in states[0].items() if "scale_mul" not in n}
    paths = [str(tmp_path / name) for name in ("var.npz", "vae.npz")]
    np.savez(paths[0], **plain)
    np.savez(paths[1], **states[1])
    with pytest.raises(InputError, match="l2 normalisation was assumed off"):
        checkpoint.load_model(*paths)
    (tmp_path / "c.json").write_text('{"num_heads": 4}')
    load_model(*paths, str(tmp_path / "c.json"), None, 0)
    assert "l2 normalisation was assumed off" in capsys.readouterr().err


def test_settings_are_small(tmp_path):
    (tmp_path / "c.json").write_bytes(b" " * (checkpoint.MAX_SETTINGS + 1))
    with pytest.raises(InputError, match="are no settings"):
        checkpoint.read_settings_file(str(tmp_path / "c.json"))
