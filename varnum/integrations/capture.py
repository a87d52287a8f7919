"""Watching: every softmax attention call of any torch code, its results unchanged to the bit.

One TorchDispatchMode, which lies below what it watches. A function mode would not do: any active
one turns off torch's fast paths, which changes results, and it does not see what they call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from varnum.errors import InputError, MissingExtra
from varnum.integrations.call import Call, reproduces
from varnum.integrations.eager import Eager
from varnum.integrations.fused import Finish, Found, flex, fused, may_be_fused
from varnum.integrations.names import Names, wanted
from varnum.integrations.provenance import Lost
from varnum.integrations.written import Written

Keep = Literal["all", "sample", "none"]
_KEEP = ("all", "sample", "none")


@dataclass(frozen=True)
class Unexplained:
    """Attention that was noticed and not captured."""

    module: str
    what: str


@dataclass(repr=False)
class Seen:
    """What was watched: `count` calls, `dropped` of them past `max_bytes`, the others in order."""

    calls: list[Call] = field(default_factory=list)
    count: int = 0
    dropped: int = 0
    unexplained: list[Unexplained] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Was everything captured that was noticed?"""
        return not self.unexplained

    def __repr__(self) -> str:
        return (
            f"Seen({self.count} calls, {self.dropped} dropped, {len(self.unexplained)} unexplained)"
        )


@contextmanager
def watch(
    model: Any = None,
    *,
    on_call: Callable[[Call], None] | None = None,
    keep: Keep = "all",
    sample: int = 256,
    max_bytes: int = 2**30,
    modules: Sequence[str] | None = None,
    verify: bool = True,
) -> Iterator[Seen]:
    """Every softmax attention call of any torch code inside the `with`, results unchanged.

    model: names calls by module path (without: by class name). on_call(call): called at once, in
    the model's thread; `call` holds views, valid until it returns. keep: "all" (copies, up to
    `max_bytes` in all, then counted in `dropped`), "sample" (`sample` random query rows and keys
    per head), "none" (what was called, no tensors). modules: paths (exact, or with *) to watch.
    verify: recompute `sample`/4 rows of each output, spread over its heads; a call that does not
    reproduce its output says verified=False and is listed as unexplained too.

    Sees: torch's fused kernels, the fast paths of nn.MultiheadAttention and TransformerEncoder,
    flex_attention, and attention written out in operations. Not, and not listed as unexplained
    either: other threads, CUDA graph replays, kernels that are no torch operations (NumPy),
    torch.sparse.softmax, a softmax made with pow, convolutions with softmax weights. Compiled code
    runs uncompiled meanwhile.
    Raises MissingExtra without torch, InputError for options that are not allowed.

    >>> import torch
    >>> x = torch.linspace(-1, 1, 24).reshape(1, 2, 4, 3)
    >>> with watch() as seen:
    ...     out = torch.nn.functional.scaled_dot_product_attention(x, x, x)
    >>> seen.calls[0].sizes, seen.calls[0].verified
    ((4, 4), True)
    >>> with watch(keep="some"): pass
    Traceback (most recent call last):
    varnum.errors.InputError: keep: 'some' is not allowed; one of all, sample, none
    """
    if keep not in _KEEP:
        raise InputError(f"keep: {keep!r} is not allowed; one of {', '.join(_KEEP)}")
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < 1:
        raise InputError(f"sample: {sample!r} is not allowed; a whole number, at least 1")
    if type(max_bytes) is not int or max_bytes < 0:
        raise InputError(f"max_bytes: {max_bytes!r} is not allowed; a whole number, at least 0")
    if isinstance(modules, str):
        raise InputError(f"modules: {modules!r} is one string; give a list of module paths")
    try:
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode
    except ImportError:
        raise MissingExtra("torch", "torch") from None

    class Watching(TorchDispatchMode):  # type: ignore[misc]
        """Lets every operation run as it would, and looks at it."""

        supports_higher_order_operators = True

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            if watcher.in_parts(func):
                with self:
                    return func.decompose(*args, **kwargs)
            out = func(*args, **kwargs)
            watcher.see(func, args, kwargs, out)
            return out

    options = _Options(on_call, keep, sample, max_bytes, None if modules is None else list(modules),
                       verify)  # fmt: skip
    watcher = _Watcher(Names(model), options)
    watcher.names.open()
    stance = torch.compiler.set_stance("force_eager")
    try:
        with stance, Watching():
            yield watcher.seen
    finally:
        watcher.close()


def capture(model: Any, *args: Any, **kwargs: Any) -> Seen:
    """`watch` around one call of model(*args, **kwargs) under `torch.no_grad()`.

    What the model raises passes; InputError where it cannot be called.

    >>> import torch
    >>> x, model = torch.linspace(-1, 1, 12).reshape(3, 4), torch.nn.MultiheadAttention(4, 2)
    >>> capture(model, x, x, x)
    Seen(1 calls, 0 dropped, 0 unexplained)
    >>> capture("model", x)
    Traceback (most recent call last):
    varnum.errors.InputError: model: str cannot be called; give a module or a function
    """
    if not callable(model):
        raise InputError(
            f"model: {type(model).__name__} cannot be called; give a module or a function"
        )
    with watch(model) as seen:
        import torch

        with torch.no_grad():
            model(*args, **kwargs)
    return seen


@dataclass(frozen=True)
class _Options:
    on_call: Callable[[Call], None] | None
    keep: Keep
    sample: int
    max_bytes: int
    modules: list[str] | None
    verify: bool


class _Watcher:
    def __init__(self, names: Names, options: _Options) -> None:
        self.names, self.options = names, options
        self.seen = Seen()
        self.bytes = 0
        self.taken: list[Found] = []
        self.eager = Eager(self._written, self._report, names.here, names.is_parameter)
        self._parts: dict[Any, bool] = {}
        self._kinds: dict[Any, str] = {}

    def close(self) -> None:
        self.names.close()
        self.eager.finish()

    def in_parts(self, func: Any) -> bool:
        """Does it arrive whole (under inference_mode) and have to be taken apart?"""
        found = self._parts.get(func)
        if found is None:
            found = hasattr(func, "_can_decompose") and bool(func._can_decompose())
            self._parts[func] = found
        return found

    def see(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        kind = self._kinds.get(func)
        if kind is None:
            kind = self._kinds[func] = _kind(func)
        if kind == "eager":
            try:
                self.eager.after(func, args, kwargs, out)
            except Exception as error:  # looking must not disturb the model
                self._report(self.names.here(), f"cannot be followed ({type(error).__name__})")
        elif kind != "none":
            here, index = self.names.here(), self.seen.count
            with self._reading(here):
                _readable(args)
                if kind == "flex":
                    self.taken.append(flex(args, kwargs, out, here, index))
                else:
                    self.taken += fused(func, args, kwargs, out, here, index)
        while self.taken:
            self._take(self.taken.pop(0))

    def _written(self, written: Written) -> None:
        module = written.probs.module
        if wanted(module, self.options.modules):
            with self._reading(module):
                _readable((written.v, written.out))
                self.taken.append(Found(written.call(self.seen.count)))

    @contextmanager
    def _reading(self, module: str) -> Iterator[None]:
        """What goes wrong in looking must not reach the model: it is reported."""
        try:
            yield
        except Lost as lost:
            self._report(module, str(lost))
        except Exception as error:
            line = " ".join(str(error).split())[:120]
            self._report(module, f"cannot be read ({type(error).__name__}: {line})")

    def _report(self, module: str, what: str) -> None:
        if wanted(module, self.options.modules):
            self.seen.unexplained.append(Unexplained(module, what))

    def _take(self, found: Found) -> None:
        call = found.call
        if not wanted(call.module, self.options.modules):
            return
        if self.options.verify:
            with self._reading(call.module):
                call = self._verified(call, found.finish)
        if found.finish is not None:
            call = replace(call, output=None)
        self.seen.count += 1
        if self.options.on_call is not None:
            self.options.on_call(call)
        self._keep(call)

    def _verified(self, call: Call, finish: Finish | None) -> Call:
        good, off = reproduces(call, -(-self.options.sample // 4), finish)
        if good is False:
            what = f"captured, but q, k, v do not give its output (off by {off:.2g} of max |v|)"
            if call.notes:
                what += f"; {'; '.join(call.notes)}"
            self._report(call.module, what)
        return replace(call, verified=good)

    def _keep(self, call: Call) -> None:
        import torch

        seen, options = self.seen, self.options
        if options.keep == "none":
            seen.calls.append(call.bare())
            return
        with torch.inference_mode(False), torch.no_grad():
            if options.keep == "sample":
                seen.calls.append(call.sampled(options.sample, call.index))
            elif self.bytes + call.bytes() > options.max_bytes:
                seen.dropped += 1
            else:
                self.bytes += call.bytes()
                seen.calls.append(call.copied())


def _kind(func: Any) -> str:
    """How an operation is looked at."""
    if not hasattr(func, "_schema"):
        name = str(func)
        return "flex" if "flex_attention" in name and "backward" not in name else "none"
    return "fused" if may_be_fused(func) else "eager"


def _readable(tensors: tuple[Any, ...]) -> None:
    """Raise Lost for tensors that hold no numbers one could look at."""
    for t in tensors:
        if not hasattr(t, "layout"):
            continue
        if t.device.type == "meta":
            raise Lost("tensors on the meta device hold no numbers")
        if "sparse" in str(t.layout):
            raise Lost("sparse tensors are not read")
