"""What each row sees, and the range of the values that it sees; needs torch.

A key is seen unless its mask is False or -inf. The range of a row's values is found exactly where
that is cheap, and otherwise bounded from below by the range over some of the keys it sees: errors
in units of a smaller range are larger, so nothing is lost but sharpness.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from varnum.integrations.request import LOWER_RIGHT, Request

_STEP = 64  # prefixes of a causal mask whose ranges are kept: each up to this, then every such one
_SOME = 8  # keys per row whose values bound the range of a row under any other mask
_FAR = 60.0  # a key whose logit is this far below another one's has a weight of at most e^-60
_GONE = -1e4  # added to a logit: with |logit| <= 1e3 elsewhere its weight is below e^-7000
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


@dataclass(frozen=True)
class Part:
    """Of some rows: a run of keys that all see, other keys (m,) and who sees them (n, m).

    mask (n, L_k): what is added to the logits, if anything is; keys at `_GONE` or below are left
    out, their weight is 0 beside any other key's.
    """

    common: slice
    others: Any
    seen: Any
    mask: Any


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
    def ever(self) -> Any:
        """Keys that some row sees, (B|1, H|1, L_k); only where there is a mask."""
        return _bytes(self.seen).amax(2).bool()

    @cached_property
    def counts(self) -> Any:
        """How many keys each row sees, (B|1, H|1, L_q|1)."""
        import torch

        if self.offset is not None:
            return self.ends[None, None]
        if self.mask is None:
            return torch.tensor([[[self.keys]]], device=self.device)
        step = max(1, _ENTRIES // max(1, self.seen[:, :, 0].numel()))
        parts = self.seen.split(step, 2)
        return torch.cat([_bytes(part).sum(-1, dtype=torch.int32) for part in parts], 2)

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

    def arguments_of(self, rows: Any, keys: int) -> dict[str, Any]:
        """For torch's kernel, of some rows of a request of one head; `keys`: the first ones."""
        if self.offset == 0 and keys == min(self.keys, len(rows)) == int(rows[-1]) + 1:
            return {"is_causal": True}  # the first rows, and the keys that these see
        if self.offset == 0 and len(rows) == self.rows and keys == self.keys:
            return {"is_causal": True}
        if self.offset is not None:
            return {"attn_mask": self.seen_by((0, 0), rows)[:, :keys]}
        return self.arguments() if self.same else {"attn_mask": self.mask[:, :, rows]}

    @cached_property
    def top(self) -> Any:
        """Largest entry of each row of a mask that is added, (B|1, H|1, L_q|1); nan if there is."""
        return self.mask.amax(-1)

    def size(self, reach: Any) -> Any:
        """Not below the |mask| of a row's keys that matter; reach (B, H) bounds |logit|.

        The others' logits, mask included, are below the row's largest by `_FAR` and ln L_k.
        """
        import torch

        if not self.additive:
            return torch.zeros(1, 1, 1, dtype=torch.float64, device=self.device)
        most = reach
        for axis in (0, 1):
            most = most.amax(axis, keepdim=True) if self.mask.shape[axis] == 1 else most
        gap = 2 * most + _FAR + torch.log(torch.tensor(1.0 + self.keys))
        top = self.top.double()
        return torch.where(top > -float("inf"), top.abs() + gap[..., None], 0.0)

    # --- low rank by parts

    def part(self, head: tuple[int, int], rows: slice) -> Part:
        """Keys that all these rows see, one run of them, and the others that some see."""
        import torch

        if self.offset is not None:
            ends = self.ends[rows]
            first, last = int(ends[0]), int(ends[-1])
            others = torch.arange(first, last, device=self.device)
            return Part(slice(0, first), others, others < ends[:, None], None)
        mask = of_head(self.mask, head)
        mask = mask[rows] if mask.shape[0] > 1 else mask.expand(rows.stop - rows.start, -1)
        near = mask > _GONE if self.additive else mask
        common = _longest(_bytes(near).amin(0).bool())
        some = _bytes(near).amax(0).bool()
        some[common] = False
        others = some.nonzero()[:, 0]
        added = mask if self.additive else None
        return Part(common, others, near[:, others], added)

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

        places = self._places()  # (B|1, H|1, L_q, some)
        low, high = (v.new_empty(*v.shape[:2], self.rows, v.shape[3]) for _ in range(2))
        for b in range(v.shape[0]):
            for h in range(v.shape[1]):
                found = v[b, h][of_head(places, (b, h))]  # (L_q, some, d_v)
                low[b, h], high[b, h] = found.amin(1), found.amax(1)
        whole = torch.arange(self.rows, device=self.device)
        return Ranges(low, high, whole, self.counts <= _SOME)

    def _places(self) -> Any:
        """Keys that each row sees, spread over them: all where there are at most `_SOME`."""
        import torch

        seen, counts = self.seen, self.counts
        steps = torch.arange(_SOME, device=self.device)
        last = (counts - 1).clamp(0)[..., None]
        ranks = ((steps * last + (_SOME - 1) // 2) // (_SOME - 1)).int() + 1
        step = max(1, _ENTRIES // max(1, self.keys * seen.shape[0] * seen.shape[1]))
        parts = []
        for start in range(0, self.rows, step):
            order = seen[:, :, start : start + step].cumsum(-1, dtype=torch.int32)
            found = torch.searchsorted(order, ranks[:, :, start : start + step])
            parts.append(found.clamp(max=self.keys - 1))
        return torch.cat(parts, 2)

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


def _bytes(seen: Any) -> Any:
    """The same memory; torch reduces bytes several times faster than truth values."""
    import torch

    return seen.view(torch.uint8)


def _longest(seen: Any) -> slice:
    """The longest run of True (L,); an empty slice where there is none."""
    edges = np.flatnonzero(np.diff(np.r_[0, seen.cpu().numpy().astype(np.int8), 0]))
    if not len(edges):
        return slice(0, 0)
    starts, stops = edges[::2], edges[1::2]
    best = int((stops - starts).argmax())
    return slice(int(starts[best]), int(stops[best]))


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
