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
from varnum.errors import InputError
from varnum.lowrank.arrays import like
from varnum.lowrank.rounding import TINY, UNIT, dtype_name, expm1_up, gamma, up

_HALF = ("bfloat16", "float16")
_PART = 4  # the product may cost this part of the target, otherwise all is done in float64


class GuaranteedKernel:
    """An attention kernel for the slot of `varnum.model`: guarantees each call, keeps certificates.

    Called with q, k (B, H, L, d), v (B, H, L, d_v), the factor of the logits, and either no blocks
    or the token counts of the scales; see `varnum.model.attention`. `certificates` has one entry
    per call, in order, against exact attention of the very q, k, v and factor given. The guarantee
    is per attention layer; what it does to the model's output is the business of
    `varnum.propagate`. A narrow dtype of v may not carry a small output error: then the certificate
    says what it does carry, and `reached` is false.
    """

    def __init__(self, *, eps: str | None = None, output_error: str | None = None) -> None:
        self.kind, self.target = parse_target(eps, output_error)
        self.certificates: list[Certificate] = []

    def __call__(
        self, q: Any, k: Any, v: Any, scale: Any, blocks: tuple[int, ...] | None = None
    ) -> Any:
        """Attention output (B, H, L, d_v) in the dtype of v; `scale`: a number or an array."""
        if isinstance(scale, int | float):
            scale = like(np.float64(scale), q, keep=True)  # not in the dtype of q: that would round
        for dtype in ("float32", "float64"):
            wide = [_widen(part, dtype) for part in (q, k, v)]
            wide[0] = wide[0] * _widen(scale, dtype_name(wide[0]))
            zeta = _logit_error(wide[0], wide[1])
            if zeta <= self.target / _PART or dtype_name(wide[0]) == "float64":
                break
        if not math.isfinite(zeta):
            raise InputError("q, k or the factor: nan or inf, or products that overflow")
        eps = self.kind == "eps"
        # (1 + e) exp(zeta) - 1 <= target where e <= target - 2 zeta; an output pays zeta/2, and in
        # half precision the cast is left half of the target
        room = self.target - (2 if eps else 0.51) * zeta
        if not eps and dtype_name(v) in _HALF:
            room -= self.target / 2
        asked = Fraction(max(room, self.target / _PART))
        given = (asked, None) if eps else (None, asked)
        result = attention(*wide, sigma=1, scales=blocks, eps=given[0], output_error=given[1])
        output = _cast(result.output, v)
        made = result.certificate
        whole = up(made.output_error + zeta / 2 + _cast_error(result.output, output, v, blocks))
        bound = up(made.certified_error + (1 + made.certified_error) * expm1_up(zeta))
        self.certificates.append(
            replace(
                made,
                target=self.target,
                certified_error=bound if eps else whole,
                output_error=whole,
            )
        )
        return output

    @property
    def worst(self) -> Certificate | None:
        """The weakest guarantee of all calls so far."""
        return max(self.certificates, key=lambda c: c.certified_error, default=None)


def _widen(array: Any, dtype: str) -> Any:
    """In `dtype`, or in its own where that is wider."""
    if dtype_name(array) == "float64":
        return array
    if isinstance(array, np.ndarray):
        return array.astype(dtype)
    return array.detach().double() if dtype == "float64" else array.detach().float()


def _cast(output: Any, v: Any) -> Any:
    if isinstance(output, np.ndarray):
        with np.errstate(over="ignore"):  # what overflows ends in an infinite bound
            return output.astype(v.dtype)
    return output.to(v.dtype)


def _logit_error(scaled: Any, k: Any) -> float:
    """What rounding q times the factor (and the factor to its dtype) costs a logit, from above."""
    name = dtype_name(scaled)
    far_q, far_k = (_far(part) for part in (scaled, k))
    return up(gamma(4, UNIT[name]) * far_q * far_k + 2 * scaled.shape[-1] * TINY[name] * far_k)


def _far(array: Any) -> float:
    """Not below the largest norm of a row (.., L, d); infinite where it overflows."""
    with np.errstate(over="ignore"):
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
