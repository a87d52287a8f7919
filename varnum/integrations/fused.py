"""Attention that arrives as one operation: torch's kernels, its fast paths, flex, and others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from varnum.integrations.call import Call
from varnum.integrations.mask_kinds import as_boolean, kind_of
from varnum.integrations.provenance import Lost

_KERNELS = {  # schema name -> index of the mask among the positional arguments, None: by keyword
    "aten::_scaled_dot_product_flash_attention_for_cpu": ("attn_mask", None, 3, 4),
    "aten::_scaled_dot_product_flash_attention": ("", None, 3, 4),
    "aten::_scaled_dot_product_efficient_attention": ("attn_bias", 3, 5, 6),
    "aten::_scaled_dot_product_cudnn_attention": ("attn_bias", 3, 5, 6),
    "aten::_scaled_dot_product_fused_attention_overrideable": ("attn_bias", 3, 4, 5),
}
_FAST = ("aten::_native_multi_head_attention", "aten::_transformer_encoder_layer_fwd")
_OWN = "varnum::sdpa"
_OUTSIDE = ("flash_attn", "xformers")  # namespaces whose layout is (B, L, H, d); by inference
Finish = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Found:
    """A call, and what became of its rows where `output` is not attention's own."""

    call: Call
    finish: Finish | None = None


def may_be_fused(func: Any) -> bool:
    """Is it an operation that `fused` knows?"""
    name = func._schema.name
    return name in (*_KERNELS, *_FAST, _OWN) or name.split("::")[0] in _OUTSIDE


def fused(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, module: str,
          index: int) -> Iterator[Found]:  # fmt: skip
    """The calls that this operation is: none for most."""
    name = func._schema.name
    if name in _KERNELS:
        keyword, at, dropout, causal = _KERNELS[name]
        mask = kwargs.get(keyword) if at is None else _get(args, kwargs, at, keyword, None)
        q, k, v = args[:3]
        yield Found(_sdpa(
            q, k, v, mask, _get(args, kwargs, causal, "is_causal", False), kwargs.get("scale"),
            _get(args, kwargs, dropout, "dropout_p", 0.0), out[0], name[6:], module, index,
        ))  # fmt: skip
    elif name == _OWN:  # exact only within its target, which no check here knows
        raise Lost("attention by varnum.sdpa (vn.use) is not captured")
    elif name == _FAST[0]:
        yield from _native(args, kwargs, out, module, index)
    elif name == _FAST[1]:
        yield from _encoder_layer(args, kwargs, out, module, index)
    elif "bwd" not in name and "backward" not in name:
        yield from _outside(func, args, kwargs, out, module, index)


def _get(args: tuple[Any, ...], kwargs: dict[str, Any], at: int, name: str, default: Any) -> Any:
    return args[at] if len(args) > at else kwargs.get(name, default)


def _sdpa(
    q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float | None, dropout: float,
    out: Any, via: str, module: str, index: int, notes: tuple[str, ...] = (),
) -> Call:  # fmt: skip
    out = out.detach()
    mask = None if mask is None else mask.detach()
    if mask is not None and mask.dtype.is_floating_point:
        boolean = as_boolean(mask)
        mask = mask if boolean is None else boolean
    return Call(
        module, index, via, (int(q.shape[-2]), int(k.shape[-2])), q.detach(), k.detach(),
        v.detach(), 1 / math.sqrt(max(1, q.shape[-1])) if scale is None else float(scale),
        causal=bool(causal), mask=mask, mask_kind=kind_of(mask, bool(causal)),
        output=out, dropout=float(dropout), notes=notes,
    )  # fmt: skip


def _projected(x: Any, weight: Any, bias: Any, heads: int) -> tuple[Any, Any, Any]:
    """q, k, v (B, H, L, d) of x (B, L, C) or of three such."""
    import torch

    parts = x if isinstance(x, tuple) else (x, x, x)
    found = []
    for part, w, b in zip(parts, weight.chunk(3), bias.chunk(3), strict=True):
        y = torch.nn.functional.linear(part.detach(), w, b)
        found.append(y.unflatten(-1, (heads, -1)).transpose(-2, -3))
    q, k, v = found
    return q, k, v


def _taken_out(mask: Any, kind: int | None) -> Any:
    """In the fast paths a mask says what is OUT; kind 0: (L, L), 1: (B, L), 2: (B, H, L, L)."""
    if mask is None:
        return None
    keep = ~(mask != 0) if mask.dtype.is_floating_point else ~mask
    return keep[:, None, None, :] if kind == 1 else keep


def _native(
    args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, module: str, index: int
) -> Iterator[Found]:
    import torch

    x, heads = args[:3], int(args[4])
    weight, bias, proj, proj_bias = args[5:9]
    mask, kind = _get(args, kwargs, 9, "mask", None), _get(args, kwargs, 12, "mask_type", None)
    padded, present = _padded(x)
    q, k, v = _projected(padded, weight, bias, heads)
    keep = _joined(_taken_out(mask, kind), present)
    final = out[0].to_padded_tensor(0.0) if out[0].is_nested else out[0]

    def finish(rows: Any, found: Any) -> Any:
        joined = found.transpose(-2, -3).flatten(-2)
        return torch.nn.functional.linear(joined, proj, proj_bias)

    call = _sdpa(q, k, v, keep, False, None, 0.0, final, "mha-fastpath", module, index)
    yield Found(call, None if out[0].is_nested or out[0].numel() == 0 else finish)


def _encoder_layer(
    args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, module: str, index: int
) -> Iterator[Found]:
    from torch.nn.functional import gelu, layer_norm, linear, relu

    x, width, heads, weight, bias, proj, proj_bias, use_gelu, norm_first, eps = args[:10]
    w1, b1, w2, b2, up, up_bias, down, down_bias = args[10:18]
    mask, kind = _get(args, kwargs, 18, "mask", None), _get(args, kwargs, 19, "mask_type", None)
    padded, present = _padded((x,))
    x = padded[0]
    y = layer_norm(x, (width,), w1, b1, eps) if norm_first else x
    q, k, v = _projected(y, weight, bias, heads)
    keep = _joined(_taken_out(mask, kind), present)

    def finish(rows: Any, found: Any) -> Any:
        def feed(z: Any) -> Any:
            z = linear(z, up, up_bias)
            return linear(gelu(z) if use_gelu else relu(z), down, down_bias)

        z = x.index_select(-2, rows) + linear(found.transpose(-2, -3).flatten(-2), proj, proj_bias)
        if norm_first:
            return z + feed(layer_norm(z, (width,), w2, b2, eps))
        z = layer_norm(z, (width,), w1, b1, eps)
        return layer_norm(z + feed(z), (width,), w2, b2, eps)

    final = out.to_padded_tensor(0.0) if out.is_nested else out
    if out.is_nested:
        plain = finish

        def finish(rows: Any, found: Any) -> Any:
            there = present[..., None] if present.shape[1] == 1 else present[:, rows][..., None]
            return plain(rows, found) * there

    call = _sdpa(q, k, v, keep, False, None, 0.0, final, "encoder-layer-fastpath", module, index)
    yield Found(call, finish)


def _padded(parts: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """Nested tensors as padded ones, and which places (B, L) are there; None: all."""
    import torch

    if not any(p.is_nested for p in parts):
        return parts, None
    lengths = torch.tensor([len(one) for one in parts[0].unbind()], device=parts[0].device)
    found = tuple(p.to_padded_tensor(0.0) for p in parts)
    return found, torch.arange(found[0].shape[1], device=lengths.device) < lengths[:, None]


def _joined(keep: Any, present: Any) -> Any:
    if present is None:
        return keep
    there = present[:, None, None, :]
    return there if keep is None else keep & there


def _outside(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, module: str, index: int
) -> Iterator[Found]:
    """Kernels of other packages: q, k, v (B, L, H, d), arguments by the names in their schema."""
    names = [a.name for a in func._schema.arguments]
    given = dict(zip(names, args, strict=False)) | kwargs
    tensors = [t for t in args if hasattr(t, "ndim") and t.ndim == 4]
    if len(tensors) < 3:
        return
    q, k, v = (t.transpose(1, 2) for t in tensors[:3])
    first = out[0] if isinstance(out, tuple | list) else out
    scale = next((given[n] for n in ("softmax_scale", "scale") if given.get(n) is not None), None)
    causal = bool(given.get("causal") or given.get("is_causal") or False)
    yield Found(_sdpa(
        q, k, v, None, causal, scale, given.get("dropout_p") or 0.0, first.transpose(1, 2),
        func._schema.name, module, index, ("layout (B, L, H, d) assumed",),
    ))  # fmt: skip


def flex(args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, module: str,
         index: int) -> Found:  # fmt: skip
    """A call of flex_attention: its mask_mod written out, its score_mod only noted."""
    from torch.nn.attention.flex_attention import create_mask

    q, k, v, score_mod, block_mask, scale = args[:6]
    notes: list[str] = []
    code = getattr(score_mod, "__name__", "")
    plain = code in ("_identity", "noop")
    if not plain:
        notes.append(f"score_mod {code or type(score_mod).__name__} is not captured")
    mask_mod = block_mask[-1] if isinstance(block_mask, tuple) else None
    mask = None
    if callable(mask_mod) and getattr(mask_mod, "__name__", "") != "noop_mask":
        size = (*q.shape[:2], q.shape[-2], k.shape[-2])
        try:
            mask = create_mask(mask_mod, *size, device=str(q.device))
        except Exception as error:  # the user's function runs here: whatever it raises
            notes.append(f"mask_mod could not be written out ({type(error).__name__})")
        if mask is not None and bool((mask == mask[:1, :1]).all()):
            mask = mask[:1, :1]
    call = _sdpa(
        q, k, v, mask, False, scale, 0.0, out[0] if isinstance(out, tuple) else out, "flex",
        module, index, tuple(notes),
    )  # fmt: skip
    return Found(call)
