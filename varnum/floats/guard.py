"""One guard around everything that certifies: the state of the process cannot change the result.

What can be made irrelevant is: torch's autocast, gradients and inference mode are off inside, its
function modes too, NumPy warns of nothing. What cannot is probed (`varnum.floats.probes`), before
and after, and refused in one line. Entering it again inside itself costs nothing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

from varnum.errors import InputError
from varnum.floats.probes import check_numpy, check_torch
from varnum.tensor import Device

_here = threading.local()  # the floating-point environment belongs to a thread
P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def certifying(*arrays: object) -> Iterator[None]:
    """Inside, NumPy (and torch on the devices of `arrays`) computes as the proofs assume.

    Raises InputError on entry where it does not, and on leaving where that changed meanwhile.
    """
    devices = [device for device in map(_device, arrays) if device is not None]
    places = {"numpy": None, **{str(device): device for device in devices}}
    known: set[str] = getattr(_here, "known", set())
    fresh = {name: device for name, device in places.items() if name not in known}
    if not fresh:
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))
        if any(device is not None for device in fresh.values()):
            _refuse_modes()
        for device in fresh.values():
            if device is not None:
                _settle(stack, device)
        _check(fresh)
        _here.known = known | fresh.keys()
        try:
            yield
        finally:
            _here.known = known
        _check(fresh)


def certified(function: Callable[P, T]) -> Callable[P, T]:
    """A function that runs inside the guard, its arrays being among its arguments."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        with certifying(*args, *kwargs.values()):
            return function(*args, **kwargs)

    return guarded


def eagerly(function: Callable[P, T]) -> Callable[P, T]:
    """A function that torch.compile does not look into: it would rewrite the arithmetic."""

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        import torch

        outside: Callable[P, T] = torch.compiler.disable(function)
        return outside(*args, **kwargs)

    return called


def _check(places: dict[str, Device | None]) -> None:
    for device in places.values():
        if device is None:
            check_numpy()
        else:
            check_torch(device)


def _refuse_modes() -> None:
    """Fake tensors have no numbers; any other dispatch mode may do what it likes to ours."""
    from torch.utils._python_dispatch import _get_current_dispatch_mode

    mode = _get_current_dispatch_mode()
    if mode is not None:
        raise InputError(f"arithmetic: {type(mode).__name__} is active in torch; leave it first")


def _settle(stack: ExitStack, device: Device) -> None:
    """Switch off what would change or record the operations inside."""
    import torch

    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.no_grad())
    for kind in {"cpu", device.type}:
        if torch.is_autocast_enabled(kind):
            stack.enter_context(torch.autocast(kind, enabled=False))
    stack.enter_context(torch._C.DisableTorchFunction())


def _device(array: object) -> Device | None:
    own = type(array).__module__.partition(".")[0] == "torch"
    return getattr(array, "device", None) if own else None
