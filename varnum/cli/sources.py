"""Where `run` and `audit` take models, labels and tokens from."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.model.generate import Model

_LABEL = re.compile(r"-?\d{1,100}", re.ASCII)


def load_model(
    var: str | None, vae: str | None, config: str | None, random: str | None, seed: int
) -> Model:
    """From files or with random weights of a preset; settings change the sizes."""
    from varnum.model import checkpoint
    from varnum.model.config import with_settings
    from varnum.model.random_weights import random_model

    settings, ignored = checkpoint.read_settings_file(config) if config else ({}, [])
    if random is not None:
        if var or vae:
            raise InputError("random: give either --random or --var and --vae, not both")
        model = random_model(*with_settings(random, settings), seed)
    elif var and vae:
        model = checkpoint.load_model(var, vae, settings)
        if not model.var.attn_l2_norm and "attn_l2_norm" not in settings:
            note = f"{var}: no scale_mul_1H11 in it; l2 normalisation was assumed off"
            print(f"varnum: note: {note}", file=sys.stderr)
    else:
        raise InputError("weights: give --var and --vae (files), or --random (a preset)")
    if ignored:
        print(f"varnum: note: {config}: not sizes, ignored: {', '.join(ignored)}", file=sys.stderr)
    return model


def parse_labels(text: str, classes: int, seed: int) -> Any:
    """Labels (B,), -1 for no class; `random` draws one."""
    import numpy as np

    rng = np.random.default_rng([seed, classes])
    found = []
    for part in text.split(","):
        number = part.strip()
        if number == "random":
            found.append(int(rng.integers(classes)))
        elif _LABEL.fullmatch(number) and int(number) <= classes:
            found.append(max(int(number), -1))
        else:
            raise InputError(
                f"labels: {number[:40]!r} is not a label; allowed: 0 to {classes - 1}, "
                f"{classes} or a negative number for no class, 'random'"
            )
    return np.array(found, dtype=np.int64)


def read_tokens(path: str) -> Any:
    """Token ids (B, L) from a .npy, or a .npz with `tokens`, `tf_tokens` or `tokens_s0`, .."""
    import numpy as np

    from varnum.model.npfile import read_arrays, readable_file

    readable_file(path, "tokens: ")
    try:
        found: Any = read_arrays(path)
        if isinstance(found, np.ndarray):
            return found
        for name in ("tokens", "tf_tokens"):
            if name in found:
                return found[name]
        scales = sorted((int(n[8:]), n) for n in found if n.startswith("tokens_s"))
        return np.concatenate([found[name] for _, name in scales], axis=1)
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise InputError(f"tokens: {path}: no readable tokens ({str(error)[:120]})") from None


def check_output(path: str | None, suffix: str) -> None:
    """Refuse, before any work, a file that could not be written afterwards."""
    if path is None:
        return
    folder = Path(path).parent
    if "\0" in path or Path(path).suffix != suffix or not folder.is_dir():
        raise InputError(f"{path}: need a name ending in {suffix} in a folder that exists")
    if Path(path).is_dir():
        raise InputError(f"{path}: cannot write it (Is a directory)")
    if not os.access(path if Path(path).exists() else folder, os.W_OK):
        raise InputError(f"{path}: cannot write it (Permission denied)")
