"""What a check can say: Proved, Refuted with a witness, or Unknown with a reason.

A verdict has no truth value, so nobody writes ``if verdict:`` and turns Unknown into a pass.
Match on the class instead.

>>> match Proved("sign changes at 12 rational points"):
...     case Proved(how):
...         print(how)
sign changes at 12 rational points
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, TypeAlias


class _NoTruthValue:
    exit_code: ClassVar[int]

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value: match on Proved, Refuted or Unknown")


@dataclass(frozen=True)
class Proved(_NoTruthValue):
    """The statement holds; `how` names the argument and what carried it."""

    how: str
    exit_code: ClassVar[int] = 0


@dataclass(frozen=True)
class Refuted(_NoTruthValue):
    """The statement is false; `witness` shows where."""

    witness: Any
    how: str = ""
    exit_code: ClassVar[int] = 1


@dataclass(frozen=True)
class Unknown(_NoTruthValue):
    """Neither was reached; `reason` says what stopped it."""

    reason: str
    exit_code: ClassVar[int] = 3


Verdict: TypeAlias = Proved | Refuted | Unknown
