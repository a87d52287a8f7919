"""Read checkpoints: .npz, .safetensors and .pth, without ever running code from a file.

Sizes are inferred from the shapes where they can be and checked where they are given. Resumable
training checkpoints hold the transformer under trainer/var_wo_ddp, the VQVAE under
trainer/vae_local.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from varnum.errors import InputError, MissingExtra
from varnum.model.backend import import_torch
from varnum.model.config import VaeConfig, VarConfig, read_settings
from varnum.model.generate import Model
from varnum.model.npfile import Damaged, check_archive, read_arrays, readable_file
from varnum.model.statedict import (
    LEVELS,
    MASK,
    check_state,
    decoder_only,
    expected_levels,
    vae_shapes,
    var_shapes,
    without_buffers,
)

SCALE = "blocks.0.attn.scale_mul_1H11"  # with l2-normalised heads only
State = dict[str, Any]  # key name -> NumPy array or torch tensor
Config = TypeVar("Config", VarConfig, VaeConfig)


def load_model(var: str, vae: str, settings: Mapping[str, Any] | None = None) -> Model:
    """A model from two checkpoint files; `settings` as `config.read_settings` gives them.

    Raises InputError with one line for anything wrong with the files, MissingExtra where reading
    one needs torch or safetensors.
    """
    settings = dict(settings or {})
    state = read_state(var, "var_wo_ddp")
    config = infer_var_config(state, settings, var)
    check_state(state, var_shapes(config), var)
    _check_buffers(state, config, var)
    vae_state = read_state(vae, "vae_local")
    known = {"patch_nums": config.patch_nums, **settings}  # the VQVAE's weights don't show them
    vae_config = infer_vae_config(vae_state, known, vae)
    check_state(vae_state, vae_shapes(vae_config, decoder_only(vae_state)), vae)
    return Model(config, vae_config, without_buffers(state), without_buffers(vae_state))


MAX_SETTINGS = 1 << 20  # bytes


def read_settings_file(path: str) -> tuple[dict[str, Any], list[str]]:
    """Settings of a JSON file, and the names in it that mean nothing here."""
    return read_settings(read_settings_pairs(path), path)


def read_settings_pairs(path: str) -> dict[str, Any]:
    """The names and values of a JSON file of settings."""
    file = readable_file(path)
    if file.stat().st_size > MAX_SETTINGS:
        raise InputError(f"{path}: more than {MAX_SETTINGS} bytes are no settings")
    try:
        pairs = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(pairs, dict):
        raise InputError(f"{path}: expected a JSON object of settings")
    return pairs


# --- files --------------------------------------------------------------------------------------


def read_state(path: str, part: str) -> State:
    """The state dict in a file; `part` is its name inside a training checkpoint."""
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    readers |= dict.fromkeys((".pth", ".pt"), _read_torch)
    suffix = readable_file(path).suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path}: unknown kind {suffix!r}; allowed: {', '.join(readers)}")
    state = readers[suffix](path)
    for level in ("trainer", part, *_WRAPPERS):
        if isinstance(state, Mapping) and isinstance(state.get(level), Mapping):
            state = state[level]
    if not isinstance(state, Mapping) or not state:
        raise InputError(f"{path}: holds no state dict (key names with arrays)")
    for name, x in state.items():
        if not (isinstance(name, str) and hasattr(x, "shape") and hasattr(x, "dtype")):
            raise InputError(f"{path}: entry {str(name)[:60]!r} is no array; not a state dict")
    plain = {name: _plain(x, f"{path}: {name}") for name, x in state.items()}
    return _without_prefixes(plain)


_WRAPPERS = ("state_dict", "model_state_dict", "model")  # what others save a state dict under
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile


def _without_prefixes(state: State) -> State:
    """Names without the prefixes that wrappers of modules put before all of them."""
    while prefix := next((p for p in _PREFIXES if all(n.startswith(p) for n in state)), ""):
        state = {name.removeprefix(prefix): x for name, x in state.items()}
    return state


def _plain(x: Any, where: str) -> Any:
    """A dense array that NumPy or `.float()` can take over exactly."""
    if isinstance(x, np.ndarray):
        if x.dtype.itemsize > 8 and x.dtype.kind == "f":
            raise InputError(f"{where} has dtype {x.dtype}, wider than float64")
        return x
    if str(x.layout) != "torch.strided" or x.is_meta or x.is_quantized:
        raise InputError(f"{where} is a sparse, quantised or empty tensor, expected a dense one")
    if x.numel() * x.itemsize > x.untyped_storage().nbytes():
        raise InputError(f"{where} of shape {tuple(x.shape)} repeats what the file holds once")
    return x.detach()


def _damaged(path: str, error: Exception) -> InputError:
    reason = str(error).strip().split("\n")[0][:160] or type(error).__name__
    return InputError(f"{path}: not a readable checkpoint, or cut short ({reason})")


def _read_npz(path: str) -> Any:
    try:
        return read_arrays(path)
    except (OSError, Damaged) as error:
        raise _damaged(path, error) from None


def _read_safetensors(path: str) -> Any:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingExtra("safetensors", "torch") from error
    import_torch()  # NumPy has no bfloat16
    try:
        with safe_open(path, framework="pt") as archive:
            return {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from None


def _read_torch(path: str) -> Any:
    torch = import_torch()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on old pickles before it reads them
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    check_archive(archive, Path(path).stat().st_size)
            with torch.serialization.safe_globals(_harmless()):
                return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch each have their own
        if "Weights only" in str(error):
            if "Unsupported operand" in str(error):  # garbage, or too new a pickle protocol
                raise _damaged(path, ValueError("no pickle of plain arrays")) from None
            named = re.search(r"GLOBAL ([\w.]{1,60})", str(error))
            what = named[1] if named else "a pickle with code"
            raise InputError(
                f"{path}: holds more than plain arrays ({what}); refused, not executed; "
                "save the state dict alone"
            ) from None
        raise _damaged(path, error) from None


def _harmless() -> list[Any]:
    """What training scripts leave beside the weights and what runs nothing: options, scalars."""
    plain = [np.float64, np.float32, np.int64, np.int32, np.bool_]
    kinds = [type(np.dtype(kind)) for kind in plain]
    rebuild = np.float64(0).__reduce__()[0]  # NumPy's own, from dtype and bytes
    return [argparse.Namespace, np.dtype, rebuild, *kinds]


# --- sizes --------------------------------------------------------------------------------------


def infer_var_config(state: State, settings: Mapping[str, Any], where: str) -> VarConfig:
    """The transformer's sizes from its shapes; what shapes don't show comes from `settings`.

    Not in the shapes: `norm_eps` (default 1e-6) and, without l2 normalisation, `num_heads` (taken
    as depth if the width is 64 * depth, as in the released models, else it must be given).
    """
    depth = len({name.split(".")[1] for name in state if _is_block(name)})
    width, cvae = state_shape(state, "word_embed.weight", 2, where)
    hidden, _ = state_shape(state, "blocks.0.ffn.fc1.weight", 2, where)
    inferred = {
        "patch_nums": _patches(state, settings, where),
        "depth": depth,
        "embed_dim": width,
        "vocab_size": state_shape(state, "head.weight", 2, where)[0],
        "Cvae": cvae,
        "num_classes": state_shape(state, "class_emb.weight", 2, where)[0] - 1,
        "attn_l2_norm": SCALE in state,
        "shared_aln": "shared_ada_lin.1.weight" in state,
    }
    if inferred["attn_l2_norm"]:
        inferred["num_heads"] = state_shape(state, SCALE, 4, where)[1]
    elif "num_heads" not in settings:
        if width != 64 * depth:
            raise InputError(
                f"{where}: no {SCALE} in it, so l2 normalisation was assumed off, and num_heads is "
                "not in the shapes; give num_heads in the config"
            )
        inferred["num_heads"] = depth
    if width and round(width * settings.get("mlp_ratio", 4.0)) != hidden:
        inferred["mlp_ratio"] = hidden / width
    return _merge(VarConfig, inferred, settings, where)


def infer_vae_config(state: State, settings: Mapping[str, Any], where: str) -> VaeConfig:
    """The VQVAE's sizes from its shapes; `patch_nums` and `quant_resi` come from `settings`.

    The decoder is enough; without an encoder `ch` is the largest width of which all are multiples.
    """
    vocab, cvae = state_shape(state, "quantize.embedding.weight", 2, where)
    alone = decoder_only(state)
    base = "decoder.up" if alone else "encoder.down"
    widths: list[int] = []
    while (name := f"{base}.{len(widths)}.block.0.conv2.weight") in state:
        widths.append(state_shape(state, name, 4, where)[0])
    blocks = 0
    while f"{base}.0.block.{blocks}.conv1.weight" in state:
        blocks += 1
    if alone:
        ch, blocks = settings.get("ch", math.gcd(*widths)), blocks - 1
        state_shape(state, "decoder.conv_in.weight", 4, where)
    else:
        ch = state_shape(state, "encoder.conv_in.weight", 4, where)[0]
    shared = sum(name.startswith("quantize.quant_resi.qresi_ls.") for name in state) // 2
    if not shared and "quantize.quant_resi.qresi.weight" in state:
        shared = 1
    inferred = {
        "vocab_size": vocab,
        "Cvae": cvae,
        "ch": ch,
        "ch_mult": tuple(width // max(ch, 1) for width in widths),
        "num_res_blocks": blocks,
        "share_quant_resi": shared,
        "quant_conv_ks": state_shape(state, "post_quant_conv.weight", 4, where)[2],
    }
    return _merge(VaeConfig, inferred, settings, where)


def _is_block(name: str) -> bool:
    parts = name.split(".")
    return len(parts) > 2 and parts[0] == "blocks" and parts[1].isdecimal()


def state_shape(state: State, name: str, ndim: int, where: str) -> tuple[int, ...]:
    """The shape of an entry that must be there with `ndim` axes."""
    if name not in state:
        raise InputError(f"{where}: key {name!r} is missing; not a state dict of this kind")
    shape = tuple(state[name].shape)
    if len(shape) != ndim:
        raise InputError(f"{where}: {name} has shape {shape}, expected {ndim} axes")
    return shape


def _patches(state: State, settings: Mapping[str, Any], where: str) -> tuple[int, ...]:
    if LEVELS not in state:
        raise InputError(f"{where}: key {LEVELS!r} is missing; not a state dict of this kind")
    levels = host(state[LEVELS]).ravel()
    if levels.dtype.kind not in "iu" or levels.size == 0 or levels.min() < 0:
        raise InputError(f"{where}: {LEVELS} must hold the scale index of every token")
    counts = np.unique(levels, return_counts=True)[1].tolist()
    sides = tuple(math.isqrt(n) for n in counts)
    if [side * side for side in sides] != counts:
        raise InputError(f"{where}: {LEVELS} has {counts} tokens a scale, expected squares")
    return sides


def _merge(
    kind: type[Config], inferred: dict[str, Any], settings: Mapping[str, Any], where: str
) -> Config:
    names = [field.name for field in fields(kind)]
    for name, value in inferred.items():
        given = settings.get(name, value)
        if given != value and not (name == "mlp_ratio" and abs(given - value) < 1e-9):
            raise InputError(f"{where}: {name} is {value} in the weights, {given} in the config")
    return kind(**{name: settings[name] for name in names if name in settings} | inferred)


def _check_buffers(state: State, config: VarConfig, where: str) -> None:
    levels = expected_levels(config)
    if not np.array_equal(host(state[LEVELS]), levels):
        raise InputError(f"{where}: {LEVELS} does not list the scales in order")
    mask, columns = state[MASK][0, 0], np.arange(config.length)
    ends = np.cumsum(config.lengths)
    for start, end in zip(ends - config.lengths, ends, strict=True):  # L x L numbers can be many
        if not (host(mask[start:end]) == np.where(columns < end, 0.0, -np.inf)).all():
            raise InputError(f"{where}: {MASK} is not the block-causal mask of these scales")


def host(x: Any) -> Any:
    """A buffer, a NumPy array or a tensor, as a NumPy array."""
    if isinstance(x, np.ndarray):
        return x
    return (x.float() if x.is_floating_point() else x).numpy()
