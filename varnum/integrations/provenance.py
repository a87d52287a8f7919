"""What a tensor is on its way from a product q k^T through a softmax to a product with v.

Each tensor on the way has a node. A node's `place` is a tensor on the meta device with the shape of
the real one, whose strides say where each of its entries stands in the product (or, after the
softmax, in the softmax's input): every view of the real tensor is replayed on it, so that einsum,
transposes and reshapes need no rule of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

Replay = tuple[Any, tuple[Any, ...], dict[str, Any], int | None]  # op, arguments, which output


class Lost(Exception):
    """This cannot be followed; the message says what was seen."""


@dataclass(frozen=True)
class Product:
    """a (N, I, D) times b (N, D, J)."""

    a: Any
    b: Any
    module: str
    weight: bool  # one of the two is a parameter of a module

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(N, I, J)."""
        return int(self.a.shape[0]), int(self.a.shape[1]), int(self.b.shape[2])


@dataclass(frozen=True)
class Term:
    """What was done to the logits: kind "add", "keep" (elsewhere a low number) or "times".

    `shape`: of the logits then; `replays`: the views of the logits since. late: after the sinks.
    """

    kind: str
    tensor: Any
    shape: tuple[int, ...]
    replays: tuple[Replay, ...] = ()
    factor: float = 1.0
    late: bool = False

    def value(self) -> Any:
        """The tensor in the shape of the logits now; axes along which it is constant have size 1
        or stride 0.
        """
        found = self.tensor.expand(self.shape)
        for op, args, kwargs, part in self.replays:
            try:
                found = op(found, *args, **kwargs)
            except RuntimeError:  # a view that expanded axes do not allow
                found = op(found.contiguous(), *args, **kwargs)
            found = found if part is None else found[part]
        return found


@dataclass(frozen=True)
class Scores:
    """Logits on their way to a softmax: [cap tanh](factor product [/ cap]) and the terms."""

    product: Product
    place: Any
    factor: float = 1.0
    cap: float | None = None  # the number after tanh; `factor` is then what stands inside
    terms: tuple[Term, ...] = ()
    shifted: bool = False  # by a number: a softmax does not see it, a tanh does
    inner: Any = None  # place before sinks were appended
    sinks: Term | None = None
    unknown: str = ""  # an operation that none of this describes: the bias is a difference then

    def viewed(self, place: Any, replay: Replay) -> Scores:
        """After a view."""
        terms = tuple(replace(t, replays=(*t.replays, replay)) for t in self.terms)
        sinks = self.sinks
        if sinks is not None:
            raise Lost("logits with sinks are viewed before their softmax")
        return replace(self, place=place, terms=terms)

    def scaled(self, number: float) -> Scores:
        """Times a number."""
        terms = tuple(replace(t, factor=t.factor * number) for t in self.terms if t.kind != "times")
        kept = tuple(t for t in self.terms if t.kind == "times")
        if self.cap is not None and not self.unknown:
            return replace(self, cap=self.cap * number, terms=(*kept, *terms))
        return replace(self, factor=self.factor * number, terms=(*kept, *terms))

    def with_term(self, kind: str, tensor: Any) -> Scores:
        """One more term, in the shape of now."""
        late = self.sinks is not None
        term = Term(kind, tensor, tuple(self.place.shape), late=late)
        return replace(self, terms=(*self.terms, term))


@dataclass(frozen=True)
class Probs:
    """A softmax over axis `dim`. scores None: of logits that are no known product.

    shape: of the softmax's input, or of a copy of it in another order; axes: which axis of the
    input each of its axes is, None for one of size 1.
    """

    scores: Scores | None
    shape: tuple[int, ...]
    dim: int
    place: Any
    module: str
    axes: tuple[int | None, ...]
    dropout: float = 0.0
    bias: Any = None  # where the logits' terms are unknown: softmax's input minus what is known
    why: str = ""  # why it cannot be captured when it meets values
    reached: list[bool] = field(default_factory=list)

    def viewed(self, place: Any) -> Probs:
        """After a view."""
        return replace(self, place=place)

    def copied(self) -> Probs:
        """After a copy, which has the strides of its shape: places count in it from here on."""
        axes: list[int | None] = []
        base = strides_of(self.shape)
        for size, stride in zip(self.place.shape, self.place.stride(), strict=True):
            same = [a for a, s in enumerate(base)
                    if s == stride and self.shape[a] == size > 1 and a not in axes]  # fmt: skip
            if size > 1 and not same:
                return self
            axes.append(same[0] if same else None)
        if self.dim not in axes or any(n > 1 and a not in axes for a, n in enumerate(self.shape)):
            return self
        shape = tuple(self.place.shape)
        before = tuple(None if a is None else self.axes[a] for a in axes)
        return replace(self, shape=shape, dim=axes.index(self.dim), place=meta(shape), axes=before)

    def turned(self, t: Any) -> Any:
        """A tensor in the shape of the softmax's input, with the axes of `shape`."""
        kept = [a for a in self.axes if a is not None]
        for axis in sorted(set(range(t.ndim)) - set(kept), reverse=True):
            t = t.select(axis, 0)
            kept = [a - (a > axis) for a in kept]
        t = t.permute(kept)
        for axis, a in enumerate(self.axes):
            t = t.unsqueeze(axis) if a is None else t
        return t


@dataclass(frozen=True)
class Opaque:
    """Weights that are no softmax any more, or never were one: an unexplained call if they meet
    values in a product.
    """

    why: str
    module: str


@dataclass(frozen=True)
class Noise:
    """A dropout mask that is being made."""

    keep: float


def strides_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Contiguous ones."""
    found, step = [], 1
    for size in reversed(shape):
        found.append(step)
        step *= size
    return tuple(reversed(found))


def meta(shape: tuple[int, ...]) -> Any:
    """A contiguous place."""
    import torch

    return torch.empty(shape, device="meta")
