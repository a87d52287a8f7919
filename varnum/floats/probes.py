"""Does this thread compute as the proofs assume? Tried on a few numbers, not read off switches.

The threads of NumPy's matrix library have a state of their own, which is tried as well.

Subnormal numbers are kept, rounding is to nearest with ties to even, and a product of float32
matrices keeps 24 bits. Each probe has one exact answer; where it is another, no rounding bound of
this package holds. What a product does may depend on its shape, so torch's own switches for
narrower products are read as well.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cache

import numpy as np

from varnum.errors import InputError
from varnum.tensor import Device, Flags, Tensor

_SIDE = 32  # torch hands products of at least 17 x 17 x 17 to the libraries that may narrow them
_WORKERS = 16  # threads of NumPy's matrix library that are looked at
_SHARE = 1 << 20  # multiplications that it surely gives a thread of its own
_SPLIT = 32_768  # entries of an elementwise operation that torch gives to one thread

_LINUX = hasattr(os, "sched_getaffinity")
_BITS = {"float32": 24, "float64": 53}  # of the significand
_LOW = {"float32": (-100, -40), "float64": (-1000, -60)}  # exponents whose sum is subnormal
_TINY = {"float32": -126, "float64": -1022}  # exponent of the smallest normal number

_FLUSHED = (
    "arithmetic: subnormal numbers are flushed to zero in {where}, so no bound holds; call "
    "torch.set_flush_denormal(False), or unload what was built with -ffast-math"
)
_ROUNDED = "arithmetic: {where} does not round to nearest, so no bound holds; call fesetround(0)"
_NARROW = (
    "arithmetic: float32 products of {where} are set below full precision, so no rounding bound "
    "holds; call torch.set_float32_matmul_precision('highest'), or set fp32_precision to 'ieee'"
)


@dataclass(frozen=True)
class _Probe:
    """(a b + c) s and (left @ right) scale, what is between subnormal at places; exact values."""

    a: Tensor
    b: Tensor
    c: Tensor
    s: Tensor
    value: Tensor
    left: Tensor
    right: Tensor
    scale: Tensor
    product: Tensor

    def sums(self) -> Flags:
        """Which (a b + c) s are right: subnormal before s, but for the last four, which round."""
        return ((self.a * self.b + self.c) * self.s) == self.value

    def multiplied(self) -> Tensor:
        """The product, its subnormal half scaled up."""
        return (self.left @ self.right) * self.scale


def _two(exponent: int) -> float:
    """2^exponent, exactly whatever the rounding; never subnormal here."""
    return math.ldexp(1.0, exponent)


@cache
def _numpy_probe(name: str, entries: int, side: int = _SIDE) -> _Probe:
    """Elementwise: `entries` that come out subnormal between, then four that round.

    The product (side, side) rounds in its even columns, and is subnormal in the odd ones.

    Made of exact steps on normal numbers: what is remembered is right even if this state is not.
    """
    unit, (low, factor), tiny = _two(-_BITS[name]), _LOW[name], _TINY[name]
    some = np.ones(entries)
    a = np.append(_two(low) * some, [1, 1, -1, -1])
    b = np.append(_two(factor) * some, [1, 1, 1, 1])
    c = np.append(0 * some, [unit, 3 * unit, -unit, -3 * unit])
    s = np.append(_two(-factor) * some, [1, 1, 1, 1])
    above = 1 + 4 * unit
    value = np.append(_two(low) * some, [1, above, -1, -above])
    shape = (side, side)
    left, right, product = np.zeros(shape), np.zeros(shape), np.ones(shape)
    full = 2 - 2 * unit  # of all bits; its square rounds to 4 - 8 unit
    left[:, 0], right[0, ::2], product[:, ::2] = full, full, 4 - 8 * unit
    left[:, -1], right[-1, 1::2] = _two(low), _two(factor)
    product[:, 1::2] = _two(low + factor - tiny)
    scale = np.ones(side)
    scale[1::2] = _two(-tiny)
    parts = (a, b, c, s, value, left, right, scale, product)
    return _Probe(*(part.astype(name) for part in parts))


@cache
def _torch_probe(name: str, entries: int, device: Device) -> _Probe:
    import torch

    parts = vars(_numpy_probe(name, entries)).values()
    made = [torch.tensor(part, device=device) for part in parts]
    if any(type(part) is not torch.Tensor for part in made):
        raise InputError(
            "arithmetic: a mode of torch makes tensors without numbers; leave it first"
        )
    return _Probe(*made)


def check_numpy() -> None:
    """Raise InputError unless NumPy computes in this thread as the proofs assume."""
    for name in _BITS:
        _look(_numpy_probe(name, 4), "this thread")
    if os.getpid() not in _workers_seen:
        _check_workers()


_workers_seen = set[int]()  # processes whose workers were fine


def _check_workers() -> None:
    """The same for the threads that NumPy's matrix library keeps: products large enough for all.

    Threads compute as the one did that started them, and nothing else runs in these: looked at
    once per process. More than `_WORKERS` of them may not all have a part.
    """
    threads = min(_WORKERS, len(os.sched_getaffinity(0)) if _LINUX else os.cpu_count() or 1)
    side = max(_SIDE, math.ceil((threads * _SHARE) ** (1 / 3)))
    for name in _BITS:
        probe = _numpy_probe.__wrapped__(name, 4, side)  # not remembered: megabytes
        even, odd = _right_columns(probe)
        where = "a thread of NumPy's matrix library"
        if not even or not odd:
            raise InputError((_FLUSHED if even else _ROUNDED).format(where=where))
    _workers_seen.add(os.getpid())


def check_torch(device: Device) -> None:
    """Raise InputError unless torch computes on `device` as the proofs assume (all its threads)."""
    import torch

    where = f"torch on {device.type}"
    _check_switches(device, where)
    entries = 4 if device.type != "cpu" else _SPLIT * (torch.get_num_threads() - 1) + 4
    for name in _BITS:
        if device.type != "mps" or name == "float32":
            _look(_torch_probe(name, entries, device), where)


def _look(probe: _Probe, where: str) -> None:
    right = probe.sums()
    if not bool(right.all()):
        message = _ROUNDED if bool(right[:-4].all()) else _FLUSHED
        raise InputError(message.format(where=where))
    even, odd = _right_columns(probe)
    if not even or not odd:
        raise InputError((_FLUSHED if even else _NARROW).format(where=where))


def _right_columns(probe: _Probe) -> tuple[bool, bool]:
    """Whether the product is right where it rounds and where it is subnormal."""
    right = probe.multiplied() == probe.product
    return bool(right[:, ::2].all()), bool(right[:, 1::2].all())


def _judge(right: bool, where: str) -> None:
    if not right:
        raise InputError(_NARROW.format(where=where))


def _check_switches(device: Device, where: str) -> None:
    """What torch says about float32 products, by its new switches and by the old ones."""
    import torch

    cuda = device.type == "cuda"
    place = torch.backends.cuda.matmul if cuda else torch.backends.mkldnn
    try:
        if device.type == "cpu":
            said = {place.fp32_precision, place.matmul.fp32_precision}
        else:
            said = {place.fp32_precision}
    except (AttributeError, RuntimeError):  # before torch 2.9
        loose = torch.get_float32_matmul_precision() != "highest"
        loose = loose or (device.type == "cuda" and place.allow_tf32)
        said = {"tf32" if loose else "ieee"}
    _judge(said <= {"none", "ieee"}, where)
