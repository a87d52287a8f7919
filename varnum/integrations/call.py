"""One softmax attention call as it was seen: its tensors, its mask, and whether they reproduce it.

Shapes: lead axes (..) are batch and what else the model has; q (.., Hq, Lq, d), k (.., H, Lk, d),
v (.., H, Lk, dv), H divides Hq (grouped queries); a per-head loop has no axis of heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from varnum.integrations.mask_kinds import Kind

TOLERANCE = {"float64": 1e-4, "float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Of the largest |v|: how far recomputed rows may lie from the call's own output, by dtype."""


@dataclass(frozen=True, repr=False)
class Call:
    """softmax([softcap tanh](scale q.k [/softcap]) + mask) v of one module, detached.

    q, k, v are after RoPE and norms, in the dtype of the kernel; None where nothing was kept.
    via: what ran: the name of a fused kernel, "eager", "flex", "mha-fastpath" or
    "encoder-layer-fastpath". causal: row i sees keys 0..i, besides `mask`. mask: bool (True takes
    part) or float (added), broadcast against (.., Hq, Lq, Lk). sinks (.., Hq, 1|Lq, n): logits that
    take weight and bring no value. verified: sampled rows of `output` were recomputed from q, k, v
    and agree within `TOLERANCE`; None where there was nothing to compare (dropout, no output).
    """

    module: str
    index: int  # number of the call, from 0
    via: str
    sizes: tuple[int, int]  # (Lq, Lk)
    q: Any
    k: Any
    v: Any
    scale: float
    softcap: float | None = None
    causal: bool = False
    mask: Any = None
    mask_kind: Kind = "full"
    sinks: Any = None
    output: Any = None
    dropout: float = 0.0
    verified: bool | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shape = "nothing kept" if self.q is None else f"q {tuple(self.q.shape)}"
        said = {True: "verified", False: "NOT reproduced", None: "not verified"}[self.verified]
        return (
            f"Call({self.index} {self.module[-60:]}: {self.via[-45:]}, {self.sizes[0]} x "
            f"{self.sizes[1]}, {shape}, {self.mask_kind}, {said})"
        )

    def bare(self) -> Call:
        """Without any tensor."""
        return replace(self, q=None, k=None, v=None, mask=None, sinks=None, output=None)

    def bytes(self) -> int:
        """Of its tensors, as copies."""
        parts = (self.q, self.k, self.v, self.mask, self.sinks, self.output)
        return sum(t.numel() * t.element_size() for t in parts if t is not None)

    def copied(self) -> Call:
        """With tensors of its own."""
        return self._with(lambda t: t.detach().clone())

    def sampled(self, count: int, seed: int) -> Call:
        """`count` random query rows and keys of every head, in order; its own copies."""
        import torch

        draw = torch.Generator().manual_seed(seed)
        rows, keys = (torch.randperm(n, generator=draw)[:count].sort().values for n in self.sizes)
        rows, keys = rows.to(self.q.device), keys.to(self.q.device)

        def at_rows(t: Any) -> Any:
            return t if t is None or t.shape[-2] == 1 else t.index_select(-2, rows)

        q, k, v = at_rows(self.q), self.k.index_select(-2, keys), self.v.index_select(-2, keys)
        mask = at_rows(self.mask)
        if mask is not None and mask.shape[-1] > 1:
            mask = mask.index_select(-1, keys)
        if self.causal:
            seen = keys[None, :] <= rows[:, None]
            mask = seen if mask is None else _both(mask, seen)
        taken = replace(
            self, q=q, k=k, v=v, mask=mask, sinks=at_rows(self.sinks), output=at_rows(self.output),
            causal=False, notes=(*self.notes, f"{len(rows)} rows and {len(keys)} keys sampled"),
        )  # fmt: skip
        return taken.copied()

    def _with(self, change: Any) -> Call:
        names = ("q", "k", "v", "mask", "sinks", "output")
        return replace(self, **{n: change(t) for n in names if (t := getattr(self, n)) is not None})


def _both(mask: Any, seen: Any) -> Any:
    return mask & seen if mask.dtype.is_floating_point is False else mask.masked_fill(~seen, -1e38)


def logits(call: Call, rows: Any) -> Any:
    """What the softmax of these query rows (n,) was given, (.., Hq, n, Lk), wide, unmasked -inf."""
    import torch

    wide = torch.float64 if call.q.dtype == torch.float64 else torch.float32
    q = call.q.index_select(-2, rows).to(wide)
    found = grouped(q, call.k.to(wide)) * call.scale
    if call.softcap is not None:
        found = call.softcap * torch.tanh(found / call.softcap)
    if call.mask is not None:
        mask = call.mask if call.mask.shape[-2] == 1 else call.mask.index_select(-2, rows)
        if mask.dtype == torch.bool:
            found = found.masked_fill(~mask, -math.inf)
        else:
            found = found + mask.to(wide)
    if call.causal:
        keys = torch.arange(call.sizes[1], device=rows.device)
        found = found.masked_fill(keys[None, :] > rows[:, None], -math.inf)
    return found


def grouped(q: Any, k: Any) -> Any:
    """q k^T, k with as many heads or a divisor of them: (.., Hq, n, Lk)."""
    return _grouped(q, k.transpose(-1, -2))


def _grouped(x: Any, y: Any) -> Any:
    if x.ndim < 3 or y.ndim < 3 or x.shape[-3] == y.shape[-3] or y.shape[-3] == 1:
        return x @ y
    heads, group = y.shape[-3], x.shape[-3] // y.shape[-3]
    answer = x.unflatten(-3, (heads, group)) @ y.unsqueeze(-3)
    return answer.flatten(-4, -3)


def attended(call: Call, rows: Any) -> tuple[Any, Any]:
    """The outputs of these rows (.., Hq, n, dv), and which of them see a key at all (.., n, 1)."""
    import torch

    x = logits(call, rows)
    sees = (~(x <= -1e30)).any(-1, keepdim=True)  # nan is no row without keys
    if call.sinks is not None:
        sinks = call.sinks
        if sinks.shape[-2] > 1:
            sinks = sinks.index_select(-2, rows)
        x = torch.cat([x, sinks.to(x.dtype).expand(*x.shape[:-1], sinks.shape[-1])], -1)
    weights = torch.softmax(x, -1)[..., : call.sizes[1]]
    return _grouped(weights, call.v.to(weights.dtype)), sees


def sampled_rows(call: Call, sample: int) -> Any:
    """Query rows (n,), so many that all heads together have about `sample`; no global randomness.

    Evenly spread from a start that depends on the call's number.
    """
    import torch

    heads = math.prod(call.q.shape[:-2])
    count = min(call.sizes[0], max(1, -(-sample // max(1, heads))))
    step = call.sizes[0] / count
    found = [int((i + 0.382 * (call.index + 1)) * step) % call.sizes[0] for i in range(count)]
    return torch.tensor(sorted(set(found)), device=call.q.device)


def reproduces(call: Call, sample: int, finish: Any = None) -> tuple[bool | None, float]:
    """Do q, k, v give the sampled rows of the output? And the largest difference over max |v|.

    finish(rows, computed): what became of the rows after attention, where that is the output.
    Rows that see no key are left out: kernels differ there.
    """
    import torch

    if call.output is None or call.dropout or 0 in call.q.shape or 0 in call.k.shape:
        return None, 0.0
    rows = sampled_rows(call, sample)
    found, sees = attended(call, rows)
    if finish is not None:
        found, sees = finish(rows, found), torch.ones((), dtype=torch.bool, device=rows.device)
    known = call.output.index_select(-2, rows).to(found.dtype)
    size = float(call.v.abs().max()) if finish is None else float(known.abs().max())
    off = torch.where(sees, (found - known).abs(), torch.zeros((), device=known.device))
    worst = float(off.max()) / max(size, 1e-30)
    worst = worst if math.isfinite(size) else math.nan  # nothing agrees with nan or inf
    return worst <= TOLERANCE.get(str(call.q.dtype).removeprefix("torch."), 5e-2), worst
