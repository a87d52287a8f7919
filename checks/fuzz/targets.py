"""What is fuzzed: each reader of files from outside, as a function of bytes.

A target returns quietly for a clean verdict and for the errors that are allowed; anything else that
comes out of it is a fault. `SEEDS` holds a few small files per target.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from varnum.checker import Malformed, NotProved, check, serialise
from varnum.errors import InputError, MissingExtra

SEEDS = Path(__file__).resolve().parent / "seeds"
SUFFIXES = (".npz", ".safetensors", ".pth")
_folder = tempfile.TemporaryDirectory(prefix="fuzz")


def certificate(data: bytes) -> None:
    """A certificate as it stands, and once more with its digest put right."""
    _checked(data)
    try:
        content = json.loads(data)
        again = serialise(content) if isinstance(content, dict) else b""
    except (ValueError, RecursionError):
        return
    if again and again != data:
        _checked(again)


def _checked(data: bytes) -> None:
    try:
        str(check(data))
    except (Malformed, NotProved) as error:
        _one_line(error)


def dimacs(data: bytes) -> None:
    """A formula in conjunctive normal form."""
    from varnum.hardness.cnf import read_cnf

    path = _written(data, "formula.cnf")
    try:
        read_cnf(path)
    except InputError as error:
        _one_line(error)


def checkpoint(data: bytes) -> None:
    """Weights: the first byte says which kind of file, and for which half of a model."""
    from varnum.model.checkpoint import load_model

    kind = data[0] if data else 0
    path = str(_written(data[1:], f"weights{SUFFIXES[kind % len(SUFFIXES)]}"))
    good = str(SEEDS / "good.npz")
    try:
        load_model(*((path, good) if kind < 128 else (good, path)))
    except (InputError, MissingExtra) as error:
        _one_line(error)


def rows(data: bytes) -> None:
    """A file of audit rows, continued; each row gets the checksum that it should have."""
    from varnum.audit.page.page import page
    from varnum.audit.row_file import CHECK, RowFile, key_of
    from varnum.audit.summary import summarise, text

    lines = data.split(b"\n")
    for i, line in enumerate(lines[1:], start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            row.pop(CHECK, None)
            row[CHECK] = zlib.crc32(json.dumps(row).encode())
            lines[i] = json.dumps(row).encode()
    path = str(_written(b"\n".join(lines), "rows.jsonl"))
    try:
        file = RowFile(path, {"digest": "0", "question": {}}, resume=True)
        try:
            file.check_order(key_of(row) for row in file.rows)
            groups = summarise(file.rows)
            text(groups)
            page(file.rows, groups, {}, "varnum audit")
        finally:
            file.close()
    except InputError as error:
        _one_line(error)


def _written(data: bytes, name: str) -> Path:
    path = Path(_folder.name) / name
    path.write_bytes(data)
    return path


def _one_line(error: Exception) -> None:
    assert "\n" not in str(error), f"more than one line: {error}"
    assert str(error)


TARGETS: dict[str, Callable[[bytes], None]] = {
    f.__name__: f for f in (certificate, dimacs, checkpoint, rows)
}
