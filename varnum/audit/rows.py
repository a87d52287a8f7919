"""The file of rows: JSON lines, a header first, appended as they come, continued after a kill.

The header holds a digest of the question; a file is only continued for the question it began with.
A last line without its end was being written when the process died: it is cut off and its row is
computed again. Rows come in one fixed order, so an interrupted file ends the same, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from varnum.errors import InputError

SCHEMA = "varnum/audit-rows/1"
KEY = ("kind", "model", "layer", "prompt", "head", "output_error")
Row = dict[str, Any]
Key = tuple[Any, ...]


def key_of(row: Row) -> Key:
    """What tells rows apart."""
    return tuple(row.get(name) for name in KEY)


def digest_of(question: dict[str, Any]) -> str:
    """SHA-256 of a question in canonical JSON."""
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def digest_of_file(path: str) -> str:
    """SHA-256 of a file's content."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot read it ({error.strerror})") from None


class RowFile:
    """Rows known so far, and a way to add more. Without a path they live in memory only."""

    def __init__(self, path: str | None, header: dict[str, Any], *, resume: bool = False) -> None:
        self.rows: list[Row] = []
        self.known: set[Key] = set()
        self._file: BinaryIO | None = None
        head = {"schema": SCHEMA, **header}
        if path is None:
            return
        exists = Path(path).exists()
        if exists and not resume and Path(path).stat().st_size > 0:
            raise InputError(f"{path}: exists; --resume continues it, another name begins anew")
        self._file = _open(path)
        try:
            kept = self._read(path, head) if exists else 0
        except InputError:
            self._file.close()
            raise
        self._file.seek(kept)
        self._file.truncate()
        if kept == 0:
            self._write(head)

    def _read(self, path: str, head: dict[str, Any]) -> int:
        """Take in the whole lines; returns how many bytes of the file they are."""
        assert self._file is not None
        lines = self._file.read().split(b"\n")
        lines.pop()  # what follows the last line end: nothing, or a torn line
        for number, line in enumerate(lines, start=1):
            row = _parse(line, f"{path}: line {number}")
            if number == 1:
                _check_header(row, head, path)
            elif not {"kind", "model", "prompt"} <= set(row):
                raise InputError(f"{path}: line {number} is no row of an audit")
            else:
                self.rows.append(row)
                self.known.add(key_of(row))
        return sum(len(line) + 1 for line in lines)

    def add(self, row: Row) -> None:
        """Append a row unless it is known; it is with the operating system when this returns."""
        if key_of(row) in self.known:
            return
        self.rows.append(row)
        self.known.add(key_of(row))
        if self._file is not None:
            self._write(row)

    def _write(self, line: Row) -> None:
        assert self._file is not None
        try:
            self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise InputError(f"rows: cannot write ({error.strerror})") from None

    def sync(self) -> None:
        """Make sure that what was added is on the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self.sync()
            self._file.close()


def _open(path: str) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
    except OSError as error:
        raise InputError(f"{path}: cannot write there ({error.strerror})") from None


def _parse(line: bytes, where: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        raise InputError(f"{where} is not JSON; the file is damaged") from None
    if not isinstance(row, dict):
        raise InputError(f"{where} is no JSON object; the file is damaged")
    return row


def _check_header(found: Row, expected: Row, path: str) -> None:
    if found.get("schema") != SCHEMA:
        raise InputError(f"{path}: not a file of audit rows ({SCHEMA})")
    if found.get("digest") == expected["digest"]:
        return
    asked, asks = found.get("question", {}), expected["question"]
    names = sorted(set(asked) | set(asks))
    other = [name for name in names if asked.get(name) != asks.get(name)]
    raise InputError(f"{path}: began with another question; different: {', '.join(other)}")
