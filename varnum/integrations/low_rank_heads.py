"""Low rank for the heads of a request where it may pay; needs torch.

Nothing rests on the choice of heads: what is taken carries its own bound, all else is done exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from varnum.integrations import merged_parts
from varnum.integrations.exact_attention import Sizes
from varnum.integrations.masks import Ranges, View, of_head
from varnum.integrations.merged_parts import Merged
from varnum.integrations.request import Request
from varnum.lowrank.choose import choose_low
from varnum.lowrank.problem import Problem, Target
from varnum.verdict import Unknown

LEAST = 513  # queries, and keys: with fewer exact attention is as fast
_QUERIES, _KEYS = 64, 256  # looked at before anything is tried
_SPREAD = (1.6, 2.0)  # half a row's range of centred logits at 1e-2, and times this at 1e-1


@dataclass(frozen=True)
class Low:
    """A head done by low rank: out (L_q, d_v) in working precision, and what is known of it."""

    out: Any
    error: float
    method: str
    rank: int
    exact: int  # rows
    reason: str
    seconds: float
    tested: str


def low_rank(
    given: Request, view: View, target: float, sizes: Sizes, ranges: Ranges
) -> dict[tuple[int, int], Low | Merged]:
    """The heads that low rank does, within `target` or with the bound that each row has."""
    if min(view.rows, view.keys) < LEAST or not given.scale > 0:
        return {}
    triangle = view.offset == 0 and view.rows == view.keys  # as `varnum.attention(causal=True)`
    whole = view.same and not view.additive
    if not whole and min(view.rows, view.keys) < merged_parts.LEAST:
        return {}
    found: dict[tuple[int, int], Low | Merged] = {}
    ratio = None
    for head in likely(given, target):
        if not bool(sizes.regular[head]):
            continue
        if whole or triangle:
            low: Low | Merged | None = _whole(given, view, head, target)
        else:
            ratio = sizes.of_rows(ranges) if ratio is None else ratio
            low = merged_parts.by_parts(given, view, head, target, sizes, ratio[head])
        if low is not None:
            found[head] = low
    return found


def likely(given: Request, target: float) -> list[tuple[int, int]]:
    """Heads whose logits vary little, once what softmax and key weights do not see is taken off."""
    q, k = (_some(part, most) for part, most in ((given.q, _QUERIES), (given.k, _KEYS)))
    logits = given.scale * (q @ k.transpose(-1, -2))
    rest = logits - logits.mean(-1, keepdim=True)
    rest = rest - rest.mean(-2, keepdim=True)
    spread = (rest.amax(-1) - rest.amin(-1)) / 2  # (B, H, n)
    usual = spread.float().quantile(0.9, dim=-1)
    limit = _SPREAD[0] * _SPREAD[1] ** (math.log10(target) + 2)
    return [(int(b), int(h)) for b, h in (usual <= limit).nonzero().tolist()]


def _whole(given: Request, view: View, head: tuple[int, int], target: float) -> Low | None:
    """Where every row sees the same keys: the others are dropped; or row i sees keys 0..i."""
    q, k, v = (part[head].contiguous() for part in (given.q, given.k, given.v))
    if view.mask is not None:
        seen = of_head(view.seen, head)[0]
        k, v = k[seen], v[seen]
        if int(k.shape[0]) < LEAST:
            return None
    seen_by = None if view.offset is None else (1,) * view.rows
    chosen = choose_low(Problem(q, k, v, 1 / given.scale, Target("output", target), seen_by))
    if isinstance(chosen, Unknown):
        return None
    answer = chosen.answer
    return Low(
        answer.output, answer.output_error, chosen.method, answer.rank, answer.rows_exact,
        chosen.reason, chosen.seconds, answer.tested,
    )  # fmt: skip


def _some(part: Any, most: int) -> Any:
    step = -(-part.shape[2] // most)
    return part[:, :, ::step]
