"""Exact attention in parts of the keys, merged in float64: float32 sums stay short.

A part is attention over some keys: its output and the logarithm of its sum of weights. Rounding
grows with the keys of a part, not with all of them (`merged_error`), so float32 carries targets
that one pass over many keys does not.
"""

from __future__ import annotations

import numpy as np

from varnum.floats.rounding import dtype_name
from varnum.floats.softmax_error import merged_error
from varnum.tensor import Array, Mask, Tensor, TorchTensor

PARTS = (2048, 1024, 512, 256)  # keys in a part; measured: all as fast as one pass
_ENTRIES = 1 << 22  # logits at a time on NumPy


def part_size(
    far_q: float, far_k: float, count: int, ratio: float, d: int, like: Tensor, target: float
) -> tuple[int, float] | None:
    """The most keys a part may have, with the bound they give; None where none reaches `target`."""
    if dtype_name(like) != "float32" or not (isinstance(like, np.ndarray) or on_cpu(like)):
        return None
    for size in PARTS:
        bound = merged_error(far_q, far_k, count, size, ratio, d, like)
        if size < count and bound <= target:
            return size, bound
    return None


def on_cpu(array: TorchTensor) -> bool:
    """Of a tensor: is torch's kernel for the CPU there, and the one that runs?"""
    import torch

    name = "_scaled_dot_product_flash_attention_for_cpu"
    return bool(array.device.type == "cpu" and hasattr(torch.ops.aten, name))


def merged_rows(
    q: Tensor, k: Tensor, v: Tensor, sigma: float, size: int, hidden: Mask | None = None
) -> Tensor:
    """softmax(q k^T / sigma) v, (n, d), (L, d), (L, d_v) -> (n, d_v), in the dtype of q.

    hidden (n, m) of truth values: the last m keys are a part of their own, in which row i does not
    see those that are marked; it sees one at least.
    """
    parts = [slice(s, s + size) for s in range(0, len(k), size)]
    if hidden is not None:
        done = len(k) - hidden.shape[1]
        parts = [slice(s, min(s + size, done)) for s in range(0, done, size)]
        parts.append(slice(done, len(k)))
    if not isinstance(q, np.ndarray):
        return _merge_torch(q, k, v, sigma, parts, hidden)
    step = max(1, _ENTRIES // size)
    rows = [slice(start, start + step) for start in range(0, len(q), step)]
    masks = [None if hidden is None else hidden[some] for some in rows]
    made = zip(rows, masks, strict=True)
    return np.concatenate([_merge_numpy(q[some], k, v, sigma, parts, mask) for some, mask in made])


def _merge_numpy(
    q: Array, k: Array, v: Array, sigma: float, parts: list[slice], hidden: Mask | None
) -> Array:
    high = np.full((len(q), 1), -np.inf)
    mass, total = np.zeros((len(q), 1)), np.zeros((len(q), v.shape[1]))
    for part in parts:
        logits = q @ k[part].T
        logits *= q.dtype.type(1 / sigma)
        if hidden is not None and part is parts[-1]:
            logits[hidden] = -np.inf
        top = logits.max(1, keepdims=True)
        weights = np.exp(np.subtract(logits, top, out=logits), out=logits)
        above = np.maximum(high, top)
        old, new = np.exp(high - above), np.exp(top.astype(np.float64) - above)
        total = total * old + (weights @ v[part]) * new
        mass = mass * old + weights.sum(1, keepdims=True) * new
        high = above
    return (total / mass).astype(q.dtype)


def _merge_torch(
    q: TorchTensor, k: TorchTensor, v: TorchTensor, sigma: float, parts: list[slice],
    hidden: Mask | None,
) -> TorchTensor:  # fmt: skip
    import torch

    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    width = int(v.shape[1])
    columns = max(width, int(q.shape[1]))
    q, k, v = (_widen(part.contiguous(), columns) for part in (q, k, v))  # it reads memory as rows
    high = torch.full((len(q), 1), -torch.inf, dtype=torch.float64)
    mass, total = torch.zeros_like(high), torch.zeros((len(q), width), dtype=torch.float64)
    for part in parts:
        keys, values = k[None, None, part], v[None, None, part]
        more: dict[str, float | TorchTensor] = {"scale": 1 / sigma}
        if hidden is not None and part is parts[-1]:
            mask = q.new_zeros(hidden.shape).masked_fill_(torch.as_tensor(hidden), -torch.inf)
            more["attn_mask"] = mask[None, None]
        out, log_mass = fused(q[None, None], keys, values, 0.0, False, **more)
        top = log_mass[0, 0].double()[:, None]
        above = torch.maximum(high, top)
        old, new = (high - above).exp_(), (top - above).exp_()
        total.mul_(old).addcmul_(out[0, 0, :, :width].double(), new)
        mass.mul_(old).add_(new)
        high = above
    return total.div_(mass).to(q.dtype)


def _widen(array: TorchTensor, width: int) -> TorchTensor:
    """Columns of zeros, which change neither logits nor the columns that are kept."""
    missing = width - int(array.shape[1])
    if missing == 0:
        return array
    from varnum.floats.arrays import namespace

    return namespace(array).cat([array, array.new_zeros((len(array), missing))], 1)
