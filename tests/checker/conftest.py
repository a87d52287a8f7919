"""Certificates made without varnum (mpmath and the exchange algorithm), and a second oracle.

All of OWN is made without varnum; VARNUM comes from its own producer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil, floor
from typing import Any, NamedTuple, cast

import flint
import mpmath
import pytest

mp = mpmath.mp


def _exact(x: Any) -> Fraction:
    sign, man, exp, _ = x._mpf_
    return (-1) ** sign * int(man) * Fraction(2) ** int(exp)


def _weights(xs: list[Any]) -> list[Any]:
    out = []
    for i, x in enumerate(xs):
        w = mp.mpf(1)
        for j, y in enumerate(xs):
            if j != i:
                w *= x - y
        out.append(1 / w)
    return out


def _polynomial(xs: list[Any], ys: list[Any]) -> list[Any]:
    """Coefficients of the interpolating polynomial, constant term first."""
    table = list(ys)
    for order in range(1, len(xs)):
        for i in range(len(xs) - 1, order - 1, -1):
            table[i] = (table[i] - table[i - 1]) / (xs[i] - xs[i - order])
    coefficients = [mp.mpf(0)]
    for x, top in zip(reversed(xs), reversed(table), strict=True):
        shifted = [mp.mpf(0), *coefficients]
        for k, c in enumerate(coefficients):
            shifted[k] -= x * c
        shifted[0] += top
        coefficients = shifted
    return coefficients[: len(xs)]


def _derivative(p: list[Any]) -> list[Any]:
    return [k * c for k, c in enumerate(p)][1:] or [mp.mpf(0)]


def _value(p: list[Any], x: Any) -> Any:
    return mp.polyval(p[::-1], x)


def _slope(error: str, p: list[Any]) -> Callable[[Any], Any]:
    d = _derivative(p)
    if error == "relative":
        return lambda x: _value(d, x) - _value(p, x)
    return lambda x: _value(d, x) - mp.exp(x)


def _error(error: str, p: list[Any], x: Any) -> Any:
    if error == "relative":
        return _value(p, x) * mp.exp(-x) - 1
    return _value(p, x) - mp.exp(x)


def _zero(f: Callable[[Any], Any], a: Any, b: Any) -> Any:
    """The zero of f in (a, b), where f(a) f(b) < 0: bisection, then secant steps."""
    fa, fb = f(a), f(b)
    assert fa * fb < 0
    for _ in range(12):
        m = (a + b) / 2
        fm = f(m)
        a, b, fa, fb = (m, b, fm, fb) if fa * fm > 0 else (a, m, fa, fm)
    x, y, fx, fy = a, b, fa, fb
    for _ in range(60):
        if fy == fx:
            break
        z = y - fy * (y - x) / (fy - fx)
        if not a <= z <= b:
            break
        x, fx, y, fy = y, fy, z, f(z)
        if abs(y - x) < (b - a) * mp.mpf(2) ** (-mp.prec // 2):
            break
    return y


def _start(error: str, low: Any, high: Any, degree: int) -> list[Any]:
    n, half = degree + 1, (high - low) / 2
    ratio = min(1, half / n) if error == "relative" else 0
    angles = []
    for i in range(n + 1):
        a, b = mp.mpf(0), mp.pi
        for _ in range(50):
            t = (a + b) / 2
            a, b = (t, b) if t + ratio * mp.sin(t) < mp.pi * i / n else (a, t)
        angles.append((a + b) / 2)
    return [(low + high) / 2 - half * mp.cos(t) for t in angles[1:-1]]


class Best(NamedTuple):
    """A levelled polynomial near the best one: level <= E <= peak."""

    poly: list[Any]
    points: list[Any]
    extrema: list[Any]
    level: Any
    peak: Any


@cache
def remez(error: str, low: Fraction, high: Fraction, degree: int) -> Best:
    """The best approximation by the exchange algorithm in mpmath; stops at 1e-4 between the two."""
    size = float(max(abs(low), abs(high)))
    bits = int(5 * size + 5 * degree + 200)
    with mp.workprec(bits):
        a, b = mp.mpf(low.numerator) / low.denominator, mp.mpf(high.numerator) / high.denominator
        inner = _start(error, a, b, degree)
        for _ in range(60):
            xs = [a, *inner, b]
            ws = _weights(xs)
            es = [mp.exp(x) for x in xs]
            us = es if error == "relative" else [mp.mpf(1)] * len(xs)
            level = sum(w * e for w, e in zip(ws, es, strict=True)) / sum(
                (-1) ** i * w * u for i, (w, u) in enumerate(zip(ws, us, strict=True))
            )
            ys = [e - (-1) ** i * level * u for i, (e, u) in enumerate(zip(es, us, strict=True))]
            p = _polynomial(xs[:-1], ys[:-1])
            slope = _slope(error, p)
            # the zeros of the error between neighbouring points bracket the zeros of its derivative
            zeros = [_zero(lambda x, p=p: _error(error, p, x), x, y) for x, y in pairwise(xs)]
            inner = [_zero(slope, x, y) for x, y in pairwise(zeros)]
            peak = max(abs(_error(error, p, x)) for x in [a, *inner, b])
            if peak <= abs(level) * (1 + mp.mpf("1e-4")):
                return Best(p, xs, inner, abs(level), peak)
    raise AssertionError("the exchange did not settle")


def least(error: str, interval: tuple[str, str], eps: str) -> int:
    """The least degree, by mpmath."""
    low, high = map(Fraction, interval)
    degree = 0
    while (
        remez(error, low, high, degree).level
        > mp.mpf(Fraction(eps).numerator) / Fraction(eps).denominator
    ):
        degree += 1
    return degree


def make(error: str, interval: tuple[str, str], eps: str, minimal: bool = True) -> dict[str, Any]:
    """A certificate's content (no digest yet) for the least degree, without any code of varnum."""
    low, high = map(Fraction, interval)
    degree = least(error, interval, eps)
    best = remez(error, low, high, degree)
    size = int(max(abs(low), abs(high))) + 1
    eps_bits = Fraction(eps).denominator.bit_length()
    places = 3 * size + eps_bits // 2 + 40
    scale = 5 * size + degree * size.bit_length() + eps_bits + 60 + places
    brackets = [[hex(_grid(x, places) - 2), hex(_grid(x, places) + 2)] for x in best.extrema]
    lower = None
    if minimal and degree > 0:
        points = [_grid(x, 64) for x in remez(error, low, high, degree - 1).points]
        points[0], points[-1] = ceil(low * 2**64), floor(high * 2**64)
        lower = {"degree": degree - 1, "points_exponent": -64, "points": [hex(x) for x in points]}
    return {
        "schema": "varnum/certificate/1",
        "error": error,
        "interval": list(interval),
        "eps": eps,
        "degree": degree,
        "upper": {
            "exponent": -scale,
            "numerators": [hex(_grid(c, scale)) for c in best.poly],
            "brackets_exponent": -places,
            "brackets": brackets,
        },
        "lower": lower,
        "minimal": minimal,
    }


def _grid(x: Any, places: int) -> int:
    return round(_exact(x) * 2**places)


def assert_true(content: dict[str, Any]) -> None:
    """Second oracle: what a certificate says holds, found without brackets or given points.

    Upper, relative: all real zeros of P' - P, isolated by flint, and balls. Upper, additive: 301
    Chebyshev points. Lower: the best approximation of that degree, by mpmath.
    """
    low, high = map(Fraction, content["interval"])
    eps, g = Fraction(content["eps"]), content["degree"]
    upper, lower = content["upper"], content["lower"]
    assert low <= high
    assert len(upper["numerators"]) == g + 1
    poly = [int(c, 16) for c in upper["numerators"]]
    assert _largest_error(content["error"], low, high, poly, upper["exponent"]) <= _arb(eps)
    if lower is not None:
        assert low < high
        best = remez(content["error"], low, high, lower["degree"])
        assert _exact(best.peak) > eps
        assert _exact(best.level) * (1 + Fraction(1, 1000)) > eps
    if content["minimal"] and g > 0:
        assert lower is not None
        assert lower["degree"] == g - 1


def _arb(x: Fraction) -> Any:
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


def _largest_error(
    error: str, low: Fraction, high: Fraction, poly: list[int], exponent: int
) -> Any:
    bits = 200 - exponent + int(10 * max(abs(low), abs(high)))
    with flint.ctx.workprec(bits):
        unit = flint.arb(2) ** exponent
        p = flint.arb_poly([flint.arb(c) * unit for c in poly])
        ends = [_arb(low), _arb(high)]
        if error == "additive":
            middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
            xs = [middle + half * (flint.arb.pi() * k / 300).cos() for k in range(301)] + ends
            return _max(abs(p(x) - x.exp()).mid() for x in xs)
        exact = flint.fmpz_poly(poly)
        slope = exact.derivative() - exact
        square_free = slope // slope.gcd(slope.derivative()) if slope.degree() > 0 else slope
        roots = [r.real for r, _ in square_free.complex_roots() if r.imag.contains(0)]
        xs = [r for r in roots if not (r < ends[0] or r > ends[1])] + ends
        return _max(abs(p(x) * (-x).exp() - 1) for x in xs)


def _max(values: Any) -> Any:
    top = flint.arb(0)
    for v in values:
        top = top.max(v)
    return top


OWN = {
    "relative": ("relative", ("-1", "1"), "0.001", True),
    "additive": ("additive", ("-3", "0"), "0.001", True),
    "off centre, thirds": ("relative", ("-1/3", "0.5"), "1/30000", True),
    "constant": ("relative", ("-0.0625", "0.0625"), "0.1", True),
    "upper bound alone": ("relative", ("-2", "2"), "0.01", False),
}


VARNUM = {  # kind, low, high, eps
    "varnum relative": ("relative", "-2", "2", "1/200"),
    "varnum additive": ("additive", "-3", "0", "1/400"),
}


def produced(kind: str, low: str, high: str, eps: str) -> bytes:
    """A certificate as varnum writes it."""
    from varnum.approx.degree import LeastDegree, certify_least_degree
    from varnum.approx.degree_certificate import certificate
    from varnum.approx.target import Target

    target = Target(cast(Any, kind), Fraction(low), Fraction(high))
    found = certify_least_degree(target, Fraction(eps))
    assert isinstance(found, LeastDegree)
    return certificate(found).encode("ascii")


@cache
def content(name: str) -> dict[str, Any]:
    """A certificate's content by its name in OWN or VARNUM."""
    if name in OWN:
        return make(*OWN[name])
    found: dict[str, Any] = json.loads(produced(*VARNUM[name]))
    return {key: value for key, value in found.items() if key != "digest"}


@pytest.fixture(params=[*OWN, *VARNUM])
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each certificate's content in turn, without its digest; free to change."""
    return deepcopy(content(request.param))


@pytest.fixture(scope="session")
def contents() -> dict[str, dict[str, Any]]:
    """All of them by name: not to be changed."""
    return {name: content(name) for name in [*OWN, *VARNUM]}


@pytest.fixture(scope="session")
def producer() -> Callable[..., bytes]:
    """produced(kind, low, high, eps): bytes from varnum's own producer."""
    return produced


@pytest.fixture(scope="session")
def holds() -> Callable[[dict[str, Any]], None]:
    """The second oracle: AssertionError where a certificate's content says something false."""
    return assert_true


@pytest.fixture(scope="session")
def maker() -> Callable[..., dict[str, Any]]:
    """make(error, interval, eps, minimal=True)."""
    return make


@pytest.fixture(scope="session")
def best() -> Callable[..., Best]:
    """remez(error, low, high, degree)."""
    return remez
