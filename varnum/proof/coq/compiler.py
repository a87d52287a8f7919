"""coqc, run so that nothing but its installation and our files decides: and what it answered."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from varnum.errors import MissingProgram

HOW = "apt-get install coq libcoq-interval"
_AMBIENT = ("COQPATH", "COQLIB", "COQCORELIB", "ROCQPATH", "ROCQLIB")  # would bring other libraries
_OWN = ("XDG_DATA_HOME", "XDG_DATA_DIRS", "XDG_CONFIG_HOME")  # so would a user's own, unset too


class Compiled(NamedTuple):
    """What coqc said of one file; `refused`: a proof in it does not hold (and not: coqc failed)."""

    ok: bool
    refused: str | None  # the theorem whose proof was refused
    output: str
    message: str  # the last words of coqc, one line


def coqc() -> str:
    """The path of coqc; MissingProgram (exit code 4) where there is none."""
    found = shutil.which("coqc")
    if found is None:
        raise MissingProgram("coqc", HOW)
    return found


def version() -> str:
    """Coq's version, such as 8.16.1."""
    said = subprocess.run([coqc(), "--print-version"], capture_output=True, text=True, env=_env())
    return (said.stdout.split() or ["unknown"])[0]


def libraries() -> Path:
    """The folder of Coq's installed libraries."""
    said = subprocess.run([coqc(), "-where"], capture_output=True, text=True, env=_env())
    return Path(said.stdout.strip())


def compile_file(path: Path, prelude: Path) -> Compiled:
    """Compile one .v against the prelude's folder; MissingProgram where a library is absent."""
    command = [coqc(), "-q", "-noglob", "-w", "none", "-R", str(prelude.resolve()), "Varnum"]
    command += [path.name]
    run = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, env=_env())
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    if run.returncode == 0:
        return Compiled(True, None, run.stdout, "")
    message = " ".join(run.stderr.partition("Error:")[2].split()) or (lines or ["no message"])[-1]
    absent = re.search(r"(Interval|Coquelicot|Flocq|Bignums)\b.*(load path|physical path|suffix)",
                       " ".join(run.stderr.split()))  # fmt: skip
    if absent and "Varnum" not in message:
        raise MissingProgram(f"the Coq library {absent[1]}", HOW)
    return Compiled(False, _refused(path, run.stderr), run.stdout, message)


def _refused(path: Path, stderr: str) -> str | None:
    """The theorem before the line of the error, if what failed is a proof's conversion check."""
    where = re.search(r"line (\d+)", stderr)
    said = " ".join(stderr.split())
    if where is None or "while it is expected to have type" not in said:
        return None
    before = path.read_text("utf-8").splitlines()[: int(where[1])]
    names = re.findall(r"^(?:Theorem|Lemma|Corollary) (\w+)", "\n".join(before), re.M)
    return names[-1] if names else None


def _env() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in _AMBIENT}
    return kept | dict.fromkeys(_OWN, os.devnull)
