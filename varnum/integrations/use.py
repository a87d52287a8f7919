"""`with vn.use() as log`: guaranteed attention for code that knows nothing of it.

`torch.nn.functional.scaled_dot_product_attention` is replaced while a block is open anywhere; what
decides is a context variable, so that other threads and tasks go on with torch's own. A function
mode serves those who imported the function by name, and counts attention that does not pass there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from typing import Any

from varnum._attention import Certificate, parse_target
from varnum.errors import MissingExtra
from varnum.integrations.certificates import collected
from varnum.integrations.sdpa import sdpa

_asked: ContextVar[Any] = ContextVar("varnum_use", default=None)  # output_error of the inner block
_lock = threading.Lock()
_places: list[tuple[Any, bool]] = []  # one per open block; the first knows what was there before


class Log(list[Certificate]):
    """The certificates of a block, in order; `missed`: attention that was done without any."""

    missed: int = 0


@contextmanager
def use(*, output_error: str | Fraction = "1e-2") -> Iterator[Log]:
    """Inside, every call of torch's scaled_dot_product_attention is `varnum.sdpa`.

    Wherever it is called from, nn.MultiheadAttention, transformers and diffusers included; the fast
    paths of torch's encoder layers, which do not call it, are off. All is put back at the end,
    whatever happens. `missed` counts products with a softmax of three or more axes, as attention
    written out is: choose the model's "sdpa" implementation instead. It is a warning, so 0 is no
    proof: not counted are softmax matrices of two axes (one head at a time), softmin,
    gumbel_softmax, log_softmax().exp(), exp over its sum by hand, direct calls of torch.ops.aten.
    Of this thread or task; inside torch.compile only what is compiled in the block. Raises
    InputError where `varnum.sdpa` does.

    >>> import torch
    >>> x = torch.linspace(-1, 1, 24).reshape(1, 2, 4, 3)
    >>> with use(output_error="1e-3") as log:
    ...     out = torch.nn.functional.scaled_dot_product_attention(x, x, x)
    >>> log[0].reached, log.missed
    (True, 0)
    >>> with use(output_error="2"): pass
    Traceback (most recent call last):
    varnum.errors.InputError: output_error: 2 is not allowed; above 1e-300 and below 1
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra("torch", "torch") from error
    parse_target(None, output_error)
    log = Log()
    token = _asked.set(output_error)
    _install(torch)
    try:
        with collected(log), _mode(log):
            yield log
    finally:
        _remove(torch)
        _asked.reset(token)


def replaced(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """What stands in torch's place: `varnum.sdpa` inside a block, torch's own outside."""
    given = (query, key, value, attn_mask, dropout_p, is_causal)
    asked = _asked.get()
    if asked is None:
        import torch

        plain = torch._C._nn.scaled_dot_product_attention
        return plain(*given, scale=scale, enable_gqa=enable_gqa)
    return sdpa(*given, scale=scale, enable_gqa=enable_gqa, output_error=asked)


def _install(torch: Any) -> None:
    with _lock:
        functional, fast = torch.nn.functional, torch.backends.mha.get_fastpath_enabled()
        _places.append((functional.scaled_dot_product_attention, fast))
        functional.scaled_dot_product_attention = replaced
        torch.backends.mha.set_fastpath_enabled(False)


def _remove(torch: Any) -> None:
    """The last block to end puts back what the first one found."""
    with _lock:
        before, fast = _places[0]
        if len(_places) > 1:
            _places.pop()
            return
        _places.clear()
        if torch.nn.functional.scaled_dot_product_attention is replaced:
            torch.nn.functional.scaled_dot_product_attention = before
        torch.backends.mha.set_fastpath_enabled(fast)


_SOFTMAX = {"softmax", "_softmax"}
_PRODUCTS = {"matmul", "__matmul__", "bmm", "baddbmm", "einsum"}


def _mode(log: Log) -> Any:
    """A function mode: calls by another name are replaced, attention written out is counted."""
    import torch
    from torch.utils.weak import WeakIdKeyDictionary

    plain = torch._C._nn.scaled_dot_product_attention

    class Calls(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weights: Any = WeakIdKeyDictionary()  # softmax, and what was made of it

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            if func is plain:
                return replaced(*args, **kwargs)
            found, name = func(*args, **kwargs), getattr(func, "__name__", "")
            if name == "multi_head_attention_forward" and kwargs.get("need_weights", True):
                log.missed += 1  # written out inside
            if not isinstance(found, torch.Tensor):
                return found
            known = [part for part in (*args, *kwargs.values()) if isinstance(part, torch.Tensor)]
            if name == "einsum" and len(args) > 1 and isinstance(args[1], list | tuple):
                known += args[1]
            if name in _SOFTMAX and found.ndim >= 3:
                self.weights[found] = True
            elif any(part in self.weights for part in known):
                if name in _PRODUCTS:
                    log.missed += 1
                elif found.numel() in {part.numel() for part in known}:  # dropout, a cast, a view
                    self.weights[found] = True
            return found

    return Calls()
