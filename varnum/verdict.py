"""What a check can say: Proved, Refuted with a witness, or Unknown with a reason; what it rests on.

A verdict has no truth value, so nobody writes ``if verdict:`` and turns Unknown into a pass.
Match on the class instead.

>>> match Proved("sign changes at 12 rational points"):
...     case Proved(how):
...         print(how)
sign changes at 12 rational points
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, NoReturn, TypeAlias


class _NoTruthValue:
    exit_code: ClassVar[int]

    def __repr__(self) -> str:
        parts = ", ".join(f"{part.name}={getattr(self, part.name)!r}" for part in fields(self))  # type: ignore[arg-type]
        shown = parts if len(parts) <= 180 else f"{parts[:177]}..."
        return f"{type(self).__name__}({shown})"

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value: match on Proved, Refuted or Unknown")


@dataclass(frozen=True, repr=False)
class Proved(_NoTruthValue):
    """The statement holds; `how` names the argument and what carried it.

    >>> Proved("12 sign changes").how
    '12 sign changes'
    >>> bool(Proved("12 sign changes"))
    Traceback (most recent call last):
    TypeError: a verdict has no truth value: match on Proved, Refuted or Unknown
    """

    how: str
    exit_code: ClassVar[int] = 0


@dataclass(frozen=True, repr=False)
class Refuted(_NoTruthValue):
    """The statement is false; `witness` shows where.

    >>> Refuted({"x": "1/2"}).witness
    {'x': '1/2'}
    >>> bool(Refuted({"x": "1/2"}))
    Traceback (most recent call last):
    TypeError: a verdict has no truth value: match on Proved, Refuted or Unknown
    """

    witness: object
    how: str = ""
    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, repr=False)
class Unknown(_NoTruthValue):
    """Neither was reached; `reason` says what stopped it.

    >>> Unknown("no solver is installed").reason
    'no solver is installed'
    >>> bool(Unknown("no solver is installed"))
    Traceback (most recent call last):
    TypeError: a verdict has no truth value: match on Proved, Refuted or Unknown
    """

    reason: str
    exit_code: ClassVar[int] = 3


Verdict: TypeAlias = Proved | Refuted | Unknown


CLAIM_WORDS = {
    "coq": "Coq's kernel checked a proof that is printed beside it",
    "solver": "an SMT solver found the negation unsatisfiable, a sharper twin satisfiable",
    "balls": "interval arithmetic enclosed it, every rounding included",
    "exhaustive": "all inputs of the stated sizes were tried",
    "words": "a proof on its page",
    "computed": "a program counted or evaluated it exactly; no theorem behind it",
    "tested": "no counterexample among random and adversarial trials; nothing is proved",
    "hypothesis": "an assumption of the literature, such as SETH",
    "definition": "it fixes a notion",
    "open": "stated, nothing assured yet",
}
"""What a claim of the ledger rests on, strongest first."""

ANSWER_WORDS = {
    "proved": "holds for every input that the question allows",
    "proved for this run": "holds for the very arrays or weights that were given",
    "with high probability": "holds up to a printed chance over the tool's own random draws",
    "sampled": "holds at a printed confidence over a random sample of the user's",
    "measured": "seen in a computation; nothing is bounded",
    "estimated": "a value near the truth, of no known side",
}
"""What an answer rests on, strongest first; the weakest of what was used wins.

"proved for this run, up to chance 1e-6" (`up_to_chance`) is "with high probability" about one run:
below "proved for this run", above "measured".
"""


def up_to_chance(chance: str) -> str:
    """The label of what holds for one run, up to a chance over the tool's own draws.

    >>> up_to_chance("1e-6")
    'proved for this run, up to chance 1e-6'
    """
    return f"proved for this run, up to chance {chance}"


ANSWER_OF = {
    "coq": "proved", "solver": "proved", "balls": "proved", "exhaustive": "proved",
    "words": "proved", "computed": "measured", "tested": "measured", "hypothesis": "estimated",
}  # fmt: skip
"""The answer that a claim with this assurance allows; a definition and an open one allow none."""


def weakest(*words: str) -> str:
    """The weakest of these words of one table; ValueError for an unknown word, or none.

    >>> weakest("proved", "measured", "proved for this run")
    'measured'
    """
    for table in (list(ANSWER_WORDS), list(CLAIM_WORDS)):
        if words and all(word in table for word in words):
            return max(words, key=table.index)
    raise ValueError(f"{words} are not words of one table: {[*CLAIM_WORDS]}, {[*ANSWER_WORDS]}")
