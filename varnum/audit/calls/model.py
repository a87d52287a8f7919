"""`vn.audit_model`: every attention head of a torch model on given inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from varnum.audit.calls.call_audit import audit_call
from varnum.audit.calls.call_source import TorchSource, collect
from varnum.audit.calls.load import check, need_torch
from varnum.audit.fields import Row
from varnum.audit.run import Asked
from varnum.audit.summary import summarise, text
from varnum.audit.task import Target
from varnum.balls.exact import parse
from varnum.errors import InputError
from varnum.value import Value


@dataclass(frozen=True, repr=False)
class Audit(Value):
    """Rows (one per head, call, batch entry and target), and what was noticed but not captured."""

    name: str
    rows: tuple[Row, ...]
    unexplained: tuple[tuple[str, str], ...]  # (module, what)
    question: dict[str, Any] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Was all attention captured that was noticed?"""
        return not self.unexplained

    def summary(self) -> str:
        """How many heads pay, in which sense."""
        heads = len(self.rows)
        pays = {n: sum(bool(row[f"pays_{n}"]) for row in self.rows) for n in _SENSES}
        counts = ", ".join(f"{n} {count}" for n, count in pays.items())
        left = "" if self.complete else f"; {len(self.unexplained)} unexplained"
        return f"{self.name}: {heads} rows; low rank pays: {counts}{left}"

    def text(self) -> str:
        """What the terminal shows."""
        lines = text(summarise(self.rows))
        return "\n".join([*lines, *unexplained_lines(self.unexplained)])

    def __str__(self) -> str:
        return self.text()

    def html(self) -> str:
        """The report as one page."""
        from varnum.audit.page.page import page

        note = "; ".join(unexplained_lines(self.unexplained))
        return page(self.rows, summarise(self.rows), self.question, "vn.audit_model(..)", note)

    def to_dict(self) -> dict[str, Any]:
        """Rows and summary as plain values."""
        return {
            "question": self.question,
            "complete": self.complete,
            "unexplained": [list(one) for one in self.unexplained],
            "summary": summarise(self.rows),
            "rows": list(self.rows),
        }


_SENSES = ("apriori", "certified", "output")


def unexplained_lines(unexplained: Sequence[tuple[str, str]]) -> list[str]:
    """One line per kind."""
    counts: dict[tuple[str, str], int] = {}
    for one in unexplained:
        counts[one] = counts.get(one, 0) + 1
    return [
        f"noticed, not captured: {module}: {what}" + (f" ({n} times)" if n > 1 else "")
        for (module, what), n in counts.items()
    ]


def audit_model(
    model: Any, inputs: Any, *, output_error: str | Fraction = "1e-2", batch: int | None = None,
    heads: int | None = None, name: str | None = None,
) -> Audit:  # fmt: skip
    """Audit every softmax attention call of one model(*inputs) (or **inputs), under no_grad.

    inputs: a tuple of positional arguments or a dict of keyword arguments. output_error: the
    target, in units of the range of each value column over the keys that a row sees; several as
    "1e-1,1e-2". batch, heads: so many of each call, None: all. name: of the model, in the rows.
    All figures are of the captured q, k, v in float64; `complete` says whether all attention that
    was noticed was captured. Raises InputError where none was, MissingExtra without torch.

    >>> import torch
    >>> x, model = torch.linspace(-1, 1, 12).reshape(3, 4), torch.nn.MultiheadAttention(4, 2)
    >>> found = audit_model(model, (x, x, x), output_error="1e-1")
    >>> len(found.rows), found.complete
    (2, True)
    >>> audit_model(torch.nn.Linear(4, 4), (x,))
    Traceback (most recent call last):
    varnum.errors.InputError: Linear: no attention was captured in this run (nothing like it)
    """
    need_torch()
    called = name or type(model).__name__
    check(model, inputs, called)
    for text_, value in (("batch", batch), ("heads", heads)):
        if value is not None and (type(value) is not int or value < 1):
            raise InputError(f"{text_}: {value!r} is not allowed; a whole number, at least 1")
    asked = Asked(targets_of(output_error))
    source = TorchSource(called, model, inputs, batch, heads)
    rows = collect(source, asked, audit_call)
    question = {**source.question(), "output_error": [str(t.output_error) for t in asked.targets]}
    return Audit(called, tuple(rows), tuple(source.unexplained), question)


def targets_of(output_error: str | Fraction) -> tuple[Target, ...]:
    """One target or several; raises InputError."""
    parts = output_error.split(",") if isinstance(output_error, str) else [output_error]
    found = []
    for part in parts:
        value = parse(part, "output_error")
        if not parse("1e-12") <= value < 1:
            raise InputError(f"output_error: {part} is not allowed; from 1e-12 to below 1")
        found.append(Target.of(value))
    return tuple(found)
