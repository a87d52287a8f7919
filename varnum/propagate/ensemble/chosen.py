"""Logits that a user chose, each with its bound by one backward pass: claim ensemble-reverse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from varnum.envelope import plain
from varnum.errors import InputError
from varnum.model.generate import Model
from varnum.outward import at_most, float_up
from varnum.propagate.checked import whole
from varnum.propagate.ensemble.protocol import Accepted, Start
from varnum.propagate.ensemble.reverse import Functional, certify_functionals
from varnum.propagate.forms import Floats
from varnum.value import Value

_UP = 1 + 2.0**-50
MOST = 4096  # functionals of a call


@dataclass(frozen=True, repr=False)
class Chosen(Value):
    """A chosen logit of a sequence, or (logit id) - (logit other), with a bound of its error.

    error: of |exact - float64 run|, or what `logit_error` is about where logits or a kernel error
    were given.
    """

    sequence: int
    token: int
    id: int
    other: int | None
    error: float

    def summary(self) -> str:
        """One line."""
        return f"logit {self.name()} within {at_most(self.error)}"

    def to_dict(self) -> dict[str, object]:
        """As in the document of `varnum error`."""
        found: dict[str, object] = plain(asdict(self))
        return found

    def name(self) -> str:
        """As `--logit` takes it."""
        tail = "" if self.other is None else f":{self.other}"
        return f"{self.token}:{self.id}{tail}"


def checked_chosen(model: Model, chosen: Iterable[Sequence[int]] | None) -> list[Functional]:
    """(token, id) or (token, id, other) each; tokens of all scales, small scales first."""
    found: list[Functional] = []
    for entry in chosen or ():
        if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) not in (2, 3):
            raise InputError(f"chosen: {str(entry)[:60]} is not (token, id) or (token, id, other)")
        whole(entry[0], 0, model.var.length - 1, "chosen: token")
        for number in entry[1:]:
            whole(number, 0, model.var.vocab_size - 1, "chosen: id")
        found.append(Functional(*(int(number) for number in entry)))
    if len(found) > MOST:
        raise InputError(f"chosen: {len(found)} logits; at most {MOST}")
    return found


def certified(
    start: Start,
    exact: Accepted,
    perturbed: Accepted | None,
    given: Floats | None,
    wanted: Sequence[Functional],
    row: int,
) -> list[Chosen]:
    """Of sequence `row`: |exact - centre|, + |given - centre| or what kernel errors do; upward."""
    if not wanted or exact.tape is None:
        return []
    bound = certify_functionals(start, exact.tape, wanted)
    end = exact.end.centre
    if given is not None:
        bound = bound + _apart(given, end, wanted)
    if perturbed is not None and perturbed.tape is not None:
        bound = bound + certify_functionals(start, perturbed.tape, wanted)
        bound = bound + _apart(perturbed.end.centre, end, wanted)
    return [
        Chosen(row, u.token, u.plus, u.minus, float_up(value * _UP * _UP))
        for u, value in zip(wanted, bound, strict=True)
    ]


def _apart(one: Floats, two: Floats, wanted: Sequence[Functional]) -> Floats:
    """|u.(one - two)| upward."""
    found = []
    for u in wanted:
        terms = [one[u.token, u.plus], -two[u.token, u.plus]]
        if u.minus is not None:
            terms += [-one[u.token, u.minus], two[u.token, u.minus]]
        found.append(abs(sum(terms)) + 2.0**-50 * sum(abs(term) for term in terms))
    return np.array(found) * _UP
