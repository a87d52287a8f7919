"""Let Coq check what a certificate states."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from varnum.proof.coq.compiler import compile_file, version
from varnum.proof.coq.export import Held, coq_file
from varnum.proof.coq.library import compiled_library
from varnum.verdict import Proved, Refuted, Unknown, Verdict


@dataclass(frozen=True)
class CoqAnswer:
    """The verdict (Refuted: a theorem was not accepted), which theorems, and whose word it is."""

    verdict: Verdict
    theorems: tuple[str, ...]
    coq: str
    minimal_axioms: bool


def check_in_coq(
    held: Held, minimal_axioms: bool = False, say: Callable[[str], None] = lambda _: None
) -> CoqAnswer:
    """Compile the file of `held`; Unknown where coqc failed for another reason than the proof.

    Raises MissingProgram where coqc or one of its libraries is absent.
    """
    theorems = ("reached", "excluded") if held.points else ("reached",)
    prelude = compiled_library(say=say)
    say("Coq checks " + " and ".join(theorems))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "held.v"
        path.write_text(coq_file(held, minimal_axioms), encoding="ascii")
        answer = compile_file(path, prelude)
    verdict: Verdict
    if answer.ok:
        verdict = Proved(f"Coq accepts {' and '.join(theorems)}")
    elif answer.refused is not None:
        verdict = Refuted(answer.refused, f"Coq does not accept the theorem {answer.refused!r}")
    else:
        verdict = Unknown(f"coqc failed: {answer.message}")
    return CoqAnswer(verdict, theorems, version(), minimal_axioms)
