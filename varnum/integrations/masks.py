"""What each row sees, and the range of the values that it sees; needs torch.

A key is seen unless its mask is False or -inf. The range of a row's values is found exactly where
that is cheap, and otherwise bounded from below by the range over some of the keys it sees: errors
in units of a smaller range are larger, so nothing is lost but sharpness.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from varnum.integrations.request import LOWER_RIGHT, Request

_STEP = 64  # prefixes of a causal mask whose ranges are kept: each up to this, then every such one
_SOME = 8  # keys per row whose values bound the range of a row under any other mask
_FAR = 60.0  # a key whose logit is this far below another one's has a weight of at most e^-60
_ENTRIES = 2**22  # of one temporary array


@dataclass(frozen=True)
class Ranges:
    """low, high (B, H, R, d_v) over keys that the rows of a group see; group (L_q,) of each row.

    exact (B|1, H|1, L_q): are these all of the row's keys?
    """

    low: Any
    high: Any
    group: Any
    exact: Any


class View:
    """Who sees whom: `mask` of a request, its causal triangle, or neither."""

    def __init__(self, given: Request) -> None:
        import torch

        self.rows, self.keys = int(given.q.shape[2]), int(given.k.shape[2])
        self.device = given.q.device
        self.mask, self.offset = given.mask, None
        if given.causal:  # row i sees keys 0 .. i + offset
            self.offset = self.keys - self.rows if given.causal == LOWER_RIGHT else 0
        self.additive = self.mask is not None and self.mask.dtype != torch.bool
        if self.additive:
            self.mask = self.mask.to(given.q.dtype)  # widening

    @property
    def same(self) -> bool:
        """Do all rows of a head see the same keys?"""
        return self.offset is None and (self.mask is None or self.mask.shape[2] == 1)

    @cached_property
    def seen(self) -> Any:
        """(B|1, H|1, L_q|1, L_k) of bool; only where there is a mask."""
        return self.mask != -float("inf") if self.additive else self.mask

    @cached_property
    def ends(self) -> Any:
        """How many keys each row of a causal mask sees, (L_q,)."""
        import torch

        return (torch.arange(self.rows, device=self.device) + 1 + self.offset).clamp(0, self.keys)

    @cached_property
    def counts(self) -> Any:
        """How many keys each row sees, (B|1, H|1, L_q|1)."""
        import torch

        if self.offset is not None:
            return self.ends[None, None]
        if self.mask is None:
            return torch.tensor([[[self.keys]]], device=self.device)
        return self.seen.sum(-1)

    def seen_by(self, head: tuple[int, int], rows: Any) -> Any:
        """What these rows of a head see, (n, L_k) of bool."""
        import torch

        if self.offset is not None:
            return torch.arange(self.keys, device=self.device) < self.ends[rows, None]
        if self.mask is None:
            return torch.ones(1, self.keys, dtype=torch.bool, device=self.device).expand(
                len(rows), -1
            )
        return of_head(self.seen, head)[rows if self.seen.shape[2] > 1 else rows * 0]

    def arguments(self, head: tuple[int, int] | None = None) -> dict[str, Any]:
        """For torch's kernel, of all heads or of one."""
        import torch

        if self.offset == 0:
            return {"is_causal": True}
        if self.offset is not None:
            places = torch.arange(self.keys, device=self.device)
            return {"attn_mask": places < self.ends[:, None]}
        if self.mask is None:
            return {}
        mask = self.mask if head is None else of_head(self.mask, head)[None, None]
        return {"attn_mask": mask}

    def arguments_of(self, rows: Any) -> dict[str, Any]:
        """For torch's kernel, of some rows of a request of one head."""
        if self.same:
            return self.arguments()
        if self.mask is None:
            return {"attn_mask": self.seen_by((0, 0), rows)}
        return {"attn_mask": self.mask[:, :, rows]}

    def size(self, reach: Any) -> Any:
        """Largest |mask| of a row's keys that matter, (B|1, H|1, L_q|1); reach bounds |logit|.

        The others' logits, mask included, are below the row's largest by `_FAR` and ln L_k.
        """
        import torch

        if not self.additive:
            return torch.zeros(1, 1, 1, dtype=torch.float64, device=self.device)
        most = reach
        for axis in (0, 1):
            most = most.amax(axis, keepdim=True) if self.mask.shape[axis] == 1 else most
        gap = 2 * most + _FAR + torch.log(torch.tensor(1.0 + self.keys))
        wide = self.mask.double()
        near = wide >= wide.amax(-1, keepdim=True) - gap[..., None, None]
        return torch.where(near & self.seen, wide.abs(), 0.0).amax(-1)

    # --- ranges of values

    def ranges(self, v: Any) -> Ranges:
        """Of values (B, H, L_k, d_v)."""
        import torch

        none = torch.zeros(self.rows, dtype=torch.long, device=self.device)
        if self.same:
            low, high = extremes(v, None if self.mask is None else self.seen[:, :, 0, :, None])
            whole = torch.ones(1, 1, self.rows, dtype=torch.bool, device=self.device)
            return Ranges(low[:, :, None], high[:, :, None], none, whole)
        return self._prefixes(v) if self.offset is not None else self._sampled(v)

    def _prefixes(self, v: Any) -> Ranges:
        import torch

        first = min(_STEP, self.keys)
        low, high = v[:, :, :first].cummin(2).values, v[:, :, :first].cummax(2).values
        lengths = torch.arange(1, first + 1, device=self.device)
        more = self.keys // _STEP - 1
        if more > 0:
            blocks = v[:, :, first : first + more * _STEP].unflatten(2, (more, _STEP))
            later_low = torch.cat([low[:, :, -1:], blocks.amin(3)], 2).cummin(2).values
            later_high = torch.cat([high[:, :, -1:], blocks.amax(3)], 2).cummax(2).values
            low, high = (
                torch.cat([a, b[:, :, 1:]], 2) for a, b in ((low, later_low), (high, later_high))
            )
            ends = torch.arange(2, more + 2, device=self.device) * _STEP
            lengths = torch.cat([lengths, ends])
        group = (torch.searchsorted(lengths, self.ends, right=True) - 1).clamp(0)
        return Ranges(low, high, group, (lengths[group] >= self.ends)[None, None])

    def _sampled(self, v: Any) -> Ranges:
        import torch

        seen, counts = self.seen, self.counts
        order = seen.cumsum(-1, dtype=torch.int32)  # (B|1, H|1, L_q, L_k)
        steps = torch.arange(_SOME, device=self.device)  # all ranks where there are at most _SOME
        last = (counts - 1).clamp(0)[..., None]
        ranks = ((steps * last + (_SOME - 1) // 2) // (_SOME - 1)).int() + 1
        places = torch.searchsorted(order, ranks).clamp(max=self.keys - 1)  # (B|1, H|1, L_q, some)
        if counts.shape[-1] and int(counts.max()) > 0:
            first = places[..., :1]
            places = torch.where(torch.gather(seen, -1, places), places, first)
        low, high = (v.new_empty(*v.shape[:2], self.rows, v.shape[3]) for _ in range(2))
        for b in range(v.shape[0]):
            for h in range(v.shape[1]):
                found = v[b, h][of_head(places, (b, h))]  # (L_q, some, d_v)
                low[b, h], high[b, h] = found.amin(1), found.amax(1)
        whole = torch.arange(self.rows, device=self.device)
        return Ranges(low, high, whole, counts <= _SOME)

    def exact_ranges(self, v: Any, head: tuple[int, int], rows: Any) -> tuple[Any, Any]:
        """Of values (L_k, d_v) of a head: over all keys that each row sees, (n, d_v) twice."""
        import torch

        step = max(1, _ENTRIES // v.numel())
        parts = [
            extremes(v, self.seen_by(head, rows[s : s + step])[:, :, None])
            for s in range(0, len(rows), step)
        ]
        low, high = zip(*parts, strict=True)
        return torch.cat(low), torch.cat(high)


def extremes(v: Any, seen: Any = None) -> tuple[Any, Any]:
    """Smallest and largest over the keys seen, (.., L_k, d_v) -> (.., d_v); inf, -inf if none."""
    import torch

    if seen is None:
        return v.amin(-2), v.amax(-2)
    far = float("inf")
    return torch.where(seen, v, far).amin(-2), torch.where(seen, v, -far).amax(-2)


def of_head(array: Any, head: tuple[int, int]) -> Any:
    """The part of a head in an array whose leading axes may be ones."""
    return array[head[0] if array.shape[0] > 1 else 0, head[1] if array.shape[1] > 1 else 0]
