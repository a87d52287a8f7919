"""Activations with value, slope and curvature in balls, sharp over intervals.

Over an interval a function runs between its values at the ends and at its turning points inside, so
the range is exact up to rounding where all turning points are known (`turns`); elsewhere it is the
hull over pieces.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from varnum.balls.exact import parse
from varnum.balls.scalar import arb, ball, fmpz_poly, hull, precision, real_roots
from varnum.errors import InputError

Floats = npt.NDArray[np.float64]
Jet = tuple[Callable[[arb], arb], ...]
_BITS = 512
_PIECES = 16  # of an interval where the turning points are not known


@dataclass(frozen=True)
class Activation:
    """g: `jet` encloses g(u), g'(u) and g''(u) for a ball u, one function each.

    turns: balls that hold every zero of g', of g'' and of g''' (None: not known); image: g(R) as
    an interval (None: unbounded); smooth: whether g is twice differentiable; powers: its
    coefficients where g is a polynomial.
    """

    name: str
    jet: Jet
    turns: tuple[tuple[arb, ...] | None, ...]
    image: tuple[int, int] | None = None
    smooth: bool = True
    powers: tuple[Fraction, ...] = ()

    def span(self, order: int, u: arb) -> arb:
        """Encloses the range of the derivative of this order (0, 1, 2) over the ball u."""
        if u.is_exact():
            return self.jet[order](u)
        low, high = u.lower(), u.upper()
        turns, at = self.turns[order], self.jet[order]
        if turns is None:
            return self._by_pieces(order, low, high)
        found = at(low).union(at(high))
        for turn in turns:
            if turn.overlaps(u):
                found = found.union(at(turn))
        return found

    def _by_pieces(self, order: int, low: arb, high: arb) -> arb:
        cuts = [low + (high - low) * k / _PIECES for k in range(_PIECES + 1)]
        pieces = [a.union(b) for a, b in pairwise(cuts)]
        found = self.jet[order](pieces[0])
        for piece in pieces[1:]:
            found = found.union(self.jet[order](piece))
        return found

    def value(self, u: arb) -> arb:
        """g over the ball u."""
        return self.span(0, u)

    def slope(self, u: arb) -> arb:
        """g' over the ball u."""
        return self.span(1, u)

    def curve(self, u: arb) -> arb:
        """g'' over the ball u."""
        return self.span(2, u)

    def estimate(self, u: Floats) -> Floats:
        """g in float64, entry by entry; not rigorous."""
        if self.powers:
            return np.polyval([float(c) for c in reversed(self.powers)], u).astype(np.float64)
        return _FAST[self.name](u) if self.name in _FAST else _floats(self.jet[0], u)

    def estimate_slope(self, u: Floats) -> Floats:
        """g' in float64, entry by entry; not rigorous."""
        return _floats(self.jet[1], u)


def _floats(at: Callable[[arb], arb], u: Floats) -> Floats:
    flat = [_mid(at(arb(float(x)))) if math.isfinite(x) else math.nan for x in u.ravel()]
    return np.array(flat, dtype=np.float64).reshape(u.shape)


def _mid(x: arb) -> float:
    return float(x.mid()) if x.is_finite() else math.nan


_FAST: dict[str, Callable[[Floats], Floats]] = {
    "tanh": np.tanh,
    "sigmoid": lambda u: (1 + np.tanh(u / 2)) / 2,
    "silu": lambda u: u * (1 + np.tanh(u / 2)) / 2,
    "relu": lambda u: np.maximum(u, 0.0),
}


# --- the table ----------------------------------------------------------------------------------


def _tanh_slope(u: arb) -> arb:
    return u.sech() ** 2  # sharper than 1 - tanh^2 for thin balls


def _tanh_curve(u: arb) -> arb:
    return -2 * u.tanh() * _tanh_slope(u)


def _tanh() -> Activation:
    bend = (arb(1) / arb(3).sqrt()).atanh()  # tanh'' turns where tanh^2 = 1/3
    jet = (lambda u: u.tanh(), _tanh_slope, _tanh_curve)
    return Activation("tanh", jet, ((), (arb(0),), (-bend, bend)), (-1, 1))


def _sigmoid() -> Activation:
    bend = 2 * (arb(1) / arb(3).sqrt()).atanh()
    jet = (
        lambda u: (1 + (u / 2).tanh()) / 2,
        lambda u: _tanh_slope(u / 2) / 4,
        lambda u: _tanh_curve(u / 2) / 8,
    )
    return Activation("sigmoid", jet, ((), (arb(0),), (-bend, bend)), (0, 1))


def _silu() -> Activation:
    jet = (
        lambda u: u * (1 + (u / 2).tanh()) / 2,
        lambda u: (1 + (u / 2).tanh()) / 2 + u * _tanh_slope(u / 2) / 4,
        lambda u: _tanh_slope(u / 2) / 2 * (1 - u * (u / 2).tanh() / 2),
    )
    # silu' = 0 where 1 + u + e^u = 0 (increasing); silu'' = 0 where (u/2) tanh(u/2) = 1 (even)
    low = _root(lambda u: 1 + u + u.exp(), Fraction(-2), Fraction(-1))
    bend = 2 * _root(lambda u: u * u.tanh() - 1, Fraction(1), Fraction(2))
    return Activation("silu", jet, ((low,), (-bend, bend), None))


def _gelu() -> Activation:
    def density(u: arb) -> arb:
        return (-u * u / 2).exp() / (2 * arb.pi()).sqrt()

    def mass(u: arb) -> arb:
        return (1 + (u / arb(2).sqrt()).erf()) / 2

    def slope(u: arb) -> arb:
        return mass(u) + u * density(u)

    jet = (lambda u: u * mass(u), slope, lambda u: density(u) * (2 - u * u))
    # gelu'' = density (2 - u^2), gelu''' = density (u^3 - 4u). gelu' tends to 0 from below on the
    # left, falls to -sqrt 2, rises to sqrt 2 and falls to 1: it has one zero.
    low = _root(slope, Fraction(-1), Fraction(-1, 2))
    bend = arb(2).sqrt()
    return Activation("gelu", jet, ((low,), (-bend, bend), (arb(-2), arb(0), arb(2))))


def _gelu_tanh() -> Activation:
    factor = (2 / arb.pi()).sqrt()
    cubic = ball(Fraction(44715, 10**6))

    def inner(u: arb) -> tuple[arb, arb, arb]:
        return factor * (u + cubic * u**3), factor * (1 + 3 * cubic * u * u), 6 * factor * cubic * u

    def value(u: arb) -> arb:
        return u * (1 + inner(u)[0].tanh()) / 2

    def slope(u: arb) -> arb:
        v, first, _ = inner(u)
        return (1 + v.tanh() + u * _tanh_slope(v) * first) / 2

    def curve(u: arb) -> arb:
        v, first, second = inner(u)
        bent = _tanh_curve(v) * first * first + _tanh_slope(v) * second
        return _tanh_slope(v) * first + u * bent / 2

    return Activation("gelu-tanh", (value, slope, curve), (None, None, None))


def _relu() -> Activation:
    jet = (
        lambda u: u.max(arb(0)),
        lambda u: arb(1) if u > 0 else arb(0) if u < 0 else hull(0, 1),
        lambda u: arb(0) if u > 0 or u < 0 else arb.nan(),  # nothing is known across the kink
    )
    return Activation("relu", jet, ((), (arb(0),), (arb(0),)), smooth=False)


def _horner(powers: tuple[Fraction, ...]) -> Callable[[arb], arb]:
    balls = [ball(c) for c in reversed(powers)]

    def at(u: arb) -> arb:
        total = arb(0)
        for c in balls:
            total = total * u + c
        return total

    return at


def _derived(powers: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    return tuple(k * c for k, c in enumerate(powers))[1:]


def polynomial(powers: tuple[Fraction, ...], name: str = "poly") -> Activation:
    """g(u) = sum_k powers[k] u^k, exact."""
    chain = [powers]
    for _ in range(3):
        chain.append(_derived(chain[-1]))
    jet = tuple(_horner(coefficients) for coefficients in chain[:3])
    turns = tuple(_real_roots(coefficients) for coefficients in chain[1:])
    return Activation(name, jet, turns, powers=powers)


def _real_roots(powers: tuple[Fraction, ...]) -> tuple[arb, ...]:
    """Balls that hold the real zeros, each isolated; a constant has none that matter."""
    scale = math.lcm(*(c.denominator for c in powers)) if powers else 1
    integers = fmpz_poly([int(c * scale) for c in powers])
    if integers.degree() < 1:
        return ()
    return tuple(real_roots(integers))


CUBIC = (Fraction(0), Fraction(3, 2), Fraction(0), Fraction(-1, 2))


def _exp_poly(width: Fraction, name: str) -> Activation:
    """(3v - v^3)/2 at v = (e^(w u) - cosh w)/sinh w, which is +-1 at u = +-1."""
    w = ball(width)
    c, s = w.cosh(), w.sinh()
    cubic = _horner(CUBIC)

    def inner(u: arb) -> tuple[arb, arb, arb]:
        e = (w * u).exp()
        v = (e - c) / s
        return v, w * e / s, (3 - 3 * v * v) / 2

    def slope(u: arb) -> arb:
        _, first, outer = inner(u)
        return first * outer

    def curve(u: arb) -> arb:
        v, first, outer = inner(u)
        return first * (w * outer - 3 * v * first)

    # with e = e^(w u): v = -1, 1; e (1 - v^2) turns at 3 e^2 - 4 c e + 1 = 0, and its derivative
    # at 9 e^2 - 8 c e + 1 = 0
    turns = (
        tuple((c + sign * s).log() / w for sign in (-1, 1)),
        tuple(((2 * c + sign * (4 * c * c - 3).sqrt()) / 3).log() / w for sign in (-1, 1)),
        tuple(((4 * c + sign * (16 * c * c - 9).sqrt()) / 9).log() / w for sign in (-1, 1)),
    )
    return Activation(name, (lambda u: cubic(inner(u)[0]), slope, curve), turns)


def _root(function: Callable[[arb], arb], low: Fraction, high: Fraction) -> arb:
    """A ball with the only zero of an increasing function between low and high."""
    for _ in range(200):
        middle = (low + high) / 2
        value = function(ball(middle))
        if value > 0:
            high = middle
        elif value < 0:
            low = middle
        else:
            break
    if not function(ball(low)) < 0 < function(ball(high)):
        raise ArithmeticError("no certain change of sign around the zero")
    return hull(low, high)


NAMES = (
    "tanh", "cubic", "sigmoid", "gelu", "gelu-tanh", "silu", "relu", "exp-poly", "poly:C0,C1,..",
)  # fmt: skip


@cache
def activation(name: str) -> Activation:
    """The activation of this name.

    exp-poly:W sets its width (1 by default), poly:C0,C1,.. the coefficients from the constant on.
    gelu is u Phi(u), gelu-tanh the form of the released models. Raises InputError.
    """
    with precision(_BITS):  # of the constants: tight at any precision in use
        return _named(name)


def _named(name: str) -> Activation:
    plain: dict[str, Callable[[], Activation]] = {
        "tanh": _tanh, "sigmoid": _sigmoid, "silu": _silu, "gelu": _gelu,
        "gelu-tanh": _gelu_tanh, "relu": _relu,
        "cubic": lambda: polynomial(CUBIC, "cubic"),
        "exp-poly": lambda: _exp_poly(Fraction(1), name),
    }  # fmt: skip
    if name in plain:
        return plain[name]()
    kind, _, rest = name.partition(":")
    numbers = tuple(parse(part, f"activation: {name}") for part in rest.split(",")) if rest else ()
    if kind == "poly" and 2 <= len(numbers) <= 65:
        return polynomial(numbers, name)
    if kind == "exp-poly" and len(numbers) == 1:
        if not Fraction(1, 100) <= numbers[0] <= 20:
            raise InputError(f"activation: {name}: allowed widths are 0.01 to 20")
        return _exp_poly(numbers[0], name)
    raise InputError(f"activation: {name} is unknown; allowed: {', '.join(NAMES)}")
