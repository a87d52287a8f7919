"""What is asked of `varnum.sdpa`: torch's arguments, checked, with four axes, in working precision.

Needs torch; loaded by `varnum.integrations.sdpa`. Shapes and types are looked at without reading
numbers, so that the checks also run where tensors have none (fake tensors).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from varnum.errors import InputError

TOP_LEFT, LOWER_RIGHT = (
    1,
    2,
)  # how a causal mask is aligned where L_q and L_k differ; 0: no such mask
_HALF = ("float16", "bfloat16")
_FLOATS = ("float32", "float64", *_HALF)


@dataclass(frozen=True)
class Request:
    """Checked tensors with leading axes (B, H), and how to get back.

    q (B, H, L_q, d), k (B, H, L_k, d), v (B, H, L_k, d_v): float32, or float64 as given; broadcast
    axes are views. mask: bool (True takes part) or float, (B|1, H|1, L_q|1, L_k), or None.
    lead: the leading axes of the result.
    """

    q: Any
    k: Any
    v: Any
    mask: Any
    causal: int
    scale: float
    lead: tuple[int, ...]
    dtype: Any  # of the result

    @property
    def half(self) -> bool:
        """Is the result narrower than what it is computed in?"""
        return bool(self.dtype != self.q.dtype)


def request(
    query: Any, key: Any, value: Any, mask: Any, causal: int, scale: float | None, gqa: bool
) -> Request:
    """Raises InputError for what torch refuses, and for what its own kernels disagree on."""
    lead = check(query, key, value, mask, causal, scale, gqa)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None and query.shape[-1] else scale
    q, k, v = (_wide(part) for part in (query, key, value))
    if scale is not None and scale <= 0:  # torch's fused kernels scale -inf: nan under a triangle
        q, scale = (-q, -scale) if scale else (q * 0.0, 1.0)
    if gqa:
        groups = query.shape[-3] // max(1, key.shape[-3])
        k, v = (part.repeat_interleave(groups, -3) for part in (k, v))
    q, k, v = (_four(part, lead) for part in (q, k, v))
    if mask is not None:
        mask = _mask_of_four(mask.detach(), lead)
        mask = mask.expand(*mask.shape[:-1], key.shape[-2])
    return Request(q, k, v, mask, causal, 1.0 if scale is None else scale, lead, query.dtype)


def check(
    query: Any, key: Any, value: Any, mask: Any, causal: int, scale: float | None, gqa: bool
) -> tuple[int, ...]:
    """The leading axes of the result, (.., H_q); InputError for what is refused."""
    parts = {"query": query, "key": key, "value": value}
    for name, part in parts.items():
        _check_tensor(part, name, query)
        if _name(part) not in _FLOATS:
            raise InputError(f"{name}: dtype {_name(part)} is not allowed; {', '.join(_FLOATS)}")
        if part.dtype != query.dtype:
            raise InputError(f"{name}: {_name(part)}, but query is {_name(query)}; use one dtype")
        if len(part.shape) < 2:
            raise InputError(f"{name}: shape {tuple(part.shape)}; allowed: (.., L, d)")
    if query.shape[-1] != key.shape[-1]:
        raise InputError(f"key: head dimension {key.shape[-1]}, but query has {query.shape[-1]}")
    if key.shape[-2] != value.shape[-2]:
        raise InputError(f"value: {value.shape[-2]} tokens, but key has {key.shape[-2]}")
    if scale is not None and not math.isfinite(scale):
        raise InputError(f"scale: {scale} is not allowed; a finite number, or None for 1/sqrt(d)")
    lead = _lead(query, key, value, gqa)
    if mask is not None:
        _check_mask(mask, query, (*lead, query.shape[-2], key.shape[-2]))
        if causal:
            raise InputError("attn_mask: given together with is_causal; pass one of them")
    return lead


def _check_tensor(part: Any, name: str, query: Any) -> None:
    import torch

    if not isinstance(part, torch.Tensor):
        raise InputError(f"{name}: expected a torch tensor, got {type(part).__name__}")
    if part.layout is not torch.strided or part.is_nested or part.is_quantized:
        raise InputError(f"{name}: only dense tensors are allowed; this one is {part.layout}")
    if part.device != query.device:
        raise InputError(f"{name}: on {part.device}, but query is on {query.device}; use one")


def _lead(query: Any, key: Any, value: Any, gqa: bool) -> tuple[int, ...]:
    heads = query.shape[:-2]
    sides = [key.shape[:-2], value.shape[:-2]]
    if gqa:
        if any(len(part.shape) < 3 for part in (query, key, value)):
            raise InputError(
                "enable_gqa: query, key and value need an axis of heads, (.., H, L, d)"
            )
        count, fewer = query.shape[-3], key.shape[-3]
        if value.shape[-3] != fewer or fewer == 0 or count % fewer:
            raise InputError(
                f"enable_gqa: {count} heads of query, {fewer} of key, {value.shape[-3]} of value; "
                "key and value need equally many, dividing those of query"
            )
        sides = [(*side[:-1], count) for side in sides]
    lead: tuple[int, ...] = ()
    for side in (heads, *sides):
        lead = _broadcast(lead, tuple(side))
    return lead


def _broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    size = max(len(one), len(other))
    pairs = zip((1,) * (size - len(one)) + one, (1,) * (size - len(other)) + other, strict=True)
    found = []
    for a, b in pairs:
        if a != b and 1 not in (a, b):
            raise InputError(f"query, key, value: leading axes {one} and {other} do not fit")
        found.append(b if a == 1 else a)
    return tuple(found)


def _check_mask(mask: Any, query: Any, shape: tuple[int, ...]) -> None:
    _check_tensor(mask, "attn_mask", query)
    allowed = ("bool", "float32", _name(query))
    if _name(mask) not in allowed:
        raise InputError(
            f"attn_mask: dtype {_name(mask)} is not allowed; {', '.join(dict.fromkeys(allowed))}"
        )
    given = tuple(mask.shape)
    fits = len(given) <= len(shape) and all(
        n in (1, m) for n, m in zip(given[::-1], shape[::-1], strict=False)
    )
    if not fits:
        raise InputError(f"attn_mask: shape {given} does not broadcast to {shape}")


def _name(part: Any) -> str:
    return str(part.dtype).rpartition(".")[2]


def _wide(part: Any) -> Any:
    part = part.detach().resolve_neg()
    return part.float() if _name(part) in _HALF else part


def _four(part: Any, lead: tuple[int, ...]) -> Any:
    """(B, H, L, d): missing leading axes are ones, too many are joined in the first."""
    whole = part.expand(*lead, *part.shape[-2:])
    if len(lead) < 2:
        return whole[(None,) * (2 - len(lead))]
    return whole if len(lead) == 2 else whole.flatten(0, len(lead) - 2)


def _mask_of_four(mask: Any, lead: tuple[int, ...]) -> Any:
    """(B|1, H|1, L_q|1, L_k|1); half precision is widened."""
    mask = _wide(mask) if mask.dtype.is_floating_point else mask
    while len(mask.shape) < max(4, len(lead) + 2):
        mask = mask[None]
    if len(mask.shape) == 4:
        return mask
    outer = mask.shape[:-3]  # more than one axis of batches: join them, ones stay one
    if all(n == 1 for n in outer):
        return mask.flatten(0, len(outer) - 1)
    return mask.expand(*lead[:-1], *mask.shape[-3:]).flatten(0, len(outer) - 1)
