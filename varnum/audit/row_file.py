"""The file of rows: JSON lines, a header first, appended as they come, continued after a kill.

The header holds a digest of the question; a file is only continued for the question it began with.
A last line without its end was being written when the process died: it is cut off and its row is
computed again. Rows come in one fixed order, so an interrupted file ends the same, byte for byte.
Each carries a CRC-32 of the rest of it, so that a damaged row is not taken for a result. An edited
row whose checksum was made anew is: `taken` counts the rows that stand as they were found.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, BinaryIO

from varnum.audit.fields import Row
from varnum.audit.row_check import wrong_field
from varnum.errors import InputError
from varnum.model.npfile import readable_file

SCHEMA = "varnum/audit-rows/1"
CHECK = "crc32"
MOST_BYTES = 1 << 30
_KEY_KINDS = (str, int, type(None))
KEY = ("kind", "model", "layer", "prompt", "head", "output_error")
CALL_KEY = ("kind", "model", "call", "batch", "head", "output_error")
Key = tuple[Any, ...]


def key_of(row: Row) -> Key:
    """What tells rows apart."""
    return tuple(row.get(name) for name in (CALL_KEY if row.get("kind") == "call" else KEY))


def digest_of(question: dict[str, Any]) -> str:
    """SHA-256 of a question in canonical JSON."""
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def digest_of_file(path: str) -> str:
    """SHA-256 of a plain file's content."""
    try:
        with readable_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot read it ({error.strerror})") from None


class RowFile:
    """Rows known so far, and a way to add more. Without a path they live in memory only."""

    def __init__(self, path: str | None, header: dict[str, Any], *, resume: bool = False) -> None:
        self.rows: list[Row] = []
        self.known: set[Key] = set()
        self.path = path
        self._at = 0  # of these, how many calls have asked for
        self.taken = 0  # rows that were in the file: trusted, not computed
        self._file: BinaryIO | None = None
        if path is None:
            return
        head = {"schema": SCHEMA, **header}
        self._file = _open(path)
        try:
            kept = self._read(path, head, resume)
        except InputError:
            self._file.close()
            raise
        self._file.seek(kept)
        self._file.truncate()
        if kept == 0:
            self._write(head)

    def _read(self, path: str, head: dict[str, Any], resume: bool) -> int:
        """Take in the whole lines; returns how many bytes of the file they are."""
        assert self._file is not None
        content = self._file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(f"{path}: more than {MOST_BYTES} bytes; no more are read")
        lines = content.split(b"\n")
        if lines != [b""] and not resume:
            raise InputError(f"{path}: exists; --resume continues it, another name begins anew")
        lines.pop()  # what follows the last line end: nothing, or a torn line
        for number, line in enumerate(lines, start=1):
            row = _parse(line, f"{path}: line {number}")
            if number == 1:
                _check_header(row, head, path)
            elif row.pop(CHECK, None) != _checksum(row):
                raise InputError(f"{path}: line {number} fails its checksum; the file is damaged")
            elif not all(type(part) in _KEY_KINDS for part in key_of(row)):
                raise InputError(f"{path}: line {number} names no row; the file is damaged")
            else:
                self.rows.append(row)
                self.known.add(key_of(row))
        self.taken = len(self.rows)
        return sum(len(line) + 1 for line in lines)

    def check_order(self, keys: Iterable[Key]) -> None:
        """Refuse a file whose rows are not the first ones of `keys`, in order, or lack a field."""
        for number, (row, key) in enumerate(zip_longest(self.rows, keys), start=2):
            if row is None:
                return
            if key_of(row) != key:
                raise InputError(f"{self.path}: line {number} is out of place; the file is damaged")
            if (name := wrong_field(row)) is not None:
                raise InputError(f"{self.path}: line {number}: {name}: not as it is written")

    def follows(self, key: Key, checksum: int) -> bool:
        """Of calls, whose rows are not known before: is this the next row of the file?

        False where the file ends; raises InputError where it goes on otherwise, or with other
        arrays.
        """
        if self._at >= self.taken:
            return False
        row, number = self.rows[self._at], self._at + 2
        if key_of(row) != key:
            raise InputError(f"{self.path}: line {number} is out of place; the file is damaged")
        if (name := wrong_field(row)) is not None:
            raise InputError(f"{self.path}: line {number}: {name}: not as it is written")
        if row["qkv_crc32"] != checksum:
            raise InputError(
                f"{self.path}: line {number}: began with other inputs or weights: q, k, v differ"
            )
        self._at += 1
        return True

    def check_end(self) -> None:
        """Refuse a file that goes on where the calls end."""
        if self._at < self.taken:
            raise InputError(f"{self.path}: line {self._at + 2} is of a call that was not made")

    def add(self, row: Row) -> None:
        """Append a row unless it is known; it is with the operating system when this returns."""
        if key_of(row) in self.known:
            return
        self.rows.append(row)
        self.known.add(key_of(row))
        if self._file is not None:
            self._write({**row, CHECK: _checksum(row)})

    def _write(self, line: Row) -> None:
        assert self._file is not None
        with self._saying():
            self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            self._file.flush()

    def sync(self) -> None:
        """Make sure that what was added is on the disk."""
        if self._file is not None:
            with self._saying():
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with self._saying():
                self._file.close()

    @contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"{self.path}: cannot write ({error.strerror})") from None


def _open(path: str) -> BinaryIO:
    """A plain file for reading and writing, that no other process is writing."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise InputError(f"{path}: cannot write there ({error.strerror})") from None
    problem = None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        problem = "is not a plain file"
    elif not _lock(number):
        problem = "another audit is writing it"
    if problem is not None:
        os.close(number)
        raise InputError(f"{path}: {problem}")
    return os.fdopen(number, "r+b")


def _lock(number: int) -> bool:
    """Until the file is closed, however the process ends."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _checksum(row: Row) -> int:
    return zlib.crc32(json.dumps(row).encode())


def _parse(line: bytes, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(f"{where} is not JSON; the file is damaged") from None
    if not isinstance(row, dict):
        raise InputError(f"{where} is no JSON object; the file is damaged")
    return row


def _check_header(found: Row, expected: Row, path: str) -> None:
    if found.get("schema") != SCHEMA:
        raise InputError(f"{path}: not a file of audit rows ({SCHEMA})")
    if found.get("digest") == expected["digest"]:
        return
    asked, asks = found.get("question"), expected["question"]
    asked = asked if isinstance(asked, dict) else {}
    names = sorted(set(asked) | set(asks))
    other = [name for name in names if asked.get(name) != asks.get(name)]
    raise InputError(f"{path}: began with another question; different: {', '.join(other)}")
