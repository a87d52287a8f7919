"""Exact attention of a whole request by torch's own kernel, with a bound per row; needs torch.

Claim float-forward, with the row's own number of keys and range of values. Rows whose bound misses
the target are done again in float64. Heads that hold nan or inf, or whose logits overflow, go to
torch's plain formula, and nothing is said about them: their bound is nan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from varnum.floats.rounding import TINY, UNIT, dtype_name
from varnum.floats.softmax_error import FUSED_EXP_ULPS
from varnum.integrations.masks import Ranges, View, of_head
from varnum.integrations.request import Request

_UP = 1 + 2.0**-30  # of float64 expressions in fewer than 2^20 terms >= 0
_NEGLIGIBLE = 1e-20  # the mass of keys that are e^-60 below another one, twice: 2 L_k e^-60
_LARGEST = {"float32": 1e36, "float64": 1e300}  # of a logit
_SCALES = {"float32": 2.0**100, "float64": 2.0**900}  # a kernel's own scale, or its reciprocal
_SUM = 2.0**70  # sums of that many largest values do not overflow
_MANY = 4  # with this part of a head's rows in float64, all of them are no slower


@dataclass
class Exact:
    """out (B, H, L_q, d_v) in working precision, bound (B, H, L_q) float64.

    irregular (B, H): heads about which nothing is said. sharper: (head, rows, low, high) of rows
    done again, whose ranges are exact now.
    """

    out: Any
    bound: Any
    ranges: Ranges
    irregular: Any
    sharper: list[tuple[tuple[int, int], Any, Any, Any]] = field(default_factory=list)


def attend_exactly(
    given: Request, view: View, target: float, sizes: Sizes, ranges: Ranges, skip: Any
) -> Exact:
    """Attention of all heads but those of `skip` (B, H), whose part of the answer means nothing."""
    import torch

    name = dtype_name(given.q)
    irregular = ~sizes.regular
    out = _kernel(given, view, skip)
    over = (~(sizes.reach < _LARGEST[name]) | irregular) & ~skip
    for b, h in over.nonzero().tolist():
        out[b, h] = _formula(given, view, (b, h))
        irregular[b, h] |= ~out[b, h].isfinite().all()
    bound = sizes.bound(view, ranges, UNIT[name])
    _mend(out, ranges, sizes.constant, irregular)
    none = (view.counts == 0).expand_as(bound)
    if bool(none.any()):
        out.masked_fill_((none & ~irregular[..., None])[..., None], 0.0)
        bound = bound.masked_fill(none, 0.0)
    found = Exact(out, bound, ranges, irregular)
    missed = ~(bound <= target) & ~(irregular | skip)[..., None]
    if name == "float64":  # no wider: what can be had is the range, where it is not known
        missed &= (bound == math.inf) & ~ranges.exact
    for b, h in missed.any(-1).nonzero().tolist():
        again(found, given, (b, h), missed[b, h].nonzero()[:, 0], "float64", target)
    found.bound = torch.where(irregular[..., None], math.nan, found.bound)
    return found


def settle(
    found: Exact, given: Request, sizes: Sizes, head: tuple[int, int], made: Any, target: float
) -> int:
    """A head by parts into `found`; rows that miss the target run exactly: how many."""
    found.out[head] = made.out.to(found.out.dtype)
    found.bound[head] = made.bound
    _mend(found.out, found.ranges, sizes.constant, found.irregular)
    missed = 0
    for name in (dtype_name(given.q), "float64"):
        rows = (~(found.bound[head] <= target)).nonzero()[:, 0]
        missed = max(missed, len(rows))
        if len(rows):
            again(found, given, head, rows, name, target)
    return missed


class Sizes:
    """Norms and largest entries of the heads of a request, none below the exact ones."""

    def __init__(self, given: Request, view: View) -> None:
        import torch

        q, k, v = given.q, given.k, given.v
        self.width, self.name = int(q.shape[-1]), dtype_name(q)
        seen = v
        if view.mask is not None:  # the weights of keys that nobody sees are 0, exactly
            seen = torch.where(view.ever[..., None], v, 0.0)
        low, high = seen.amin(2), seen.amax(2)
        self.constant = low == high  # (B, H, d_v)
        self.largest = torch.maximum(high.double(), -low.double())
        self.reach = _farthest(q) * _farthest(k) * abs(given.scale) * _UP  # of |logit|, (B, H)
        if not 1 / _SCALES[self.name] <= abs(given.scale) <= _SCALES[self.name]:
            self.reach = torch.full_like(self.reach, math.inf)  # fused kernels lose such a scale
        self.regular = torch.ones_like(self.reach, dtype=torch.bool)
        for part in (q, k, v):
            spread = part.amax((-2, -1)) - part.amin((-2, -1))  # nan or inf where there is one
            if not bool(spread.isfinite().all()):  # or the largest numbers are there
                self.regular &= part.isfinite().all(-1).all(-1)
        if view.additive:
            self.regular &= (view.top < math.inf).all(-1)
        self.mask = view.size(self.reach)  # of rows, (B|1, H|1, L_q|1)

    def bound(self, view: View, ranges: Ranges, unit: float) -> Any:
        """Output error per row (B, H, L_q) in units of the range of the keys that it sees."""
        return self.rounding(view.counts, self.mask, self.of_rows(ranges), unit)

    def of_rows(self, ranges: Ranges) -> Any:
        """Largest max|v| / range per row (B, H, L_q); infinite where the range is not known."""
        import torch

        ratio, still = self.ratios(ranges.low, ranges.high)  # (B, H, R)
        unsure = still[..., ranges.group] & ~ranges.exact
        return torch.where(unsure, math.inf, ratio[..., ranges.group])

    def ratios(self, low: Any, high: Any) -> tuple[Any, Any]:
        """Largest max|v| / range over columns that move, of low, high (B, H, R, d_v) -> (B, H, R).

        And: is there a column that does not move here, but may elsewhere?
        """
        import torch

        spread = high.double() - low.double()
        moves = spread > 0
        size = self.largest[:, :, None] + TINY[self.name] / UNIT[self.name]
        ratio = torch.where(moves, size / torch.where(moves, spread, 1.0), 0.5).amax(-1)
        if not bool((size * (_SUM * TINY[self.name]) < 1).all()):
            ratio = torch.full_like(ratio, math.inf)  # sums may overflow
        return ratio * _UP, ~(moves | self.constant[:, :, None]).all(-1)

    def rounding(self, counts: Any, mask: Any, ratio: Any, unit: float) -> Any:
        """Half the logit error (1 at most: both outputs are means), then sums, then the quotient.

        counts, mask, ratio of max|v| to the range: of rows, (B, H, n) or axes of one.
        """
        reach = self.reach[..., None]
        zeta = gammas(self.width + 8.0, unit) * reach + 2 * FUSED_EXP_ULPS * unit
        zeta = zeta + 8 * unit * (1 + 2 * (reach + mask))
        sums = gammas(3 * counts.double() + 16, unit)
        rest = sums / (1 - sums).clamp(1e-30) * 3 * ratio + 4 * unit * ratio
        return ((zeta / 2).nan_to_num(1.0, 1.0).clamp(max=1.0) + rest + _NEGLIGIBLE) * _UP


def cast_error(found: Exact, narrow: Any) -> Any:
    """What a narrower type did to each row (B, H, L_q), in units of its range."""
    ranges = found.ranges
    error = _moved(
        found.out, narrow, ranges.low[:, :, ranges.group], ranges.high[:, :, ranges.group]
    )
    for (b, h), rows, low, high in found.sharper:
        error[b, h, rows] = _moved(found.out[b, h][rows], narrow[b, h][rows], low, high)
    return error


def _moved(wide: Any, narrow: Any, low: Any, high: Any) -> Any:
    import torch

    moved = (wide.double() - narrow.double()).abs()
    per = torch.where(moved == 0, 0.0, moved / (high.double() - low.double()).clamp(0))
    return per.amax(-1) * _UP


def _kernel(given: Request, view: View, skip: Any) -> Any:
    import torch

    q, k, v = given.q, given.k, given.v
    if skip is None or not bool(skip.any()):
        return _fused(q, k, v, given.scale, view.arguments())
    out = torch.zeros(*q.shape[:-1], v.shape[-1], dtype=v.dtype, device=v.device)
    for b, h in (~skip).nonzero().tolist():
        one = [part[b, h][None, None] for part in (q, k, v)]
        out[b, h] = _fused(one[0], one[1], one[2], given.scale, view.arguments((b, h)))[0, 0]
    return out


def _fused(q: Any, k: Any, v: Any, scale: float, arguments: dict[str, Any]) -> Any:
    """Torch's kernel itself, not the name that `varnum.use` replaces; memory of its own."""
    import torch

    out = torch._C._nn.scaled_dot_product_attention(q, k, v, scale=scale, **arguments)
    return out.clone() if out.data_ptr() == v.data_ptr() else out


def _formula(given: Request, view: View, head: tuple[int, int]) -> Any:
    """Softmax of the logits as they come, as torch's MATH backend does it."""
    import torch

    parts = (part[head][None, None] for part in (given.q, given.k, given.v))
    plain = torch.ops.aten._scaled_dot_product_attention_math
    return plain(*parts, scale=given.scale, **view.arguments(head))[0][0, 0]


def _mend(out: Any, ranges: Ranges, constant: Any, irregular: Any) -> None:
    """A column of equal values has that value as its exact output: write it."""
    same = ranges.low == ranges.high  # (B, H, R, d_v)
    few = same.any(-1).any(0).any(0)[ranges.group] & ranges.exact.any(0).any(0)
    rows = None if bool(constant.any()) else few.nonzero()[:, 0]
    group = ranges.group if rows is None else ranges.group[rows]
    if not len(group):
        return
    exact = ranges.exact if rows is None else ranges.exact[..., rows]
    where = (same[:, :, group] & exact[..., None]) | constant[:, :, None]
    where = where & ~irregular[..., None, None]
    part = out if rows is None else out[:, :, rows]
    mended = ranges.low[:, :, group].where(where, part)
    out[:, :, slice(None) if rows is None else rows] = mended


def again(
    found: Exact, given: Request, head: tuple[int, int], rows: Any, name: str, target: float
) -> None:
    """Rows of a head exactly in a type, written into `found` with their new bounds."""
    import torch

    dtype = getattr(torch, name)
    whole = View(given)
    keys = whole.keys if whole.offset is None else max(1, int(whole.ends[rows].max()))
    q, k, v = (part[head].to(dtype)[None, None] for part in (given.q, given.k, given.v))
    mask = None if given.mask is None else of_head(given.mask, head)[None, None]
    one = replace(given, q=q, k=k, v=v, mask=mask, lead=(1, 1))
    view = View(one)
    many = int(rows.max()) + 1
    if _MANY * len(rows) > many:  # all up to the last one
        rows, keys = torch.arange(many, device=q.device), min(view.keys, many)
        keys = view.keys if view.offset != 0 else keys
    arguments = view.arguments_of(rows, keys)
    out = _fused(q[:, :, rows], k[:, :, :keys], v[:, :, :keys], given.scale, arguments)
    ranges = found.ranges
    low, high = (part[head][ranges.group[rows]] for part in (ranges.low, ranges.high))
    sizes = Sizes(one, view)
    counts, size = (_rows(part, rows) for part in (view.counts, sizes.mask))
    ratio, still = sizes.ratios(low[None, None], high[None, None])
    bound = sizes.rounding(counts, size, ratio, UNIT[name])
    unsure = ~of_head(ranges.exact, head)[rows] & (still | ~(bound <= target))[0, 0]
    if bool(unsure.any()):  # the range over all keys of a row, not only over some
        low[unsure], high[unsure] = view.exact_ranges(given.v[head], (0, 0), rows[unsure])
        ratio, _ = sizes.ratios(low[None, None], high[None, None])
        bound = sizes.rounding(counts, size, ratio, UNIT[name])
    bound = bound[0, 0]
    none = (counts == 0).expand(1, 1, len(rows))[0, 0]
    wide = out[0, 0].masked_fill(none[:, None], 0.0)
    wide = torch.where((low == high) & ~none[:, None], low.to(dtype), wide)
    narrow = wide.to(found.out.dtype)
    bound = (bound + _moved(wide, narrow, low, high)).masked_fill(none, 0.0)
    found.out[head][rows], found.bound[head][rows] = narrow, bound
    found.sharper.append((head, rows, low, high))


def _rows(of: Any, rows: Any) -> Any:
    """Of (B, H, L_q|1)."""
    return of[..., rows] if of.shape[-1] > 1 else of


def _farthest(array: Any) -> Any:
    """Not below the largest row norm of each head (B, H, L, d) -> (B, H), float64.

    Squares may underflow or overflow: then the bound is larger, or infinite.
    """
    d, name = array.shape[-1], dtype_name(array)
    square = (array * array).sum(-1).amax(-1).double() + TINY[name] * d
    return square.sqrt() * (1 + 4 * d * UNIT[name]) * _UP


def gammas(operations: Any, unit: float) -> Any:
    """n u / (1 - n u), of an array or a number; infinite from n u = 1/2 on (Higham, lemma 3.1)."""
    product = operations * unit
    if isinstance(product, float):
        return math.inf if product >= 0.5 else product / (1 - product) * _UP
    found = product / (1 - product).clamp(1e-9) * _UP
    return found.masked_fill(product >= 0.5, math.inf)
