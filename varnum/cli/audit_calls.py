"""`varnum audit` of attention calls: any torch model, or arrays q, k, v from a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.audit.run import Calls


def calls_of(
    torch: str | None, model: str | None, arrays: str | None, batch: int | None, heads: int | None,
    others: dict[str, Any],
) -> Calls | None:  # fmt: skip
    """The source that these options name, None for none of them."""
    given = {"--torch": torch, "--model": model, "--arrays": arrays}
    named = [name for name, value in given.items() if value is not None]
    if not named:
        for name, value in (("--batch", batch), ("--heads", heads)):
            if value is not None:
                raise InputError(f"{name}: is for --torch and --model")
        return None
    clash = [name for name, value in others.items() if value]
    if len(named) > 1 or clash:
        raise InputError(f"{named[0]}: does not go with {', '.join([*named[1:], *clash])}")
    for name, value in (("batch", batch), ("heads", heads)):
        if value is not None and value < 1:
            raise InputError(f"--{name}: {value} is not allowed; at least 1")
    if arrays is not None:
        return _arrays(arrays)
    return _torch(torch or model or "", torch is not None, batch, heads)


def _torch(where: str, script: bool, batch: int | None, heads: int | None) -> Calls:
    from varnum.audit.calls.call_source import TorchSource
    from varnum.audit.calls.load import build_from
    from varnum.audit.row_file import digest_of_file

    built, inputs = build_from(where, script=script)
    import torch as installed

    recorded: dict[str, Any] = {"built": where, "torch_version": installed.__version__}
    if script:
        recorded["script"] = digest_of_file(where.rpartition(":")[0])
    return TorchSource(type(built).__name__, built, inputs, batch, heads, recorded)


def _arrays(path: str) -> Calls:
    from pathlib import Path

    import numpy as np

    from varnum.audit.calls.call_source import FileSource, sets_of
    from varnum.audit.row_file import digest_of_file
    from varnum.model.npfile import Damaged, read_arrays, readable_file

    readable_file(path, "--arrays: ")
    try:
        found: Any = read_arrays(path)
    except (OSError, Damaged) as error:
        raise InputError(f"--arrays: {path}: not a readable .npz ({str(error)[:120]})") from None
    if isinstance(found, np.ndarray):
        raise InputError(f"--arrays: {path}: one array; need a .npz with q, k and v")
    name = Path(path).name
    list(sets_of(found, name))
    return FileSource(name, dict(found), {"sha256": digest_of_file(path)})


def say_unexplained(source: Any) -> list[list[str]]:
    """On stderr what was noticed and not captured; the same for the JSON."""
    from varnum.audit.calls.model import unexplained_lines

    found = getattr(source, "unexplained", [])
    for line in unexplained_lines(found)[:20]:
        print(f"varnum: note: {line}", file=sys.stderr)
    return [list(one) for one in found]
