"""From a product with weights back to q, k, v: which axis is lead, rows or keys, in what order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from varnum.integrations.provenance import Lost, Probs, Scores, strides_of


@dataclass(frozen=True)
class Layout:
    """How the softmax's input is read: lead axes in order, rows, keys; the heads that v met.

    lead: their sizes. heads (m,) or None: the flat lead indices of a part of them.
    """

    lead: tuple[int, ...]
    order: tuple[int, ...]  # axes of the softmax's input: lead.., rows, keys
    rows: int
    keys: int

    def arrange(self, t: Any) -> Any:
        """A tensor in the shape of the softmax's input as (lead.., rows, keys)."""
        return t.permute(self.order)


def layout_of(probs: Probs, stride_rows: int, column: int) -> Layout:
    """stride_rows: of the rows of the weights that met v, in the softmax's input; column of it."""
    strides = strides_of(probs.shape)
    if strides[probs.dim] != column and probs.shape[probs.dim] > 1:
        raise Lost("the softmax runs over rows: its weights meet values along another axis")
    row = next((a for a, s in enumerate(strides)
                if s == stride_rows and a != probs.dim and probs.shape[a] > 1), None)  # fmt: skip
    if row is None:  # a single row: the axis before the keys
        row = max((a for a in range(len(strides)) if a != probs.dim), default=None)
        if row is None:
            raise Lost("a softmax of one axis meets values")
    lead = tuple(a for a in range(len(strides)) if a not in (row, probs.dim))
    return Layout(
        tuple(probs.shape[a] for a in lead), (*lead, row, probs.dim), probs.shape[row],
        probs.shape[probs.dim],
    )  # fmt: skip


def queries_and_keys(scores: Scores, probs: Probs, layout: Layout) -> tuple[Any, Any]:
    """q (lead.., rows, d) and k (lead.., keys, d): views where the model's order allows."""
    place = scores.place if scores.inner is None else scores.inner
    if scores.inner is not None and not scores.place.is_contiguous():
        raise Lost("logits with sinks are moved before their softmax")
    place = probs.turned(place).permute(layout.order)
    a, b = scores.product.a, scores.product.b  # (N, I, D), (N, D, J)
    _n, i, j = scores.product.sizes
    keys, (st_row, st_key) = place.shape[-1], place.stride()[-2:]
    b = b.transpose(1, 2)  # (N, J, D)
    if place.is_contiguous() and place.shape[-2:] == (i, j) and int(place.storage_offset()) == 0:
        lead = place.shape[:-2]
        return a.reshape(*lead, *a.shape[1:]), b.reshape(*lead, *b.shape[1:])
    along_j = st_key < j if keys > 1 else st_row >= j
    if along_j:
        queries, keyed, unit = a, b, 1
    else:
        queries, keyed, unit = b, a, j
    if keys > 1 and st_key % unit:
        raise Lost("keys are spread over two axes of the product")
    offsets = _offsets(place[..., :1])[..., 0]  # (lead.., rows) of the first key
    which, rest = offsets // (i * j), offsets % (i * j)
    row = rest // j if along_j else rest % j
    first = rest % j if along_j else rest // j
    if int(first.min()) != int(first.max()):
        raise Lost("rows of one softmax see different keys of the product")
    step = st_key // unit if keys > 1 else 1
    start = int(first.flatten()[0])
    k_part = keyed[:, start : start + (keys - 1) * step + 1 : step]
    if which.shape[-1] > 1 and bool((which != which[..., :1]).any()):
        raise Lost("rows of one softmax come from several products")
    head = which[..., 0]
    k = _take(k_part, head)
    one = row.reshape(-1, row.shape[-1])[0]
    if bool((row == one).all()):
        q = _take(queries, head)
        if len(one) != q.shape[-2] or bool((one.diff() != 1).any()):
            q = q.index_select(-2, one.to(q.device))
    else:
        q = queries[which.to(queries.device), row.to(queries.device)]
    return q, k


def _offsets(place: Any) -> Any:
    """Where each entry of a place stands, as a tensor on the CPU."""
    import torch

    found = torch.full((), int(place.storage_offset()))
    for size, stride in zip(place.shape, place.stride(), strict=True):
        found = found[..., None] + torch.arange(size) * stride
    return found


def _take(t: Any, head: Any) -> Any:
    """t (N, .., ..) at these indices (lead..): a view where they are 0, 1, 2, .."""
    flat = head.flatten()
    if len(flat) == t.shape[0] and bool((flat.diff() == 1).all()) and int(flat[0]) == 0:
        return t.reshape(*head.shape, *t.shape[1:])
    if t.shape[0] == 1:
        return t.reshape((1,) * head.ndim + t.shape[1:]).expand(*head.shape, *t.shape[1:])
    return t[head.to(t.device)]


def values_and_output(
    place: Any, v: Any, out: Any, probs: Probs, layout: Layout
) -> tuple[Any, Any, Any]:
    """v (lead.., keys, dv), output (lead.., rows, dv), and the heads they are, None for all.

    place: of the weights as (N, rows, keys) in the softmax's input; v (N, keys, dv), out (N, rows,
    dv). Where only some heads met these values, lead is flat.
    """
    import torch

    plain = layout.order == tuple(range(len(layout.order)))
    if plain and place.is_contiguous() and place.numel() == math.prod(probs.shape):
        rest = place.shape[1] == layout.rows
        if rest and int(place.storage_offset()) == 0:
            return (
                v.reshape(*layout.lead, *v.shape[1:]), out.reshape(*layout.lead, *out.shape[1:]),
                None,
            )  # fmt: skip
    strides = torch.tensor(strides_of(probs.shape))
    offsets = _offsets(place[..., :1])[..., 0]  # (N, rows)
    index = [(offsets // int(strides[a])) % probs.shape[a] for a in layout.order[:-1]]
    flat = torch.zeros_like(offsets)
    for size, part in zip((*layout.lead, layout.rows), index, strict=True):
        flat = flat * size + part
    count = math.prod(layout.lead)
    order = flat.flatten()
    rows = out.reshape(-1, out.shape[-1])  # (N rows, dv)
    if len(order) > 1 and not bool((order.diff() == 1).all()):
        order, turn = order.sort()
        rows = rows[turn.to(rows.device)]
    else:
        turn = torch.arange(len(order))
    if len(order) % layout.rows or bool((order.diff() < 1).any()):
        raise Lost("only some rows of a softmax meet values")
    heads = order.reshape(-1, layout.rows)
    if bool((heads % layout.rows != torch.arange(layout.rows)).any()):
        raise Lost("only some rows of a softmax meet values")
    whose = (turn // offsets.shape[1]).reshape(-1, layout.rows)[:, 0]  # the product of each head
    if len(heads) == count:
        return (
            _take(v, whose.reshape(layout.lead)),
            rows.reshape(*layout.lead, layout.rows, rows.shape[-1]),
            None,
        )
    some = heads[:, 0] // layout.rows
    return _take(v, whose), rows.reshape(len(some), layout.rows, rows.shape[-1]), some


def in_order(t: Any, layout: Layout) -> Any:
    """A term's value as (lead.., rows, keys), with size 1 along what it is constant along."""
    t = layout.arrange(t)
    for axis, (size, stride) in enumerate(zip(t.shape, t.stride(), strict=True)):
        if stride == 0 and size > 1:
            t = t.narrow(axis, 0, 1)
    return t
