"""q, k, v from users: do they fit together, are they finite, do their logits and sums fit?"""

from __future__ import annotations

import math
import os
from numbers import Integral

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import shape_of
from varnum.floats.inputs import kind_of
from varnum.floats.rounding import UNIT, dtype_name
from varnum.tensor import Tensor

_LARGEST_SUM = 1e280  # sums of up to 1e28 such values are float64 numbers
_COPIES = 2  # in float64: the arrays widened, and something made of them
_LARGEST = {  # of a logit: twice it, and sums of it, are numbers of what it is computed in
    "float64": 1e300, "float32": 1e36, "bfloat16": 1e36, "float16": 1e36,
}  # fmt: skip


def check_inputs(
    q: Tensor, k: Tensor, v: Tensor, sigma: float, scales: tuple[int, ...] | None
) -> None:
    """Raise InputError unless the plain arrays q, k, v fit together, are finite, and logits fit."""
    for name, array in (("q", q), ("k", k), ("v", v)):
        check_kind(array, name, q)
        if array.dtype != q.dtype:
            raise InputError(f"{name}: dtype {array.dtype}, but q has {q.dtype}; use one dtype")
    _check_shapes(q, k, v, scales)
    check_memory(q, k, v)
    for name, array in (("q", q), ("k", k), ("v", v)):
        if not _finite(array):
            raise InputError(f"{name}: holds nan or inf; all entries must be finite")
    largest = float(abs(v).max())
    if not largest < _LARGEST_SUM:
        raise InputError(f"v: entries up to {largest:.3g} overflow sums; scale v down")
    reach = float(abs(q).max()) * float(abs(k).max()) * q.shape[-1] / sigma
    if not reach < _LARGEST[dtype_name(q)]:
        way = "scale q and k down" if dtype_name(q) == "float64" else "pass float64 or scale them"
        raise InputError(f"q, k: logits up to {reach:.3g} overflow {dtype_name(q)}; {way}")


def check_kind(array: Tensor, name: str, q: Tensor) -> None:
    """Raise InputError unless this is an array of floats, as q is, and no axis is empty."""
    if type(array) is not type(q):
        raise InputError(f"{name}: {kind_of(array)}, but q is {kind_of(q)}; use one backend")
    if dtype_name(array) not in UNIT:
        raise InputError(f"{name}: dtype {dtype_name(array)} is not allowed; {', '.join(UNIT)}")
    if getattr(array, "device", None) != getattr(q, "device", None):
        raise InputError(f"{name}: on {array.device}, but q is on {q.device}")
    if len(array.shape) < 2 or 0 in array.shape:
        raise InputError(f"{name}: shape {shape_of(array)}; allowed: (.., L, d), none of them 0")


def _check_shapes(q: Tensor, k: Tensor, v: Tensor, scales: tuple[int, ...] | None) -> None:
    if q.shape[-1] != k.shape[-1]:
        raise InputError(f"k: head dimension {k.shape[-1]}, but q has {q.shape[-1]}")
    if k.shape[-2] != v.shape[-2]:
        raise InputError(f"v: {v.shape[-2]} tokens, but k has {k.shape[-2]}")
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        shapes = ", ".join(str(shape_of(part)) for part in (q, k, v))
        raise InputError(f"q, k, v: leading axes {shapes} differ before (L, d)")
    if scales is not None:
        if not scales or any(
            not isinstance(n, Integral) or isinstance(n, bool) or n < 1 for n in scales
        ):
            raise InputError(f"scales: {scales} is not allowed; positive token counts per scale")
        if not sum(scales) == q.shape[-2] == k.shape[-2]:
            raise InputError(
                f"scales: sum to {sum(scales)}, but q has {q.shape[-2]} and k {k.shape[-2]} tokens"
            )


def check_memory(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Before anything is allocated: broadcast views may stand for any number of entries."""
    if not isinstance(q, np.ndarray) and q.device.type != "cpu":
        return
    need = _COPIES * 8 * sum(math.prod(shape_of(part)) for part in (q, k, v))
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    if have and need > have:
        raise InputError(
            f"q, k, v: about {need / 2**30:.3g} GiB would be needed, this machine has "
            f"{have / 2**30:.3g}; pass fewer heads at a time"
        )


def _finite(array: Tensor) -> bool:
    """A finite sum has finite terms; one that is not may have overflowed, so look at each."""
    total = array.sum()
    if math.isfinite(float(total)):
        return True
    if isinstance(array, np.ndarray):
        return bool(np.isfinite(array).all())
    return bool(array.isfinite().all())
