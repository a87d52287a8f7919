"""A request answered: low rank for some heads, torch's kernel for the rest; needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from varnum.floats.rounding import TINY, UNIT, dtype_name
from varnum.integrations.exact_attention import Exact, Sizes, attend_exactly, cast_error, settle
from varnum.integrations.low_rank_heads import Low, low_rank
from varnum.integrations.masks import View
from varnum.integrations.merged_parts import Merged
from varnum.integrations.request import Request
from varnum.lowrank.choose import EXACT


@dataclass(frozen=True)
class Facts:
    """For the certificate: over all heads of the call."""

    method: str
    rank: int
    exact: int  # rows
    reason: str
    seconds: float
    tested: str


def answer(given: Request, target: float) -> tuple[Any, Any, Facts]:
    """Output (B, H, L_q, d_v) in the dtype of the request, bound (B, H) float64, and what was done.

    Half precision leaves half of the target for the cast.
    """
    import torch

    q, v = given.q, given.v
    shape = (*q.shape[:3], v.shape[3])
    if 0 in (*shape, given.k.shape[2]):  # nothing to sum: zeros, exactly
        nothing = torch.zeros(shape, dtype=given.dtype, device=q.device)
        bounds = torch.zeros(q.shape[:2], dtype=torch.float64, device=q.device)
        return nothing, bounds, Facts(EXACT, 0, 0, "nothing to attend to", 0.0, "")
    given = _with_width(given)
    view, within = View(given), target / 2 if given.half else target
    sizes, ranges = Sizes(given, view), view.ranges(v)
    low = low_rank(given, view, within, sizes, ranges)
    skip = torch.zeros(q.shape[:2], dtype=torch.bool, device=q.device)
    for head in low:
        skip[head] = True
    found = attend_exactly(given, view, within, sizes, ranges, skip)
    exact = (int(skip.numel()) - len(low)) * int(q.shape[2])
    for head, one in low.items():
        if isinstance(one, Merged):
            exact += settle(found, given, sizes, head, one, within)
        else:
            exact += one.exact
            found.out[head] = one.out.to(v.dtype)
            found.bound[head] = one.error + _narrowed(one.out, found, head)
    out = found.out.to(given.dtype)
    if given.half:
        found.bound = found.bound + cast_error(found, out)
    return out, found.bound.amax(-1), _facts(low, found, skip, exact)


def _with_width(given: Request) -> Request:
    """Head dimension 0: all logits are 0; one coordinate of zeros says the same."""
    from dataclasses import replace

    if given.q.shape[-1]:
        return given
    q, k = (part.new_zeros(*part.shape[:-1], 1) for part in (given.q, given.k))
    return replace(given, q=q, k=k)


def _narrowed(out: Any, found: Exact, head: tuple[int, int]) -> Any:
    """Low rank may come back in float64: what the cast costs a row, in units of its range."""
    if out.dtype == found.out.dtype:
        return 0.0
    name = dtype_name(found.out)
    low, high = (part[head].double() for part in (found.ranges.low, found.ranges.high))
    spread = (high - low)[found.ranges.group]
    lost = out.double().abs() * UNIT[name] + TINY[name]
    return (lost / spread).masked_fill(out.double() == found.out[head].double(), 0.0).amax(-1)


def _facts(low: dict[tuple[int, int], Low | Merged], found: Exact, skip: Any, exact: int) -> Facts:
    rows = int(found.out.shape[2])
    names = {one.method for one in low.values()} | ({EXACT} if len(low) < skip.numel() else set())
    wide = sum(len(rows) for _, rows, _, _ in found.sharper)
    said = [f"{len(low)} of {skip.numel()} heads by low rank"]
    said += [f"{wide} rows again, of which some in float64"] if wide else []
    said += sorted({one.reason for one in low.values()})[:1]
    tested = (
        f"{exact} of {rows * skip.numel()} rows by torch's fused kernel, whose sums are its own"
    )
    return Facts(
        "+".join(sorted(names)), max((one.rank for one in low.values()), default=0), exact,
        "; ".join(said), sum(one.seconds for one in low.values()), tested if exact else "",
    )  # fmt: skip
