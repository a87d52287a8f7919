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
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.balls.exact import parse
from varnum.balls.scalar import arb, ball, fmpz_poly, hull
from varnum.errors import InputError

Floats = npt.NDArray[np.float64]
Jet = Callable[[Any], tuple[Any, Any, Any]]
_PIECES = 16  # of an interval where the turning points are not known


@dataclass(frozen=True)
class Activation:
    """g with `jet(u)` = enclosures of g(u), g'(u), g''(u) for a ball u.

    turns: balls that hold every zero of g', of g'' and of g''' (None: not known); image: g(R) as
    an interval (None: unbounded); smooth: whether g is twice differentiable; odd: g(-u) = -g(u);
    powers: coefficients where g is a polynomial.
    """

    name: str
    jet: Jet
    turns: tuple[tuple[Any, ...] | None, ...]
    image: tuple[int, int] | None = None
    smooth: bool = True
    odd: bool = False
    powers: tuple[Fraction, ...] = ()

    def span(self, order: int, u: Any) -> Any:
        """Encloses the range of the derivative of this order (0, 1, 2) over the ball u."""
        if u.is_exact():
            return self.jet(u)[order]
        low, high = u.lower(), u.upper()
        turns = self.turns[order]
        if turns is None:
            return self._by_pieces(order, low, high)
        found = self.jet(low)[order].union(self.jet(high)[order])
        for turn in turns:
            if turn.overlaps(u):
                found = found.union(self.jet(turn)[order])
        return found

    def _by_pieces(self, order: int, low: Any, high: Any) -> Any:
        cuts = [low + (high - low) * k / _PIECES for k in range(_PIECES + 1)]
        pieces = [a.union(b) for a, b in pairwise(cuts)]
        found = self.jet(pieces[0])[order]
        for piece in pieces[1:]:
            found = found.union(self.jet(piece)[order])
        return found

    def value(self, u: Any) -> Any:
        """g over the ball u."""
        return self.span(0, u)

    def slope(self, u: Any) -> Any:
        """g' over the ball u."""
        return self.span(1, u)

    def curve(self, u: Any) -> Any:
        """g'' over the ball u."""
        return self.span(2, u)

    def estimate(self, u: Floats) -> Floats:
        """g in float64, entry by entry; not rigorous."""
        return _floats(self.jet, 0, u)

    def estimate_slope(self, u: Floats) -> Floats:
        """g' in float64, entry by entry; not rigorous."""
        return _floats(self.jet, 1, u)


def _floats(jet: Jet, order: int, u: Floats) -> Floats:
    flat = [_mid(jet(arb(float(x)))[order]) if math.isfinite(x) else math.nan for x in u.ravel()]
    return np.array(flat, dtype=np.float64).reshape(u.shape)


def _mid(x: Any) -> float:
    return float(x.mid()) if x.is_finite() else math.nan


# --- the table ----------------------------------------------------------------------------------


def _tanh_jet(u: Any) -> tuple[Any, Any, Any]:
    t = u.tanh()
    slope = u.sech() ** 2  # of thin balls sharper than 1 - t^2
    return t, slope, -2 * t * slope


def _tanh() -> Activation:
    bend = (arb(1) / arb(3).sqrt()).atanh()  # tanh'' turns where tanh^2 = 1/3
    return Activation("tanh", _tanh_jet, ((), (arb(0),), (-bend, bend)), (-1, 1), odd=True)


def _sigmoid() -> Activation:
    def jet(u: Any) -> tuple[Any, Any, Any]:
        t, slope, curve = _tanh_jet(u / 2)
        return (1 + t) / 2, slope / 4, curve / 8

    bend = 2 * (arb(1) / arb(3).sqrt()).atanh()
    return Activation("sigmoid", jet, ((), (arb(0),), (-bend, bend)), (0, 1))


def _silu() -> Activation:
    def jet(u: Any) -> tuple[Any, Any, Any]:
        t, slope, _ = _tanh_jet(u / 2)
        return u * (1 + t) / 2, (1 + t) / 2 + u * slope / 4, slope / 2 * (1 - u * t / 2)

    # silu' = 0 where 1 + u + e^u = 0 (increasing); silu'' = 0 where (u/2) tanh(u/2) = 1 (even)
    low = _root(lambda u: 1 + u + u.exp(), Fraction(-2), Fraction(-1))
    bend = 2 * _root(lambda u: u * u.tanh() - 1, Fraction(1), Fraction(2))
    return Activation("silu", jet, ((low,), (-bend, bend), None))


def _gelu() -> Activation:
    def jet(u: Any) -> tuple[Any, Any, Any]:
        density = (-u * u / 2).exp() / (2 * arb.pi()).sqrt()
        mass = (1 + (u / arb(2).sqrt()).erf()) / 2
        return u * mass, mass + u * density, density * (2 - u * u)

    # gelu'' = density (2 - u^2), gelu''' = density (u^3 - 4u). gelu' tends to 0 from below on the
    # left, falls to -sqrt 2, rises to sqrt 2 and falls to 1: it has one zero.
    low = _root(lambda u: jet(u)[1], Fraction(-1), Fraction(-1, 2))
    bend = arb(2).sqrt()
    return Activation("gelu", jet, ((low,), (-bend, bend), (arb(-2), arb(0), arb(2))))


def _gelu_tanh() -> Activation:
    def jet(u: Any) -> tuple[Any, Any, Any]:
        factor = (2 / arb.pi()).sqrt()
        inner = factor * (u + ball(Fraction(44715, 10**6)) * u**3)
        first = factor * (1 + 3 * ball(Fraction(44715, 10**6)) * u * u)
        second = factor * 6 * ball(Fraction(44715, 10**6)) * u
        t, slope, curve = _tanh_jet(inner)
        bent = curve * first * first + slope * second
        return u * (1 + t) / 2, (1 + t + u * slope * first) / 2, slope * first + u * bent / 2

    return Activation("gelu-tanh", jet, (None, None, None))


def _relu() -> Activation:
    def jet(u: Any) -> tuple[Any, Any, Any]:
        step = arb(1) if u > 0 else arb(0) if u < 0 else hull(0, 1)
        return u.max(arb(0)), step, arb(0)

    return Activation("relu", jet, ((), (arb(0),), ()), smooth=False)


def _horner(powers: tuple[Fraction, ...], u: Any) -> Any:
    total = arb(0)
    for power in reversed(powers):
        total = total * u + ball(power)
    return total


def _derived(powers: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    return tuple(k * c for k, c in enumerate(powers))[1:]


def polynomial(powers: tuple[Fraction, ...], name: str = "poly") -> Activation:
    """g(u) = sum_k powers[k] u^k, exact."""
    chain = [powers]
    for _ in range(3):
        chain.append(_derived(chain[-1]))

    def jet(u: Any) -> tuple[Any, Any, Any]:
        return _horner(chain[0], u), _horner(chain[1], u), _horner(chain[2], u)

    turns = tuple(_real_roots(coefficients) for coefficients in chain[1:])
    odd = not any(powers[::2])
    return Activation(name, jet, turns, odd=odd, powers=powers)


def _real_roots(powers: tuple[Fraction, ...]) -> tuple[Any, ...]:
    """Balls that hold the real zeros, each isolated; a constant has none that matter."""
    scale = math.lcm(*(c.denominator for c in powers)) if powers else 1
    integers = fmpz_poly([int(c * scale) for c in powers])
    if integers.degree() < 1:
        return ()
    square_free = integers // integers.gcd(integers.derivative())
    return tuple(r.real for r, _ in square_free.complex_roots() if r.imag.is_zero())


CUBIC = (Fraction(0), Fraction(3, 2), Fraction(0), Fraction(-1, 2))


def _exp_poly(width: Fraction) -> Activation:
    """(3v - v^3)/2 at v = (e^(w u) - cosh w)/sinh w, which is +-1 at u = +-1."""

    def parts() -> tuple[Any, Any, Any]:
        w = ball(width)
        return w, w.cosh(), w.sinh()

    def jet(u: Any) -> tuple[Any, Any, Any]:
        w, c, s = parts()
        e = (w * u).exp()
        v = (e - c) / s
        inner = (3 - 3 * v * v) / 2
        return (
            _horner(CUBIC, v),
            w * e / s * inner,
            w * w * e / s * (inner - 3 * v * e / s),
        )

    w, c, s = parts()
    first = tuple((c + sign * s).log() / w for sign in (-1, 1))  # v = -1, 1
    # e (1 - v^2) turns at 3 e^2 - 4 c e + 1 = 0, its derivative at 9 e^2 - 8 c e + 1 = 0
    second = tuple(((2 * c + sign * (4 * c * c - 3).sqrt()) / 3).log() / w for sign in (-1, 1))
    third = tuple(((4 * c + sign * (16 * c * c - 9).sqrt()) / 9).log() / w for sign in (-1, 1))
    return Activation("exp-poly", jet, (first, second, third))


def _root(function: Callable[[Any], Any], low: Fraction, high: Fraction) -> Any:
    """A ball with the only zero of an increasing function between low and high."""
    for _ in range(60):
        middle = (low + high) / 2
        value = function(ball(middle))
        if value > 0:
            high = middle
        elif value < 0:
            low = middle
        else:
            break
    assert function(ball(low)) < 0 < function(ball(high))
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
    plain: dict[str, Callable[[], Activation]] = {
        "tanh": _tanh, "sigmoid": _sigmoid, "silu": _silu, "gelu": _gelu,
        "gelu-tanh": _gelu_tanh, "relu": _relu,
        "cubic": lambda: polynomial(CUBIC, "cubic"),
        "exp-poly": lambda: _exp_poly(Fraction(1)),
    }  # fmt: skip
    if name in plain:
        return plain[name]()
    kind, _, rest = name.partition(":")
    numbers = tuple(parse(part, f"--activation {name}") for part in rest.split(",")) if rest else ()
    if kind == "poly" and 2 <= len(numbers) <= 65:
        return polynomial(numbers, name)
    if kind == "exp-poly" and len(numbers) == 1:
        if not Fraction(1, 100) <= numbers[0] <= 20:
            raise InputError(f"--activation {name}: allowed widths are 0.01 to 20")
        return _exp_poly(numbers[0])
    raise InputError(f"--activation {name}: unknown; allowed: {', '.join(NAMES)}")
