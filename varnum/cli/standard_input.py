"""`-` where a file is read: what comes on stdin, in a temporary file while the command runs."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from varnum.errors import InputError

MOST = 1 << 30  # bytes
_KINDS = {b"PK\x03\x04": ".npz", b"\x93NUMPY": ".npy"}


def file_or_stdin(path: Path | str, text: bool = False) -> Path:
    """The path, or for `-` that of a copy of stdin, removed when Python ends.

    text: whether the reader takes text; else the kind (.npz, .npy, .safetensors) is read off the
    first bytes. Raises InputError for more than 1 GiB and for a closed stdin.
    """
    if str(path) != "-":
        return Path(path)
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("-: standard input is closed")
    data = sys.stdin.buffer.read(MOST + 1)
    if len(data) > MOST:
        raise InputError(f"-: more than {MOST} bytes on standard input")
    kinds = [kind for magic, kind in _KINDS.items() if data.startswith(magic)]
    suffix = ".txt" if text else (kinds or [".safetensors"])[0]
    held = tempfile.NamedTemporaryFile(prefix="stdin-", suffix=suffix, delete=False)  # noqa: SIM115
    with held:
        held.write(data)
    _remove_at_exit(Path(held.name))
    return Path(held.name)


def _remove_at_exit(path: Path) -> None:
    import atexit

    atexit.register(path.unlink, missing_ok=True)
