"""The proved library that every exported file rests on: its sources, compiled once."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from varnum.errors import InputError
from varnum.proof.coq.compiler import compile_file, libraries, version
from varnum.proof.ledger import data_folder

PRELUDE = ("Polynomial", "Supremum", "Statement", "Certificate", "Fast", "Pure")


def sources() -> Path:
    """The folder of the .v files that varnum ships."""
    return data_folder("proofs") / "coq"


def write_prelude(folder: Path, say: Callable[[str], None] = lambda _: None) -> None:
    """Write and compile the prelude in `folder` (made if absent); InputError where that fails."""
    version()  # no coqc: nothing is written
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in PRELUDE:
            (folder / f"{name}.v").write_bytes((sources() / f"{name}.v").read_bytes())
    except OSError as error:
        raise InputError(f"{str(folder)!r}: cannot be written ({error.strerror})") from None
    for name in PRELUDE:
        say(f"compiling {name}.v")
        answer = compile_file(folder / f"{name}.v", folder)
        if not answer.ok:
            raise InputError(f"{name}.v: this Coq does not compile it: {answer.message}")


def compiled_prelude(say: Callable[[str], None] = lambda _: None) -> Path:
    """The compiled prelude in the user's cache; compiled there first if it is not.

    The folder's name holds a digest of the sources, Coq's version and its libraries' dates, so
    another one is never taken for it; a folder others could have written to is refused.
    """
    folder = _cache() / f"prelude-{_digest()}"
    if not folder.is_dir():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            write_prelude(Path(work) / "made", say)
            try:
                (Path(work) / "made").rename(folder)  # whole or not at all
            except OSError:
                if not folder.is_dir():  # otherwise another process was first
                    raise
    for place in (folder.parent, folder):
        seen = place.stat()
        if seen.st_uid != os.getuid() or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise InputError(f"{str(place)!r}: others can write there; remove it, or chmod go-w")
    return folder


def clear_cache() -> None:
    """Remove every compiled prelude of this user."""
    shutil.rmtree(_cache(), ignore_errors=True)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "varnum" / "coq"


def _digest() -> str:
    parts = [version().encode()]
    parts += [(sources() / f"{name}.v").read_bytes() for name in PRELUDE]
    for name in ("Interval/Interval/Float_full.vo", "Flocq/Core/Defs.vo"):
        path = libraries() / "user-contrib" / name
        parts.append(str(path.stat().st_mtime_ns if path.is_file() else 0).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
