"""All boxes at once: the closed form that fits, its numbers, its counterexample."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from varnum.balls.exact import to_text
from varnum.loop.activations import Activation
from varnum.loop.closed_orthants import (
    Orthants,
    Shape,
    certify_cubic,
    certify_tanh,
    counterexample,
    shape_of,
)
from varnum.loop.coordinates import Coordinates, certify_coordinates
from varnum.loop.net import Net
from varnum.verdict import Unknown


@dataclass(frozen=True)
class Boxes:
    """k^d boxes with a fixed point each, as `Orthants` or `Coordinates` describe them.

    intervals: the choices of one coordinate; sharp: whether some W and b beyond `tolerance` lose
    a box (a theorem).
    """

    shape: Shape
    claim: str
    intervals: tuple[tuple[Fraction, Fraction], ...]
    rate: Fraction | None
    shift: Fraction
    tolerance: Fraction
    noise: Fraction
    sharp: bool

    @property
    def certified(self) -> str:
        """How many boxes, as "2^10000"."""
        return f"{len(self.intervals)}^{self.shape.d}"


def certify_boxes(g: Activation, shape: Shape, nu: Fraction = Fraction(0)) -> Boxes | Unknown:
    """All boxes at once for every W and b of these norms, or Unknown with the reason."""
    if g.name in ("cubic", "tanh"):
        found = (certify_cubic if g.name == "cubic" else certify_tanh)(shape, nu)
        return found if isinstance(found, Unknown) else _orthants(found, g.name)
    other = certify_coordinates(g, shape, nu)
    return other if isinstance(other, Unknown) else _coordinates(other)


def certify_net_boxes(net: Net, nu: Fraction = Fraction(0)) -> Boxes | Unknown:
    """The same for one given network, by its norms: c = 1 for the cubic, chosen for others."""
    return certify_boxes(net.g, shape_of(net, centred=net.g.name == "cubic"), nu)


def _orthants(found: Orthants, name: str) -> Boxes:
    sides = ((-found.high, -found.low), (found.low, found.high))
    return Boxes(found.shape, f"loop-{name}", sides, found.rate, found.shift, found.tolerance,
                 found.noise, sharp=found.shape.d > 1 or found.shape.e == 0)  # fmt: skip


def _coordinates(found: Coordinates) -> Boxes:
    shift = found.shape.e + found.shape.beta
    return Boxes(found.shape, "loop-coordinates", found.intervals, found.rate, shift,
                 found.tolerance, found.noise, sharp=False)  # fmt: skip


def witness(kind: str, shape: Shape) -> dict[str, object] | None:
    """The least counterexample of these norms in exact decimals or fractions, or None."""
    shape = Shape(min(shape.d, 2), shape.e, shape.beta, shape.c)
    found = counterexample(kind, shape)
    if found is None:
        return None
    W, b = found
    return {"W": [[to_text(x) for x in row] for row in W], "b": [to_text(x) for x in b]}
