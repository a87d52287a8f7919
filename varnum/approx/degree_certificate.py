"""Write a least-degree proof as a certificate that `varnum/checker` re-checks on its own.

Format: docs/reference/certificate.md. The file is the canonical JSON of its content, so that any
change of its bytes shows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from fractions import Fraction

from varnum.approx.degree import LeastDegree, LowerBound, certainly_above, certify_lower
from varnum.approx.polynomial import Polynomial
from varnum.approx.target import Target, bits_of
from varnum.balls import to_text
from varnum.balls.scalar import arb, ball, lower, precision, upper
from varnum.verdict import Proved, Verdict

SCHEMA = "varnum/certificate/1"


@dataclass(frozen=True)
class ProvedDegree:
    """A degree that is proved, as plain numbers: it compares, hashes and travels between processes.

    eps: the error reached; minimal: is no lower degree enough? minimax: encloses the least error at
    `degree`; sup: encloses the error of `poly`, `counted` says how (`SupNorm`). lower_error: every
    polynomial of degree - 1 errs by more, None where that is not proved or degree is 0. proof: the
    certificate that `varnum check` reads.
    """

    eps: Fraction
    degree: int
    minimal: Verdict
    minimax: tuple[Fraction, Fraction]
    poly: Polynomial
    sup: tuple[Fraction, Fraction]
    counted: bool
    lower_error: Fraction | None
    proof: str = field(repr=False)

    @classmethod
    def of(cls, least: LeastDegree) -> ProvedDegree:
        """The same without balls."""
        below = least.lower if isinstance(least.minimal, Proved) else None
        return cls(
            least.eps, least.degree, least.minimal, (lower(least.error[0]), upper(least.error[1])),
            least.poly, (lower(least.upper.low), upper(least.upper.high)), least.upper.counted,
            None if below is None else lower(below.bound), certificate(least),
        )  # fmt: skip


def certificate(least: LeastDegree) -> str:
    """The certificate's text: upper bound, and the lower one where minimality was proved."""
    below = least.lower if isinstance(least.minimal, Proved) else None
    exponent, brackets = _integers([x for pair in least.upper.brackets for x in pair])
    content: dict[str, object] = {
        "schema": SCHEMA,
        "error": least.target.kind,
        "interval": [to_text(least.target.low), to_text(least.target.high)],
        "eps": to_text(least.eps),
        "degree": least.degree,
        "upper": {
            "exponent": least.poly.exponent,
            "numerators": [hex(n) for n in least.poly.numerators],
            "brackets_exponent": exponent,
            "brackets": [[a, b] for a, b in zip(brackets[::2], brackets[1::2], strict=True)],
        },
        "lower": None if below is None else _lower(least, below),
        "minimal": isinstance(least.minimal, Proved),
    }
    content["digest"] = "sha256:" + hashlib.sha256(_canonical(content).encode()).hexdigest()
    return _canonical(content)


def _canonical(content: dict[str, object]) -> str:
    return json.dumps(content, sort_keys=True, indent=1) + "\n"


def _lower(least: LeastDegree, below: LowerBound) -> dict[str, object]:
    short = _shortened(least.target, below, bits_of(least.eps))
    exponent, points = _integers(
        list((short if certainly_above(short.bound, least.eps) else below).points)
    )
    return {"degree": below.degree, "points_exponent": exponent, "points": points}


def _shortened(target: Target, below: LowerBound, error_bits: int) -> LowerBound:
    """The same points with 64-bit mantissas: the bound is flat there, so it hardly moves."""
    with precision(64):
        middle = [ball(0) + x for x in below.points[1:-1]]
        points = [ball(target.low).upper(), *(x.mid() for x in middle), ball(target.high).lower()]
    try:
        return certify_lower(target, points, error_bits + 30)
    except ValueError:  # two points fell together
        return below


def _integers(values: list[arb]) -> tuple[int, list[str]]:
    """Exact dyadic balls as integers (in hex) over one power of two."""
    pairs = [x.man_exp() for x in values]
    exponent = min([int(e) for _, e in pairs] + [0])
    return exponent, [hex(int(m) << (int(e) - exponent)) for m, e in pairs]
