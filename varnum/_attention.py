"""attention(q, k, v, ...): choose a guaranteed kernel, run it, hand over the certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from numbers import Integral
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from varnum._certificate import Certificate as Certificate
from varnum._certificate import Head, of_heads
from varnum._portable import document, fixed
from varnum._spread import choose_for_spread
from varnum.balls.exact import parse, to_text
from varnum.errors import InputError
from varnum.floats.arrays import merge, split_heads
from varnum.floats.guard import certifying, eagerly
from varnum.floats.inputs import plain
from varnum.floats.qkv import check_inputs
from varnum.lowrank.baselines import estimate_baselines
from varnum.lowrank.choose import NAMES, choose
from varnum.lowrank.method import method as find
from varnum.lowrank.problem import Problem, Promise, Target
from varnum.verdict import Unknown


class Attention(NamedTuple):
    """The output, in the backend of v (float32 for half-precision inputs), and its certificate."""

    output: Any
    certificate: Certificate

    def __repr__(self) -> str:
        return f"Attention(output {tuple(self.output.shape)}, {self.certificate})"

    @property
    def heads(self) -> tuple[Head, ...]:
        """What ran and what is certified, head by head."""
        return self.certificate.heads

    def portable(self) -> str:
        """The certificate as a file that `varnum check FILE --inputs .. --output ..` reads.

        InputError where the target is not reached, or `portable=True` was not asked for.

        >>> x = np.linspace(-1, 1, 24).reshape(8, 3)
        >>> attention(x, x, x, output_error="1e-2", portable=True).portable()[:11]
        '{\\n "bound":'
        >>> attention(x, x, x, output_error="1e-2").portable()
        Traceback (most recent call last):
        varnum.errors.InputError: portable: call attention(.., portable=True), it hashes the arrays
        """
        if not self.certificate.reached:
            raise InputError("portable: the target is not reached, so there is nothing to write")
        if not self.certificate.document:
            raise InputError("portable: call attention(.., portable=True), it hashes the arrays")
        return self.certificate.document

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
    output_spread: str | Fraction | None = None,
    scales: Sequence[int] | None = None,
    causal: bool = False,
    method: str = "auto",
    baselines: int = 0,
    portable: bool = False,
) -> Attention:
    """softmax(q k^T / sigma) v with a guaranteed error, in sub-quadratic time where possible.

    q (..., L_q, d), k (..., L_k, d), v (..., L_k, d_v): NumPy arrays or torch tensors of one float
    dtype and one device; leading axes are batch and heads. sigma: a number, sqrt (of d), 4sqrt, d.
    Half precision comes back as float32, float32 as float64 where it cannot carry a kernel target.
    Exactly one of `eps` (kernel, entrywise relative), `output_error` (output, in units of the range
    of each value column) and `output_spread` (in units of the standard deviation of each column of
    the exact output over the rows of its head) says what is guaranteed; exact decimals or
    fractions, as strings.
    `scales` (N_1, .., N_K): block-causal, tokens of scale s see scales 1..s; L_q = L_k = sum.
    `causal`: row i sees keys 0..i; L_q = L_k. Errors are then in units of the range of what each
    row sees.

    `baselines`: rows of each head on which the errors of the mean of V and of attention of degree
    one are measured, not bounded, after the time is taken; 0: not. `portable`: copy and hash the
    arrays, so that `Attention.portable` is a certificate that a second program checks.

    "auto" takes pivots or monomials for eps, recovery or moments for output_error, and exact
    attention where none of them pays or is certified: the certificate says which and why. No
    gradients: inputs that want one are refused unless under `torch.no_grad()`. Do not write to q,
    k, v meanwhile. Raises InputError for bad input, where the arithmetic is not what the proofs
    assume (see `varnum.floats.probes`), and where a method asked for by name certifies nothing.

    >>> x = np.linspace(-1, 1, 24).reshape(8, 3)
    >>> found = attention(x, x, x, output_error="1e-2")
    >>> found.output.shape, found.certificate.reached
    ((8, 3), True)
    >>> attention(x, x[:4], x, output_error="1e-2")
    Traceback (most recent call last):
    varnum.errors.InputError: v: 8 tokens, but k has 4

    Claims kernel-residual, recovery, moment-certificate, monomial-rank, softmax-relative,
    float-forward.
    """
    kind, target, asked = parse_target(eps, output_error, output_spread)
    spread = target if kind == "output-spread" else None
    if isinstance(baselines, bool) or not isinstance(baselines, int) or not 0 <= baselines <= 4096:
        raise InputError(f"baselines: {baselines!r} is not allowed; a whole number in [0, 4096]")
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
        scales = None if scales is None else tuple(map(_count, scales))
    except TypeError:
        raise InputError(
            f"scales: {scales!r} is not allowed; token counts such as (1, 4)"
        ) from None
    with certifying(q):  # what overflows ends in an infinite bound, and so in exact rows
        check_inputs(q, k, v, number, scales)
        view = view_of(int(q.shape[-2]), int(k.shape[-2]), scales, causal)
        if portable:
            (q, q_is), (k, k_is), (v, v_is) = (fixed(part) for part in (q, k, v))
        began = perf_counter()
        goal = Target(promise, target if spread is None else 0.5)
        problems = [Problem(*head, number, goal, view) for head in split_heads(q, k, v)]
        done = [_one_head(problem, method, spread) for problem in problems]
        output = merge([output for output, _ in done], v, int(q.shape[-2]))
        spent = perf_counter() - began
        heads = [head for _, head in done]
        if baselines:
            pairs = zip(heads, problems, strict=True)
            heads = [_beside(head, problem, baselines) for head, problem in pairs]
        certificate = of_heads(kind, float(Fraction(asked)), asked, heads)
        certificate = replace(certificate, seconds=spent)
        if portable:
            arrays = {"q": q_is, "k": k_is, "v": v_is, "output": fixed(output)[1]}
            seen = "causal" if causal else view
            certificate = replace(certificate, document=document(certificate, arrays, sigma, seen))
        return Attention(output, certificate)


def _count(given: object) -> Any:
    """A whole number as a plain one, asked once; all else as it is, to be refused."""
    return int(given) if isinstance(given, Integral) and not isinstance(given, bool) else given


def view_of(
    queries: int, keys: int, scales: Sequence[int] | None, causal: bool
) -> tuple[int, ...] | None:
    """Tokens per scale; causal: scales of one token."""
    if not isinstance(causal, bool):
        raise InputError(f"causal: {causal!r} is not allowed; True or False")
    if causal and scales is not None:
        raise InputError("causal: give it or scales, not both")
    if causal and queries != keys:
        raise InputError(f"causal: {queries} queries and {keys} keys; their numbers must agree")
    if causal:
        return (1,) * keys
    return None if scales is None else tuple(int(count) for count in scales)


def resolve_sigma(sigma: str | int | float | Fraction, d: int) -> float:
    """The divisor of the logits, at most two ulps off: sqrt (of d), 4sqrt, d, or a number."""
    named = sigma if isinstance(sigma, str) else ""
    if named == "sqrt":
        return float(np.sqrt(d))
    if named == "4sqrt":
        return 4 * float(np.sqrt(d))
    if named == "d":
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
    eps: str | Fraction | None,
    output_error: str | Fraction | None,
    output_spread: str | Fraction | None = None,
) -> tuple[str, float, str]:
    """("eps", "output-error" or "output-spread", a float below the target, the target as text).

    Raises InputError outside (1e-300, 1); of a spread up to 100.
    """
    given = {"eps": eps, "output-error": output_error, "output-spread": output_spread}
    asked = [(name, value) for name, value in given.items() if value is not None]
    if len(asked) != 1:
        raise InputError(
            "give exactly one of eps (kernel), output_error and output_spread (output)"
        )
    [(kind, text)] = asked
    name = kind.replace("-", "_")  # of the argument
    value = parse(text, name)
    most = 100 if kind == "output-spread" else 1
    below = float(np.nextafter(float(value), 0))
    if not 1e-300 <= below < value < most:
        shown = text if isinstance(text, str) else f"{float(value):.3g}"
        raise InputError(f"{name}: {shown} is not allowed; above 1e-300 and below {most}")
    return kind, below, to_text(value)


def _one_head(problem: Problem, method: str, spread: float | None) -> tuple[Any, Head]:
    """Output of one head within its target, or within `spread` of its own spread."""
    if spread is None:
        found: Any = choose(problem, method)
    else:
        found = choose_for_spread(problem, method, spread)
    if isinstance(found, Unknown):
        raise InputError(f"method: {method} certifies nothing here ({found.reason}); use auto")
    chosen, error = found if isinstance(found, tuple) else (found, None)
    answer = chosen.answer
    error = answer.error(problem.target.of) if error is None else error
    head = Head(
        chosen.method, error, answer.output_error, answer.rank, int(problem.q.shape[0]),
        answer.rows_exact, chosen.reason, answer.tested, chosen.seconds,
    )  # fmt: skip
    return answer.output, head


def _beside(head: Head, problem: Problem, rows: int) -> Head:
    """With what costs nothing, measured on some rows."""
    seen = estimate_baselines(problem, rows)
    return replace(
        head, mean_v_error=seen.mean_v, degree_one_error=seen.degree_one, baseline_rows=seen.rows
    )
