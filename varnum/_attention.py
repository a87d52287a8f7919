"""attention(q, k, v, ...): choose a guaranteed kernel, run it, hand over the certificate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from varnum.balls.exact import parse, to_text
from varnum.envelope import plain as plain_json
from varnum.errors import InputError
from varnum.floats.arrays import merge, split_heads
from varnum.floats.guard import certifying, eagerly
from varnum.floats.inputs import finite, plain
from varnum.floats.qkv import check_inputs
from varnum.lowrank.choose import NAMES, choose
from varnum.lowrank.method import method as find
from varnum.lowrank.problem import Problem, Promise, Target
from varnum.outward import at_most
from varnum.value import Value
from varnum.verdict import Unknown

_KINDS: dict[Promise, str] = {"kernel": "eps", "output": "output-error"}


@dataclass(frozen=True, repr=False)
class Certificate(Value):
    """What is guaranteed about an output, by what method, and at what cost.

    kind "eps": every kernel entry, up to a factor per row, is within `certified_error` of
    exp(q.k/sigma), relative. kind "output-error": every output entry is within `certified_error`
    times the range of its value column over the keys that the row sees. Rounding is included.
    """

    kind: str
    target: float
    certified_error: float
    output_error: float  # what either kind implies for the output, in units of the range
    method: str
    rank: int  # features per query; the largest over heads
    rows: int
    rows_exact: int
    reason: str
    seconds: float
    seconds_certificate: float
    tested: str = ""  # what ran that is only tested, in words; nothing where all is proved
    asked: str = ""  # the target exactly, as text; `target` is the float next to it

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

    def to_dict(self) -> dict[str, Any]:
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
            "seconds": self.seconds,
            "seconds_certificate": self.seconds_certificate,
            "assumptions": self.assurance,
        }
        shown: dict[str, Any] = plain_json(fields)  # an infinite bound is None
        return shown


class Attention(NamedTuple):
    """The output, in the backend of v (float32 for half-precision inputs), and its certificate."""

    output: Any
    certificate: Certificate

    def __repr__(self) -> str:
        return f"Attention(output {tuple(self.output.shape)}, {self.certificate})"

    def to_dict(self) -> dict[str, Any]:
        """The certificate's, without the array."""
        return self.certificate.to_dict()


@eagerly
def attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    sigma: str | int | float | Fraction = "sqrt",
    eps: str | Fraction | None = None,
    output_error: str | Fraction | None = None,
    scales: Sequence[int] | None = None,
    method: str = "auto",
) -> Attention:
    """softmax(q k^T / sigma) v with a guaranteed error, in sub-quadratic time where possible.

    q (..., L_q, d), k (..., L_k, d), v (..., L_k, d_v): NumPy arrays or torch tensors of one float
    dtype and one device; leading axes are batch and heads. sigma: a number, sqrt (of d), 4sqrt, d.
    Half precision comes back as float32, float32 as float64 where it cannot carry a kernel target.
    Exactly one of `eps` (kernel, entrywise relative) and `output_error` (output, in units of the
    range of each value column) says what is guaranteed; exact decimals or fractions, as strings.
    `scales` (N_1, .., N_K): block-causal, tokens of scale s see scales 1..s; L_q = L_k = sum.

    "auto" takes pivots or monomials for eps and moments for output_error, and exact attention where
    none of them pays or is certified: the certificate says which and why. No gradients: inputs that
    want one are refused unless under `torch.no_grad()`. Do not write to q, k, v meanwhile.
    Raises InputError for bad input, where the arithmetic is not what the proofs assume (see
    `varnum.floats.probes`), and where a method is asked for by name but certifies nothing.

    Claims kernel-residual, moment-certificate, monomial-rank, softmax-relative, float-forward.
    """
    kind, target, asked = parse_target(eps, output_error)
    if method not in NAMES:
        raise InputError(f"method: {method!r} is not known; allowed: {', '.join(NAMES)}")
    promise: Promise = "kernel" if kind == "eps" else "output"
    if promise == "kernel" and method != "auto" and find(method).promises == "output":
        raise InputError(
            f"method: {method} certifies the output only; pass output_error, or pivots"
        )
    q, k, v = (plain(part, name) for part, name in ((q, "q"), (k, "k"), (v, "v")))
    number = resolve_sigma(sigma, int(q.shape[-1]) if q.shape else 1)
    try:
        scales = None if scales is None else tuple(scales)
    except TypeError:
        raise InputError(
            f"scales: {scales!r} is not allowed; token counts such as (1, 4)"
        ) from None
    with certifying(q):  # what overflows ends in an infinite bound, and so in exact rows
        check_inputs(q, k, v, number, scales)
        scales = None if scales is None else tuple(int(count) for count in scales)
        began = perf_counter()
        heads = [
            _one_head(Problem(*head, number, Target(promise, target), scales), method)
            for head in split_heads(q, k, v)
        ]
        output = merge([output for output, _ in heads], v, int(q.shape[-2]))
        certificate = _worst([certificate for _, certificate in heads])
        spent = perf_counter() - began
        given = float(Fraction(asked))
        return Attention(output, replace(certificate, seconds=spent, target=given, asked=asked))


def resolve_sigma(sigma: str | int | float | Fraction, d: int) -> float:
    """The divisor of the logits, at most two ulps off: sqrt (of d), 4sqrt, d, or a number."""
    if sigma == "sqrt":
        return float(np.sqrt(d))
    if sigma == "4sqrt":
        return 4 * float(np.sqrt(d))
    if sigma == "d":
        return float(d)
    exact = Fraction(sigma) if isinstance(sigma, float) and np.isfinite(sigma) else None
    try:
        value = exact if exact is not None else parse(sigma, "sigma")  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{error}, sqrt, 4sqrt, or d") from None
    if not Fraction(1, 10**12) <= value <= 10**12:
        raise InputError(
            f"sigma: {sigma} is not allowed; between 1e-12 and 1e12, sqrt, 4sqrt, or d"
        )
    return float(value)


def parse_target(
    eps: str | Fraction | None, output_error: str | Fraction | None
) -> tuple[str, float, str]:
    """("eps" or "output-error", a float below the target, the target exactly as text).

    Raises InputError outside [1e-300, 1).
    """
    if (eps is None) == (output_error is None):
        raise InputError("give exactly one of eps (kernel) and output_error (output)")
    kind, given = ("eps", eps) if eps is not None else ("output-error", output_error)
    value = parse(given, kind)  # type: ignore[arg-type]
    if not Fraction(1, 10**300) <= value < 1:
        shown = given if isinstance(given, str) else f"{float(value):.3g}"
        raise InputError(f"{kind}: {shown} is not allowed; from 1e-300 to below 1")
    return kind, float(np.nextafter(float(value), 0)), to_text(value)


def _one_head(problem: Problem, method: str) -> tuple[Any, Certificate]:
    chosen = choose(problem, method)
    if isinstance(chosen, Unknown):
        raise InputError(f"method: {method} certifies nothing here ({chosen.reason}); use auto")
    answer, target = chosen.answer, problem.target
    return answer.output, Certificate(
        _KINDS[target.of], target.error, answer.error(target.of), answer.output_error,
        chosen.method, answer.rank, int(problem.q.shape[0]), answer.rows_exact, chosen.reason, 0.0,
        chosen.seconds, answer.tested,
    )  # fmt: skip


def _worst(parts: list[Certificate]) -> Certificate:
    """One certificate for all heads: the weakest guarantee, the sums of rows and times."""
    worst = max(parts, key=lambda part: finite(part.certified_error))
    methods = sorted({part.method for part in parts})
    return replace(
        worst,
        certified_error=finite(worst.certified_error),
        output_error=max(finite(part.output_error) for part in parts),
        tested="; ".join(sorted({part.tested for part in parts if part.tested})),
        method="+".join(methods),
        rank=max(part.rank for part in parts),
        rows=sum(part.rows for part in parts),
        rows_exact=sum(part.rows_exact for part in parts),
        seconds_certificate=sum(part.seconds_certificate for part in parts),
    )
