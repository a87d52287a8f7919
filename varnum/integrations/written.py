"""A call that was written out in torch operations, and the `Call` that it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from varnum.integrations.call import Call
from varnum.integrations.layout import (
    Layout,
    in_order,
    layout_of,
    queries_and_keys,
    values_and_output,
)
from varnum.integrations.mask_kinds import as_boolean, kind_of
from varnum.integrations.provenance import Lost, Probs, Scores


@dataclass(frozen=True)
class Written:
    """Weights met values: place of the weights (N, rows, keys), v (N, keys, dv), out."""

    probs: Probs
    place: Any
    v: Any
    out: Any

    def call(self, index: int) -> Call:
        """Raises Lost where it is none that can be told."""
        probs, scores = self.probs, self.probs.scores
        assert scores is not None
        stride_rows, column = self.place.stride()[-2:]
        layout = layout_of(probs, stride_rows, column if self.place.shape[-1] > 1 else 1)
        taken = self.place.shape[-1]
        extra = layout.keys - taken
        if scores.sinks is not None:
            layout = Layout(layout.lead, layout.order, layout.rows, taken)
            if extra != scores.place.shape[-1] - scores.inner.shape[-1]:
                raise Lost("other columns than the sinks are left out after the softmax")
        elif extra:
            raise Lost("some of the softmax's weights meet no values")
        q, k = queries_and_keys(scores, probs, layout)
        v, out, some = values_and_output(self.place, self.v, self.out, probs, layout)
        q, factor, mask, notes = _logits(scores, probs, layout, q, k)
        sinks = None
        if scores.sinks is not None:
            sinks = probs.turned(scores.sinks.value()).permute(layout.order)
        if some is not None:
            q, k, mask, sinks = (_heads(t, some, layout) for t in (q, k, mask, sinks))
        softcap = None
        if scores.cap is not None and probs.bias is None:
            softcap = abs(scores.cap)
            factor = factor * scores.cap
        return Call(
            probs.module, index, "eager", (layout.rows, layout.keys), q, k, v, factor, softcap,
            mask=mask, mask_kind=kind_of(mask, False), sinks=sinks, output=out,
            dropout=probs.dropout, notes=notes,
        )  # fmt: skip


def _heads(t: Any, some: Any, layout: Layout) -> Any:
    """(lead.., ..) -> (heads, ..)."""
    if t is None:
        return None
    whole = t.expand(*layout.lead, *t.shape[-2:]).reshape(-1, *t.shape[-2:])
    return whole[some.to(t.device)]


def _logits(
    scores: Scores, probs: Probs, layout: Layout, q: Any, k: Any
) -> tuple[Any, float, Any, tuple[str, ...]]:
    """(q with what is one number per row, scale, mask, notes)."""
    notes: list[str] = []
    if probs.bias is not None:
        known = q.to(probs.bias.dtype) @ k.to(probs.bias.dtype).transpose(-1, -2) * scores.factor
        bias = layout.arrange(probs.turned(probs.bias))[..., : layout.keys] - known
        return q, scores.factor, bias, (f"mask is a difference: {scores.unknown}",)
    keep, added = None, None
    for term in scores.terms:
        value = in_order(probs.turned(term.value()), layout)
        if term.kind == "times":
            if value.shape[-1] > 1:
                raise Lost("logits are multiplied by one number per key")
            q = q * value.to(q.dtype)
            notes.append("a factor per head or row is folded into q")
            continue
        if term.kind == "keep":
            keep = value if keep is None else keep & value
            continue
        if value.shape[-1] == 1 and layout.keys > 1 and (scores.sinks is None or term.late):
            continue  # one number per row: a softmax does not see it
        value = value if term.factor == 1 else value * term.factor
        boolean = as_boolean(value)
        if boolean is not None:
            keep = boolean if keep is None else keep & boolean
        else:
            added = value if added is None else added + value
    if added is not None and keep is not None:
        added = added.masked_fill(~keep, float("-inf"))
    return q, scores.factor, keep if added is None else added, tuple(notes)
