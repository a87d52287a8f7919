"""The steps of the certified sup norm one by one, with wide brackets and any polynomial.

Oracle: zeros of D and values of h from mpmath, found by a grid of signs and bisection.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import mpmath
import pytest

from varnum.approx import supnorm
from varnum.approx.polynomial import Polynomial
from varnum.approx.supnorm import certify_supnorm
from varnum.approx.target import Target, additive, relative
from varnum.balls.scalar import ball, exact_value, precision
from varnum.verdict import Unknown

mp = mpmath.mp
TARGETS = [relative(Fraction(2)), additive(Fraction(4)), relative(Fraction(1, 2))]


@pytest.fixture(autouse=True)
def digits() -> Iterator[None]:
    with mp.workdps(40), precision(200):
        yield


def mpf(x: Any) -> Any:
    x = Fraction(x) if isinstance(x, int | Fraction) else exact_value(x)
    return mp.mpf(x.numerator) / x.denominator


def values(poly: Polynomial, order: int, x: Any) -> Any:
    """The derivative of P of this order at x."""
    c = [mpf(n) * mp.mpf(2) ** poly.exponent for n in poly.numerators]
    for _ in range(order):
        c = [k * a for k, a in enumerate(c)][1:] or [mp.mpf(0)]
    return mp.polyval(c[::-1], x)


def error(target: Target, poly: Polynomial, x: Any) -> Any:
    if target.kind == "relative":
        return values(poly, 0, x) * mp.exp(-x) - 1
    return values(poly, 0, x) - mp.exp(x)


def slope(target: Target, poly: Polynomial, x: Any) -> Any:
    return values(poly, 1, x) - (values(poly, 0, x) if target.kind == "relative" else mp.exp(x))


@cache
def zeros(target: Target, poly: Polynomial, steps: int = 80) -> list[Any]:
    """Zeros of D in the open interval where it changes its sign."""
    low, high = mpf(target.low), mpf(target.high)
    grid = [low + (high - low) * (i + mp.mpf("0.37")) / (steps + 1) for i in range(steps + 1)]
    found = []
    for a, b in pairwise([low, *grid, high]):
        fa, fb = slope(target, poly, a), slope(target, poly, b)
        if fa * fb < 0:
            for _ in range(120):
                m = (a + b) / 2
                a, b = (m, b) if slope(target, poly, m) * fa > 0 else (a, m)
            found.append((a + b) / 2)
    return found


def polynomials(target: Target, count: int, degrees: tuple[int, ...]) -> Iterator[Polynomial]:
    rng = random.Random(f"{target}")
    for i in range(count):
        degree = degrees[i % len(degrees)]
        scale = 40 if target.kind == "relative" else 100
        yield Polynomial(tuple(rng.randint(-scale, scale) for _ in range(degree + 1)), -5)


def inside(z: Any, pair: Any) -> bool:
    near = mp.mpf("1e-30")  # how well z is known
    return bool(mpf(pair[0].lower()) - near <= z <= mpf(pair[1].upper()) + near)


@pytest.mark.parametrize("target", TARGETS)
def test_isolation_misses_no_critical_point(target: Target) -> None:
    """Every degree from 0 on, also the linear ones; and brackets are narrow."""
    seen = 0
    for poly in polynomials(target, 25, (0, 1, 2, 3, 5)):
        brackets = supnorm._isolated(supnorm._Forms(target, poly))
        for z in zeros(target, poly):
            seen += 1
            around = [pair for pair in brackets if inside(z, pair)]
            assert around
            assert min(mpf(b.upper()) - mpf(a.lower()) for a, b in around) < mp.mpf(2) ** -40
    assert seen > 5


@pytest.mark.parametrize("target", TARGETS)
def test_any_polynomial_without_guesses(target: Target) -> None:
    """certify_supnorm against the values at the ends and at every critical point: both sides."""
    for poly in polynomials(target, 25, (0, 1, 2, 3, 5)):
        found = certify_supnorm(target, poly)
        assert not isinstance(found, Unknown)
        points = [mpf(target.low), mpf(target.high), *zeros(target, poly)]
        exact = max(abs(error(target, poly, x)) for x in points)
        low, high = mpf(found.low.lower()), mpf(found.high.upper())
        assert low <= exact * (1 + mp.mpf("1e-30"))
        assert exact <= high * (1 + mp.mpf("1e-30"))
        assert high - low <= exact * mp.mpf("1e-9")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("before", [1, 0.5, 0.01])
def test_the_bound_of_a_wide_bracket_holds(target: Target, counted: bool, before: float) -> None:
    """From a to just after the zero of D: all of the rise of |h| lies inside the bracket."""
    used = 0.0
    for poly in polynomials(target, 15, (1, 2, 3)):
        for z in zeros(target, poly):
            forms = supnorm._Forms(target, poly)
            room = min(z - mpf(target.low), mpf(target.high) - z)
            start, end = z - room * mp.mpf(before), z + room / 100
            a, b = (ball(Fraction(int(x * 2**60), 2**60)) for x in (start, end))
            others = [y for y in zeros(target, poly) if y != z and mpf(a) <= y <= mpf(b)]
            if others:
                continue
            low, high = supnorm._range(forms, [(a, b)], counted)
            ends = [abs(error(target, poly, mpf(x))) for x in (target.low, target.high)]
            exact = max(*ends, abs(error(target, poly, z)))
            assert exact <= mpf(high.upper()) * (1 + mp.mpf("1e-30"))
            at_a = abs(error(target, poly, mpf(a)))
            assert abs(mpf(low.mid()) - max(*ends, at_a)) < mp.mpf(2) ** -90
            rise = abs(error(target, poly, z) - error(target, poly, mpf(a)))
            allowed = mpf(high.upper()) - at_a
            used = max(used, float(rise / allowed))
    assert used > 0.02 or before < 0.1  # elsewhere the ends are far above


@pytest.mark.parametrize("target", TARGETS)
def test_counted_brackets_hold_their_zeros(target: Target) -> None:
    """Only given when there are `degree` of them, disjoint, inside, one zero of D in each."""
    given = 0
    for poly in polynomials(target, 24, (1, 2, 3, 4)):
        forms, exact = supnorm._Forms(target, poly), zeros(target, poly)
        guesses = [ball(Fraction(int(z * 2**12), 2**12)) for z in exact]
        for digits in (None, 6, 20):
            found = supnorm.counted_brackets(forms, guesses, digits)
            if found is None:
                continue
            assert len(found) == len(guesses)
            ends = [mpf(x) for pair in found for x in pair]
            assert all(x < y for x, y in pairwise([mpf(target.low), *ends, mpf(target.high)]))
            for z, pair in zip(exact, found, strict=True):
                assert inside(z, pair)
                width = mpf(pair[1]) - mpf(pair[0])
                goal = 2 * mpf(target.high - target.low) / mp.mpf(2) ** (digits or 50)
                assert width <= goal * mp.mpf("1.3")
            given += 1
    assert given > 10


def test_guesses_that_give_no_brackets() -> None:
    """Twice the same, in the wrong order, outside, at the very end: no bracket, not a false one."""
    target = relative(Fraction(2))
    poly = Polynomial((0, 0, 3), -1)  # D = 3x - 3x^2/2: zeros 0 and 2, the second at the end
    forms = supnorm._Forms(target, poly)
    zero = ball(0)
    assert supnorm.counted_brackets(forms, [zero]) is not None
    for guesses in ([zero, zero], [ball(2)], [zero, ball(2)], [ball(2), zero]):
        assert supnorm.counted_brackets(forms, guesses) is None, guesses
    flat = supnorm._Forms(target, Polynomial((0,), 0))
    assert supnorm.counted_brackets(flat, [zero]) is None  # D = 0: Newton's step is not finite
    cubic = Polynomial((0, 0, 0, 1), 0)  # D = 3x^2 - x^3: a double zero at 0, no change of sign
    assert supnorm.counted_brackets(supnorm._Forms(target, cubic), [zero]) is None
    far = supnorm._Forms(target, Polynomial((10, 0, 1), 0))  # D = -x^2 + 2x - 10: no zero
    for digits in (3, 6, 20, None):
        for x in (0.3, -0.4):  # Newton halves the way to a double zero, and stops on one side
            assert (
                supnorm.counted_brackets(supnorm._Forms(target, cubic), [ball(x)], digits) is None
            )
            assert supnorm.counted_brackets(far, [ball(x)], digits) is None


def test_short_numbers_stay_near() -> None:
    rng = random.Random(0)
    for _ in range(200):
        x, radius = (
            Fraction(rng.randint(-(10**12), 10**12), 10**9),
            Fraction(1, rng.randint(1, 10**9)),
        )
        moved = supnorm._short(ball(x).mid(), ball(radius).mid())
        assert moved.is_exact()
        assert abs(mpf(moved) - mpf(x)) < mpf(radius) / 4
        size = exact_value(moved)
        assert size.denominator <= 64 / radius


@pytest.mark.parametrize("degree", [2, 3, 6])
def test_taylor_polynomials_touch_at_the_end(degree: int) -> None:
    """D has a multiple zero at 0, the end of the interval: its neighbourhood is a bracket."""
    target = additive(Fraction(3))
    with precision(300):
        poly = Polynomial.rounded([1 / ball(int(mp.factorial(k))) for k in range(degree + 1)], 120)
        found = certify_supnorm(target, poly)
    assert not isinstance(found, Unknown)
    exact = max(abs(error(target, poly, mpf(target.low) * k / 500)) for k in range(501))
    assert exact <= mpf(found.high.upper()) <= exact * mp.mpf("1.000001")
    assert mpf(found.low.lower()) <= exact


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("factor", [16, 256])
def test_a_bracket_without_a_zero_is_bounded_by_the_slope(target: Target, factor: int) -> None:
    """Brackets around zeros of D' hold no zero of D: |h| rises by up to (b - a) sup|h'|."""
    tried = 0
    low, high = target.low, target.high
    for shift in range(3):  # factor (high - x)(x - low) and a little more: largest inside
        numbers = [-high * low, high + low + Fraction(shift, 4), Fraction(-1)]
        poly = Polynomial(tuple(int(4 * factor * n) for n in numbers), -2)
        forms = supnorm._Forms(target, poly)
        for z in zeros(target, poly):
            room = min(z - mpf(target.low), mpf(target.high) - z)
            for side in (-1, 1):
                ends = sorted(z + side * room * n / 8 for n in (1, 2))
                a, b = (ball(Fraction(int(x * 2**60), 2**60)) for x in ends)
                _, bound = supnorm._range(forms, [(a, b)], False)
                largest = max(abs(error(target, poly, mpf(x))) for x in (a, b))
                assert largest <= mpf(bound.upper()) * (1 + mp.mpf("1e-30"))
                at_ends = [abs(error(target, poly, mpf(x))) for x in (target.low, target.high)]
                tried += largest > max(*at_ends)
    assert tried > 1


@pytest.mark.parametrize("target", TARGETS)
def test_values_outside_the_interval_are_no_lower_bound(target: Target) -> None:
    poly = Polynomial((1, 1, 1, 1, 1, 1), 3)
    forms = supnorm._Forms(target, poly)
    exact = max(
        abs(error(target, poly, mpf(target.low) + mpf(target.high - target.low) * k / 400))
        for k in range(401)
    )
    for a, b in ((-90, target.low), (target.high, 90), (target.high + 50, 90)):
        low, _ = supnorm._range(forms, [(ball(a), ball(b))], False)
        assert mpf(low.lower()) <= exact * mp.mpf("1.001")


@pytest.mark.parametrize("target", TARGETS)
def test_too_few_guesses_are_not_counted(target: Target) -> None:
    """Good guesses for some of the critical points, or for more than there can be."""
    low, high = target.low, target.high
    middle = (low + high) / 2  # 256 (high - x)(x - low)(x - middle): a peak on either side
    whole = [high * low * middle, -(high * low + high * middle + low * middle)]
    two = Polynomial(tuple(int(256 * 64 * c) for c in (*whole, high + low + middle, -1)), -6)
    for poly in (two, *polynomials(target, 12, (2, 3, 4))):
        points = zeros(target, poly)
        exact = max(
            abs(error(target, poly, x)) for x in (mpf(target.low), mpf(target.high), *points)
        )
        guesses = [ball(Fraction(int(z * 2**30), 2**30)) for z in points]
        for some in (guesses[:1], guesses[1:], guesses[:-1], [*guesses, ball(target.high)]):
            found = certify_supnorm(target, poly, some)
            assert not isinstance(found, Unknown)
            assert exact <= mpf(found.high.upper()) * (1 + mp.mpf("1e-30"))


def test_an_uncertain_sign_at_either_end_gives_no_bracket() -> None:
    class Uncertain(supnorm._Forms):
        side = 1

        def slope(self, x: Any) -> Any:
            known = x < 0 if self.side > 0 else x > 0
            return ball(1) if known else supnorm.hull(-1, 1)

        def bend(self, x: Any) -> Any:
            return ball(2) ** 200

    for Uncertain.side in (1, -1):
        forms = Uncertain(TARGETS[0], Polynomial((0, 1), 0))
        assert supnorm.counted_brackets(forms, [ball(0)], 6) is None


class Fake:
    """Forms with any slope on an interval."""

    def __init__(self, slope: Any, low: float = 0, high: float = 1) -> None:
        self.slope = slope
        self.target = additive(Fraction(1))
        self.ends = (low, high)


def unsure(*where: float) -> Any:
    """x - 0.6, of no certain sign at and near these points."""

    def slope(x: Any) -> Any:
        near = any(abs(x - ball(p)) < 0.001 for p in where)
        return ball(-1).union(ball(1)) if near else x - ball(0.6)

    return slope


@pytest.mark.parametrize(
    "where", [(), (0.5,), (0.5, 0.4375), (0.5, 0.4375, 0.5625), (0.6,), (0.4375, 0.5625)]
)
def test_bisection_never_loses_the_zero(where: tuple[float, ...]) -> None:
    """Where no point in the middle has a certain sign it stops; it never steps outside."""
    for bits in (30, 120):
        with precision(bits):
            a, b = supnorm._bisected(Fake(unsure(*where)), ball(0), ball(1))  # type: ignore[arg-type]
            assert a.is_exact()
            assert b.is_exact()
            assert 0 <= exact_value(a) <= Fraction(0.6) <= exact_value(b) <= 1
            assert (b - a < 0.5) == (where != (0.5, 0.4375, 0.5625))


def test_bisected_points_are_numbers_at_any_precision() -> None:
    with precision(20):
        third = (ball(1) / 3).mid()
        a, b = supnorm._bisected(Fake(unsure()), third, ball(1))  # type: ignore[arg-type]
        assert a.is_exact()
        assert b.is_exact()


def test_an_end_with_a_sign_is_kept_and_one_without_is_left_for_a_near_point() -> None:
    forms: Any = Fake(unsure(0.5))
    low, high = ball(0), ball(1)
    assert supnorm._signed(forms, low, high) is low
    assert supnorm._signed(forms, high, low) is high
    for bits in (24, 200):
        with precision(bits):
            third = (ball(1) / 3).mid()
            for end in (low, high):
                forms = Fake(lambda x, z=third: x - z)
                found = supnorm._signed(forms, third, end)
                assert found is not None
                assert found.is_exact()
                assert 0 < abs(found - third) < 0.01
                assert (found > third) == (end is high)
    assert supnorm._signed(Fake(lambda _: ball(-1).union(ball(1))), low, high) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (None, 0.75, [(0, 1)]),
        (0.25, None, [(0, 1)]),
        (0.75, 0.25, [(0, 1)]),
        (0.25, 0.5, [(0, 0.25), (0.5, 1)]),
        (0.0, 0.5, [(0.5, 1)]),
    ],
)
def test_no_part_of_a_piece_is_left_out(
    monkeypatch: pytest.MonkeyPatch, left: Any, right: Any, expected: Any
) -> None:
    """The neighbourhoods of ends without a sign are brackets, or all of the piece is."""
    forms: Any = Fake(unsure())
    ends = ball(forms.target.low), ball(forms.target.high)
    start, width = ends[0], ends[1] - ends[0]
    bends = [(start + width, start + width)]

    def signed(_: Any, a: Any, b: Any) -> Any:
        part = left if a < b else right
        if part is None:
            return None
        return a if part == 0 else start + width * ball(part)

    monkeypatch.setattr(supnorm, "_signed", signed)
    monkeypatch.setattr(forms, "slope", lambda _: ball(1))
    found = supnorm._monotone_zeros(forms, bends)
    shown = [tuple(float(((x - start) / width).mid()) for x in pair) for pair in found]
    assert shown[: len(expected)] == expected


def test_brackets_of_isolated_roots_hold_them() -> None:
    """The root of 2, exactly: a^2 < 2 < b^2."""
    from varnum.balls.scalar import fmpz_poly

    forms = supnorm._Forms(relative(Fraction(4)), Polynomial((1,), 0))
    for integers in (fmpz_poly([-2, 0, 1]), fmpz_poly([-2, 0, 9])):
        found = supnorm._roots(forms, integers)
        assert found
        for a, b in found:
            inner, outer = sorted((abs(exact_value(a)), abs(exact_value(b))))
            c = int(integers[2])
            assert inner < outer
            assert c * inner**2 < 2 < c * outer**2


def test_two_zeros_on_either_side_of_one_bend() -> None:
    """P' a chord of exp: P quadratic, two critical points that no sign at the ends shows."""
    target = additive(Fraction(4))
    low, width = mpf(target.low), mpf(target.high - target.low)
    u, v = low + width / 4, low + width * 3 / 4
    slant = (mp.exp(v) - mp.exp(u)) / (v - u)
    first = mp.exp(u) - slant * u
    numbers = (0, int(first * 2**40), int(slant / 2 * 2**40))
    poly = Polynomial(numbers, -40)
    brackets = supnorm._isolated(supnorm._Forms(target, poly))
    found = zeros(target, poly)
    assert len(found) == 2
    for z in found:
        assert any(inside(z, pair) for pair in brackets)
