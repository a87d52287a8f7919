"""The guaranteed kernel in the attention slot of `varnum.model`: one guarantee per call.

The slot takes the factor of the logits apart from the queries and wants the output in the dtype of
v. Both round, and both are in the certificate: the product as a logit error (claims softmax-logit,
softmax-compose), the cast as what it measurably did to each column, in units of its range.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np

from varnum._attention import Certificate, attention, parse_target
from varnum.balls.exact import to_text
from varnum.errors import InputError
from varnum.floats.arrays import merge, namespace, split_heads
from varnum.floats.guard import certifying, eagerly
from varnum.floats.inputs import kind_of, plain
from varnum.floats.qkv import check_inputs, check_kind
from varnum.floats.rounding import TINY, UNIT, dtype_name, expm1_up, gamma, up
from varnum.lowrank.capped_kernel import attend_apriori, work
from varnum.lowrank.method import Answer
from varnum.lowrank.problem import Problem, Target
from varnum.verdict import Unknown

_HALF = ("bfloat16", "float16")
_ROUNDED_HALF = 0.51  # of zeta: it costs zeta/2 (claim softmax-logit), 2 % pay for rounding here
_PART = 4  # the product may cost this part of the target, otherwise all is done in float64


class GuaranteedKernel:
    """An attention kernel for the slot of `varnum.model`: guarantees each call, keeps certificates.

    Called with q, k (B, H, L, d), v (B, H, L, d_v), the factor of the logits, and either no blocks
    or the token counts of the scales; see `varnum.model.attention`. `certificates` has one entry
    per call, in order, against exact attention of the very q, k, v and factor given. The guarantee
    is per attention layer; what it does to the model's output is the business of
    `varnum.propagate`. A narrow dtype of v may not carry a small output error: then the certificate
    says what it does carry, and `reached` is false.

    >>> x = np.linspace(-1, 1, 24).reshape(1, 2, 4, 3)
    >>> attend = GuaranteedKernel(output_error="1e-2")
    >>> attend(x, x, x, 0.5).shape, attend.worst.reached
    ((1, 2, 4, 3), True)
    >>> attend(x, x, x, "0.5")
    Traceback (most recent call last):
    varnum.errors.InputError: the factor: expected a NumPy array or torch tensor, got builtins.str
    >>> len(attend.certificates)
    1
    """

    def __init__(self, *, eps: str | None = None, output_error: str | None = None) -> None:
        self.kind, self.target, self.asked = parse_target(eps, output_error)
        self.certificates: list[Certificate] = []
        self.operations = 0  # of all calls; heads that are not done a priori count as exact ones
        self.operations_exact = 0

    @eagerly
    def __call__(
        self, q: Any, k: Any, v: Any, scale: Any, blocks: tuple[int, ...] | None = None
    ) -> Any:
        """Attention output (B, H, L, d_v) in the dtype of v; `scale`: a number or an array.

        Raises InputError for what `varnum.attention` refuses; then there is no new certificate.
        """
        q, k, v = (plain(part, name) for part, name in ((q, "q"), (k, "k"), (v, "v")))
        for part, name in ((q, "q"), (k, "k"), (v, "v")):
            check_kind(part, name, q)  # widening is exact for these, for integers it is not
        scale = _factor(scale, q)
        with certifying(q):
            return self._run(q, k, v, scale, blocks)

    def _run(self, q: Any, k: Any, v: Any, scale: Any, blocks: tuple[int, ...] | None) -> Any:
        for dtype in ("float32", "float64"):
            scaled = _times(_widen(q, dtype), scale)
            zeta = _logit_error(scaled, _widen(k, dtype))
            if zeta <= self.target / _PART or dtype_name(scaled) == "float64":
                break
        names = [dtype_name(part) for part in (scaled, k, v)]
        common = "float64" if "float64" in names else "float32"
        wide = [_widen(part, common) for part in (scaled, k, v)]
        if not math.isfinite(zeta):
            raise InputError("q, k or the factor: nan or inf, or products that overflow")
        eps = self.kind == "eps"
        # (1 + e) exp(zeta) - 1 <= target where e <= target - 2 zeta; an output pays zeta/2, and in
        # half precision the cast is left half of the target
        room = self.target - (2 if eps else _ROUNDED_HALF) * zeta
        if not eps and dtype_name(v) in _HALF:
            room -= self.target / 2
        asked = Fraction(max(room, self.target / _PART))
        found, made = self._attend(wide, blocks, asked)
        output = _cast(found, v)
        whole = up(made.output_error + zeta / 2 + _cast_error(found, output, v, blocks))
        bound = up(made.certified_error + (1 + made.certified_error) * expm1_up(zeta))
        self.certificates.append(
            replace(
                made,
                target=float(Fraction(self.asked)),
                asked=self.asked,
                certified_error=bound if eps else whole,
                output_error=whole,
            )
        )
        return output

    def _attend(
        self, wide: list[Any], blocks: tuple[int, ...] | None, asked: Fraction
    ) -> tuple[Any, Certificate]:
        """A-priori low rank for the heads where that takes fewer operations; `attention` else."""
        if self.kind == "eps":
            result = attention(*wide, sigma=1, scales=blocks, eps=asked, output_error=None)
            return result.output, result.certificate
        check_inputs(wide[0], wide[1], wide[2], 1.0, blocks)
        target = Target("output", float(np.nextafter(float(asked), 0)))
        heads = [Problem(*head, 1.0, target, blocks) for head in split_heads(*wide)]
        known = {i: found for i, head in enumerate(heads) if (found := _apriori(head)) is not None}
        for i, head in enumerate(heads):
            needed = work(head, known[i].rank if i in known else 0)
            self.operations += needed.low if i in known else needed.exact
            self.operations_exact += needed.exact
        if not known:
            result = attention(*wide, sigma=1, scales=blocks, eps=None, output_error=asked)
            return result.output, result.certificate
        made = [_certificate(heads[0], list(known.values()), asked)]
        outputs = {i: found.output for i, found in known.items()}
        if rest := [i for i in range(len(heads)) if i not in known]:
            parts = zip(*((heads[i].q, heads[i].k, heads[i].v) for i in rest), strict=True)
            xp = namespace(heads[0].q)
            stacked = [xp.stack(list(part)) for part in parts]
            result = attention(*stacked, sigma=1, scales=blocks, eps=None, output_error=asked)
            made.append(result.certificate)
            outputs |= dict(zip(rest, result.output, strict=True))
        whole = merge([outputs[i] for i in range(len(heads))], wide[2], int(wide[0].shape[-2]))
        return whole, _both(made)

    @property
    def worst(self) -> Certificate | None:
        """The weakest guarantee of all calls so far."""
        return max(self.certificates, key=lambda c: c.certified_error, default=None)


def _apriori(head: Problem) -> Answer | None:
    """Where that pays and keeps the target."""
    on_host = isinstance(head.q, np.ndarray) or head.q.device.type == "cpu"
    found = attend_apriori(head) if on_host else Unknown("not on this device")
    if isinstance(found, Unknown) or not found.output_error <= head.target.error:
        return None
    return found


def _certificate(head: Problem, found: list[Answer], asked: Fraction) -> Certificate:
    """Of all heads done a priori."""
    error = max(one.output_error for one in found)
    return Certificate(
        kind="output-error", target=float(asked), certified_error=error, output_error=error,
        method="apriori", rank=max(one.rank for one in found),
        rows=len(found) * int(head.q.shape[0]), rows_exact=0,
        reason=f"{len(found)} head(s) by monomials, known from norms alone", seconds=0.0,
        seconds_certificate=0.0, asked=to_text(asked),
    )  # fmt: skip


def _both(made: list[Certificate]) -> Certificate:
    """The weaker guarantee, the sums of rows."""
    worst = max(made, key=lambda one: one.certified_error)
    return replace(
        worst,
        output_error=max(one.output_error for one in made),
        method="+".join(sorted({name for one in made for name in one.method.split("+")})),
        rank=max(one.rank for one in made),
        rows=sum(one.rows for one in made),
        rows_exact=sum(one.rows_exact for one in made),
        reason="; ".join(one.reason for one in made),
        tested="; ".join(one.tested for one in made if one.tested),
    )


def _factor(scale: Any, q: Any) -> Any:
    """A plain array of the backend of q, or a float64 number: in the dtype of q it would round."""
    if isinstance(scale, int | float | np.number):
        try:
            return float(scale)
        except OverflowError:
            return math.inf
    scale = plain(scale, "the factor")
    if type(scale) is not type(q):
        raise InputError(f"the factor: {kind_of(scale)}, but q is {kind_of(q)}; use one backend")
    if dtype_name(scale) not in UNIT:
        raise InputError(f"the factor: dtype {scale.dtype} is not allowed; {', '.join(UNIT)}")
    return scale


def _times(q: Any, scale: Any) -> Any:
    """q times the factor, which may round to the dtype of q; `_logit_error` counts both."""
    if not isinstance(scale, float):
        return q * _widen(scale, dtype_name(q))
    return q * (q.dtype.type(scale) if isinstance(q, np.ndarray) else scale)


def _widen(array: Any, dtype: str) -> Any:
    """In `dtype`, or in its own where that is wider."""
    if dtype_name(array) == "float64":
        return array
    if isinstance(array, np.ndarray):
        return array.astype(dtype)
    return array.double() if dtype == "float64" else array.float()


def _cast(output: Any, v: Any) -> Any:
    if isinstance(output, np.ndarray):
        return output.astype(v.dtype)  # what overflows ends in an infinite bound
    return output.to(v.dtype)


def _logit_error(scaled: Any, k: Any) -> float:
    """What rounding q times the factor (and the factor to its dtype) costs a logit, from above."""
    name = dtype_name(scaled)
    far_q, far_k = (_far(part) for part in (scaled, k))
    return up(gamma(4, UNIT[name]) * far_q * far_k + 2 * scaled.shape[-1] * TINY[name] * far_k)


def _far(array: Any) -> float:
    """Not below the largest norm of a row (.., L, d); infinite where it overflows."""
    with np.errstate(all="ignore"):
        largest = math.sqrt(float((array * array).sum(-1).max()))
    least = TINY[dtype_name(array)] ** 0.5 * array.shape[-1]  # squares below this are lost
    return float((largest + least) * (1 + 4 * array.shape[-1] * UNIT[dtype_name(array)]))


def _cast_error(wide: Any, narrow: Any, v: Any, blocks: tuple[int, ...] | None) -> float:
    """Largest |wide - narrow| in units of the range of the column over the keys that a row sees."""
    wide, narrow, v = (_host(part) for part in (wide, narrow, v))
    ends = list(accumulate(blocks)) if blocks else [wide.shape[-2]]
    worst, start, low, high = 0.0, 0, np.inf, -np.inf
    for end in ends:
        seen = v[..., start:end, :] if blocks else v
        low, high = np.minimum(low, seen.min(-2)), np.maximum(high, seen.max(-2))
        moved = np.abs(wide[..., start:end, :] - narrow[..., start:end, :]).max(-2)
        with np.errstate(all="ignore"):
            part = np.where(moved == 0, 0.0, moved / (high - low))
        worst, start = max(worst, float(np.nan_to_num(part, nan=np.inf).max())), end
    return up(worst)


def _host(array: Any) -> Any:
    """The same numbers as a float64 NumPy array."""
    wide = array if isinstance(array, np.ndarray) else array.detach().double().cpu().numpy()
    return wide.astype(np.float64)
