"""The proved library in proofs/coq: what exported files rest on, and the theorems of the ledger.

Each part is compiled once, into the user's cache or where one asks for it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from varnum.errors import InputError
from varnum.proof.coq.compiler import compile_file, libraries, version
from varnum.proof.ledger import data_folder

PRELUDE = ("Polynomial", "Supremum", "Statement", "Error", "Certificate", "Fast", "Pure")
THEORY = ("Sums", "Softmax", "Rank", "Heads", "Cache", "Layers", "Residual", "Moments", "Taylor",
          "False")  # fmt: skip
LIBRARY = (*PRELUDE, *THEORY)

Say = Callable[[str], None]


def sources() -> Path:
    """The folder of the .v files that varnum ships."""
    return data_folder("proofs") / "coq"


def write_library(
    folder: Path, names: tuple[str, ...] = PRELUDE, say: Say = lambda _: None
) -> None:
    """Write and compile these files, in order, in `folder` (made if absent).

    Raises MissingProgram without Coq, InputError where the folder cannot be written or this Coq
    does not compile a file.
    """
    version()  # no coqc: nothing is written
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / f"{name}.v").write_bytes((sources() / f"{name}.v").read_bytes())
    except OSError as error:
        raise InputError(f"{str(folder)!r}: cannot be written ({error.strerror})") from None
    for name in names:
        say(f"compiling {name}.v")
        answer = compile_file(folder / f"{name}.v", folder)
        if not answer.ok:
            raise InputError(f"{name}.v: this Coq does not compile it: {answer.message}")


def compiled_library(names: tuple[str, ...] = PRELUDE, say: Say = lambda _: None) -> Path:
    """The compiled files in the user's cache; compiled there first if they are not.

    The folder's name holds a digest of the sources, Coq's version and its libraries' dates, so
    another one is never taken for it; a folder that others could write to is refused.
    """
    whole = _cache() / _digest(LIBRARY)  # serves for a part too
    folder = whole if whole.is_dir() else _cache() / _digest(names)
    if not folder.is_dir():
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as work:
                write_library(Path(work) / "made", names, say)
                _put(Path(work) / "made", folder)
        except OSError as error:
            raise InputError(f"{str(folder)!r}: cannot be written ({error.strerror})") from None
    for place in (folder.parent, folder):
        seen = place.stat()
        if seen.st_uid != os.getuid() or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise InputError(f"{str(place)!r}: others can write there; remove it")
    return folder


def _put(made: Path, folder: Path) -> None:
    """Whole or not at all; another process may have been first."""
    made.chmod(0o700)
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        parent = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    except RuntimeError:
        raise InputError("no home folder for the compiled library: set XDG_CACHE_HOME") from None
    return parent / "varnum" / "coq"


def _digest(names: tuple[str, ...]) -> str:
    parts = [version().encode()]
    parts += [(sources() / f"{name}.v").read_bytes() for name in names]
    for name in ("Interval/Interval/Float_full.vo", "Coquelicot/RInt.vo", "Flocq/Core/Defs.vo"):
        path = libraries() / "user-contrib" / name
        parts.append(str(path.stat().st_mtime_ns if path.is_file() else 0).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
