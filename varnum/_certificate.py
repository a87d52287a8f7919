"""What `varnum.attention` guarantees about an output: for every head, and for all together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from varnum.envelope import plain as plain_json
from varnum.floats.inputs import finite
from varnum.outward import at_most
from varnum.value import Value


@dataclass(frozen=True)
class Head:
    """One head: what ran, what is certified, and what costs nothing beside it.

    certified_error in the units of the target, output_error in those of the range. mean_v_error and
    degree_one_error are measured on `baseline_rows` rows, the largest among these; None: not asked.
    """

    method: str
    certified_error: float
    output_error: float
    rank: int
    rows: int
    rows_exact: int
    reason: str
    tested: str = ""
    seconds_certificate: float = 0.0
    mean_v_error: float | None = None
    degree_one_error: float | None = None
    baseline_rows: int = 0

    def to_dict(self) -> dict[str, object]:
        """One of `heads` in `varnum attention --json`."""
        names = (
            "method", "certified_error", "rank", "rows", "rows_exact", "mean_v_error",
            "degree_one_error", "reason",
        )  # fmt: skip
        fields = {"certified_output_error": self.output_error}
        shown: dict[str, object] = plain_json(
            {name: getattr(self, name) for name in names} | fields | {"tested": bool(self.tested)}
        )
        return shown


@dataclass(frozen=True, repr=False)
class Certificate(Value):
    """What is guaranteed about an output, by what method, and at what cost.

    kind "eps": every kernel entry, up to a factor per row, is within `certified_error` of
    exp(q.k/sigma), relative. kind "output-error": every output entry is within `certified_error`
    times the range of its value column over the keys that the row sees; kind "output-spread": times
    the standard deviation of its column of the exact output over the rows of its head. Rounding is
    included.
    """

    kind: str
    target: float
    certified_error: float
    output_error: float  # what any kind implies for the output, in units of the range
    method: str
    rank: int  # features per query; the largest over heads
    rows: int
    rows_exact: int
    reason: str
    seconds: float
    seconds_certificate: float
    tested: str = ""  # what ran that is only tested, in words; nothing where all is proved
    asked: str = ""  # the target exactly, as text; `target` is the float next to it
    heads: tuple[Head, ...] = ()  # in the order of the leading axes
    document: str = ""  # the portable form, where it was asked for

    @property
    def reached(self) -> bool:
        """Is the target proved?"""
        if not math.isfinite(self.certified_error):
            return False
        return Fraction(self.certified_error) <= Fraction(self.asked or self.target)

    @property
    def word(self) -> str:
        """Of the table of assurance: "measured" where something ran that is only tested."""
        return "measured" if self.tested else "proved for this run"

    @property
    def assurance(self) -> str:
        """What the guarantee rests on."""
        tested = f"{self.tested}: tested, not proved; apart from that " if self.tested else ""
        return tested + (
            "inequalities proved in words, float arithmetic with every rounding bounded; assumes "
            "IEEE arithmetic, matrix products as plain sums in any order, exp within 4 ulp"
        )

    @property
    def mean_v_error(self) -> float | None:
        """Of the mean of V instead of attention: measured, the largest over heads."""
        return _largest([head.mean_v_error for head in self.heads])

    @property
    def degree_one_error(self) -> float | None:
        """Of centred attention of degree one: measured, the largest over heads."""
        return _largest([head.degree_one_error for head in self.heads])

    def summary(self) -> str:
        """Method, what is certified, how many rows ran exactly."""
        asked = self.asked or at_most(self.target)
        reached = "reached" if self.reached else "NOT reached"
        bound, rows = at_most(self.certified_error), f"{self.rows_exact} of {self.rows}"
        return (
            f"{self.method}, rank {self.rank}: {self.kind} at most {bound}, target {asked} "
            f"{reached}, {rows} rows exact"
        )

    def __str__(self) -> str:
        return self.summary()

    def to_dict(self) -> dict[str, object]:
        """The fields of `varnum attention --json` that the certificate knows."""
        fields = {
            "method": self.method,
            "reason": self.reason,
            "rank": self.rank,
            "kind": self.kind,
            "target": self.target,
            "certified_error": self.certified_error,
            "certified_output_error": self.output_error,
            "reached": self.reached,
            "rows": self.rows,
            "rows_exact": self.rows_exact,
            "mean_v_error": self.mean_v_error,
            "degree_one_error": self.degree_one_error,
            "baseline_rows": sum(head.baseline_rows for head in self.heads),
            "seconds": self.seconds,
            "seconds_certificate": self.seconds_certificate,
            "assumptions": self.assurance,
            "heads": [head.to_dict() for head in self.heads],
        }
        shown: dict[str, object] = plain_json(fields)  # an infinite bound is None
        return shown


def of_heads(kind: str, target: float, asked: str, heads: Sequence[Head]) -> Certificate:
    """One certificate for all heads: the weakest guarantee, the sums of rows and times."""
    heads = [
        replace(h, certified_error=finite(h.certified_error), output_error=finite(h.output_error))
        for h in heads
    ]
    worst = max(heads, key=lambda head: head.certified_error)
    return Certificate(
        kind, target, worst.certified_error,
        output_error=max(head.output_error for head in heads),
        method="+".join(sorted({head.method for head in heads})),
        rank=max(head.rank for head in heads),
        rows=sum(head.rows for head in heads),
        rows_exact=sum(head.rows_exact for head in heads),
        reason=worst.reason,
        seconds=0.0,
        seconds_certificate=sum(head.seconds_certificate for head in heads),
        tested="; ".join(sorted({head.tested for head in heads if head.tested})),
        asked=asked,
        heads=tuple(heads),
    )  # fmt: skip


def _largest(found: list[float | None]) -> float | None:
    known = [value for value in found if value is not None]
    return max(known, default=None)
