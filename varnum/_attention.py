"""attention(q, k, v, ...): choose a guaranteed kernel, run it, hand over the certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from varnum.balls.exact import parse
from varnum.errors import InputError
from varnum.floats.arrays import like, merge, split_heads, to_double
from varnum.floats.guard import certifying, eagerly
from varnum.floats.inputs import finite, plain
from varnum.floats.norms import row_norms
from varnum.floats.qkv import check_inputs
from varnum.floats.rounding import UNIT, dtype_name, up
from varnum.floats.softmax_error import kernel_error, logit_spread
from varnum.lowrank.factors import attend
from varnum.lowrank.kernel import LowRankKernel, fit_kernel
from varnum.lowrank.polynomial import PolynomialKernel, fit_polynomial
from varnum.lowrank.varform import Outcome, attend_scales

METHODS = ("auto", "pivots", "monomials", "moments", "exact")

# what looking for pivots may cost; only time rests on these, measured on one core
_BUDGET = 0.25  # of exact attention
_MOMENT = 0.02  # seconds a head, if that is more
_PIVOT_SECONDS = 1.3e-8  # times tokens times the square of the number of pivots
_MOST_PIVOTS = 600


@dataclass(frozen=True)
class Certificate:
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

    @property
    def reached(self) -> bool:
        """Is the target proved?"""
        return bool(self.certified_error <= self.target)

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


class Attention(NamedTuple):
    """The output, in the backend of v (float32 for half-precision inputs), and its certificate."""

    output: Any
    certificate: Certificate


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
    kind, target = parse_target(eps, output_error)
    if method not in METHODS:
        raise InputError(f"method: {method!r} is not known; allowed: {', '.join(METHODS)}")
    if method == "moments" and kind == "eps":
        raise InputError("method: moments certifies the output only; pass output_error, or pivots")
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
            _one_head(*head, number, kind, target, scales, method) for head in split_heads(q, k, v)
        ]
        output = merge([output for output, _ in heads], v, int(q.shape[-2]))
        certificate = _worst([certificate for _, certificate in heads])
        return Attention(output, replace(certificate, seconds=perf_counter() - began))


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
) -> tuple[str, float]:
    """("eps" or "output-error", target as a float from below); InputError outside [1e-300, 1)."""
    if (eps is None) == (output_error is None):
        raise InputError("give exactly one of eps (kernel) and output_error (output)")
    kind, given = ("eps", eps) if eps is not None else ("output-error", output_error)
    value = parse(given, kind)  # type: ignore[arg-type]
    if not Fraction(1, 10**300) <= value < 1:
        shown = given if isinstance(given, str) else f"{float(value):.3g}"
        raise InputError(f"{kind}: {shown} is not allowed; from 1e-300 to below 1")
    return kind, float(np.nextafter(float(value), 0))


def _one_head(
    q: Any, k: Any, v: Any, sigma: float, kind: str, target: float,
    scales: tuple[int, ...] | None, method: str,
) -> tuple[Any, Certificate]:  # fmt: skip
    if kind == "output-error" and method in ("auto", "moments"):
        return _by_moments(q, k, v, sigma, target, scales, method)
    # a kernel error e costs tanh(artanh(e)/2) < e of the output
    eps = target if kind == "eps" else 2 * target / (1 + target * target) * 0.999
    reason, spent = "asked for", 0.0
    if method != "exact":
        found, reason, spent = _find_kernel(q, k, int(v.shape[1]), sigma, eps, method)
        if found is not None:
            return _by_kernel(found, v, kind, target, scales, reason, spent)
        if method != "auto":
            raise InputError(f"method: {method} certifies nothing here ({reason}); use auto")
    return _by_exact(q, k, v, sigma, kind, target, scales, reason, spent)


def _find_kernel(
    q: Any, k: Any, values: int, sigma: float, eps: float, method: str
) -> tuple[LowRankKernel | PolynomialKernel | None, str, float]:
    """The certified kernel of smallest rank, why it was taken (or why none), and the seconds.

    "auto" takes monomials first, which cost little to certify, and then as many pivots as a part of
    the time of exact attention allows.
    """
    began = perf_counter()
    wide_q, wide_k = to_double(q), to_double(k)
    tried: dict[str, LowRankKernel | PolynomialKernel | str] = {}
    if method in ("auto", "monomials"):
        tried["monomials"] = fit_polynomial(wide_q, wide_k, sigma, eps)
    if method == "pivots":
        tried["pivots"] = fit_kernel(wide_q, wide_k, sigma, eps)
    elif method == "auto":
        most = _affordable_pivots(len(wide_q), len(wide_k), wide_q.shape[1] + values)
        tried["pivots"] = fit_kernel(wide_q, wide_k, sigma, eps, most)
    found = [kernel for kernel in tried.values() if not isinstance(kernel, str)]
    said = "; ".join(
        f"{name}: {kernel}" if isinstance(kernel, str) else f"{name}: rank {kernel.rank}"
        for name, kernel in tried.items()
    )
    spent = perf_counter() - began
    if not found:
        return None, said, spent
    best = min(found, key=lambda kernel: kernel.rank)
    most = min(len(wide_q), len(wide_k))
    if best.rank >= most and method == "auto":
        return None, f"nothing pays: {said}, and there are {most} tokens", spent
    return best, said, spent


def _affordable_pivots(queries: int, keys: int, width: int) -> int:
    """How many pivots cost a quarter of exact attention's time, or a moment that nobody notices."""
    exact = (2e-10 * width + 2e-8) * queries * keys
    budget = max(_BUDGET * exact, _MOMENT)
    return max(1, min(_MOST_PIVOTS, int((budget / (_PIVOT_SECONDS * (queries + keys))) ** 0.5)))


def _by_kernel(
    kernel: LowRankKernel | PolynomialKernel, v: Any, kind: str, target: float,
    scales: tuple[int, ...] | None, reason: str, spent: float,
) -> tuple[Any, Certificate]:  # fmt: skip
    values = to_double(v)
    unit = 0.0 if dtype_name(v) == "float64" else UNIT[dtype_name(v)]
    wide, error = attend(kernel, values, scales, unit)
    output = like(wide, v)
    certified = kernel.certified if kind == "eps" else error
    method = "pivots" if isinstance(kernel, LowRankKernel) else "monomials"
    return output, Certificate(
        kind, target, certified, error, method, kernel.rank, len(output), 0, reason, 0.0, spent
    )


def _by_moments(
    q: Any, k: Any, v: Any, sigma: float, target: float, scales: tuple[int, ...] | None, method: str
) -> tuple[Any, Certificate]:
    output, outcome = attend_scales(q, k, v, scales, sigma, target)
    if method == "moments" and outcome.rank == 0:
        why = outcome.reason or "too few tokens"
        raise InputError(f"method: moments certifies nothing here ({why}); use auto")
    return output, _moment_certificate(outcome, target)


def _moment_certificate(outcome: Outcome, target: float) -> Certificate:
    low = outcome.rank > 0
    reason = outcome.reason or "too few tokens for low rank to pay"
    if low:
        reason = f"{outcome.centres} centre(s); {reason}"
    return Certificate(
        "output-error", target, outcome.certified, outcome.certified,
        "moments" if low else "exact", outcome.rank, outcome.rows, outcome.exact, reason, 0.0,
        outcome.seconds_fit + outcome.seconds_certificate, _tested(outcome),
    )  # fmt: skip


def _by_exact(
    q: Any, k: Any, v: Any, sigma: float, kind: str, target: float,
    scales: tuple[int, ...] | None, reason: str, spent: float,
) -> tuple[Any, Certificate]:  # fmt: skip
    output, outcome = attend_scales(q, k, v, scales, sigma, target, low_rank=False)
    if kind == "output-error":
        certified = outcome.certified
    else:
        certified, spread = _exact_eps(q, k, sigma)
        if certified > target and dtype_name(q) != "float64":
            wide = (to_double(q), to_double(k), to_double(v))
            output, outcome = attend_scales(*wide, scales, sigma, target, low_rank=False)
            certified, spread = _exact_eps(wide[0], wide[1], sigma)
            output = like(output, v, keep=True)
        if not certified < np.inf:
            reason += (
                f"; logits of one row may differ by {spread:.3g}: there exp underflows, and the "
                "smallest entries have no digits (ask for output_error)"
            )
    return output, Certificate(
        kind, target, certified, outcome.certified, "exact", 0, outcome.rows, outcome.rows,
        reason, 0.0, spent, _tested(outcome),
    )  # fmt: skip


def _tested(outcome: Outcome) -> str:
    if not outcome.fused:
        return ""
    return f"{outcome.exact} of {outcome.rows} rows by torch's fused kernel, whose sums are its own"


def _exact_eps(q: Any, k: Any, sigma: float) -> tuple[float, float]:
    """Entrywise relative error of the kernel that exact attention computes, from rounding alone.

    And a bound on the difference of two logits of one row.
    """
    wide_q, wide_k = to_double(q), to_double(k)
    far_q, far_k = (float(row_norms(part).max()) for part in (wide_q, wide_k))
    rest = (len(wide_k), int(q.shape[1]), q)
    spread = up(2 * far_q * far_k / sigma)
    found = kernel_error(far_q / sigma, far_k, spread, *rest)
    if not found < np.inf:  # norms are a loose bound: look at the logits themselves
        spread = logit_spread(wide_q, wide_k, sigma)
        found = kernel_error(far_q / sigma, far_k, spread, *rest)
    return found, spread


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
