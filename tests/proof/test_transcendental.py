"""Transcendental facts: two interval types, finite differences, and a bound slightly false."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import mpmath
import pytest

from varnum.approx.degree import certify_least_degree
from varnum.approx.target import relative
from varnum.balls.scalar import arb, ball, lower, precision
from varnum.proof import ledger
from varnum.proof.interval_arithmetic import arithmetic_of
from varnum.proof.transcendental import BACKENDS, ExpError, Fact, enclose_sup, facts
from varnum.proof.verify import _ball_items
from varnum.verdict import Proved, Refuted

TOLERANCE = Fraction(1, 10**6)


def _gelu(x):
    return x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + 0.044715 * x**3)))


def _silu(x):
    return x / (1 + mpmath.exp(-x))


FUNCTIONS = {"gelu": _gelu, "silu": _silu, "tanh": mpmath.tanh}


@pytest.mark.parametrize("name", [n for n, f in facts().items() if isinstance(f, Fact)])
def test_both_backends_agree_with_differences(name):
    fact = facts()[name]
    found = [enclose_sup(fact, backend, TOLERANCE) for backend in BACKENDS]
    for low, high in found:
        assert 0 <= high - low <= 2 * TOLERANCE
    assert max(low for low, _ in found) <= min(high for _, high in found)
    function = FUNCTIONS[name.split("-")[0]]
    with mpmath.workdps(30):
        points = [mpmath.mpf(i) / 50 for i in range(-200, 201)]
        seen = max(abs(mpmath.diff(function, x, fact.order)) for x in points)
    assert seen <= float(found[0][1]) + 1e-9
    assert seen >= float(found[0][0]) * (1 - 1e-3)  # a grid point is near the maximum


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_slightly_smaller_constant_is_refuted(backend):
    claim = ledger.claims()["gelu-lipschitz"]
    good = claim.balls[0]
    assert all(isinstance(i.verdict, Proved) for i in _ball_items(claim, good))
    for bad in (replace(good, high="1.1289"), replace(good, low="1.1291", high="1.2")):
        verdicts = [i.verdict for i in _ball_items(claim, bad) if backend in i.name]
        assert all(isinstance(v, Refuted) for v in verdicts)


@pytest.mark.parametrize("M", ["1", "4"])
def test_sup_norms_of_certified_polynomials_by_intervals(M):
    """The minimax polynomials' sup norms, certified in balls elsewhere, once more by intervals."""
    least = certify_least_degree(relative(Fraction(M)), Fraction(1, 1000))
    error = ExpError(tuple(least.poly.coefficients()), Fraction(M))
    for backend in BACKENDS:
        low, high = error.enclose(backend, Fraction(1, 10**6))
        assert low <= Fraction(1, 1000)
        assert high <= Fraction(1001, 10**6)
        assert high >= lower(least.error[0])


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend"):
        enclose_sup(facts()["tanh-1"], "floats", TOLERANCE)


def test_a_function_that_is_not_covered_by_the_tail_is_refused():
    import sympy as sp

    x, T = sp.symbols("x T", real=True)
    growing = Fact("growing", x * T, x, 0)  # |x tanh x| has no supremum
    with pytest.raises(ArithmeticError):
        enclose_sup(growing, "flint", TOLERANCE)


EDGE = Fraction(130809282806957, 2**50)  # mpmath's own exp of it misses by a unit


def test_the_second_opinion_encloses_where_exp_of_mpmath_does_not():
    with precision(400):
        exact = 1 - (-ball(EDGE)).exp() / 2  # |P e^-x - 1| for P = 1/2 is largest at M
        for backend in BACKENDS:
            low, high = ExpError((Fraction(1, 2),), EDGE).enclose(backend, Fraction(1, 10**6))
            assert ball(low) <= exact, backend
            assert exact <= ball(high), backend


def test_exp_and_tanh_by_intervals_enclose():
    """Against flint with five times the digits, at points where rounding is near a tie or not."""
    arithmetic, rng = arithmetic_of("mpmath"), random.Random(0)
    points = [
        Fraction(rng.randrange(-(2**53), 2**53), 2 ** rng.randrange(47, 60)) for _ in range(300)
    ]
    with arithmetic.context(), precision(400):
        for x in [EDGE, -EDGE, Fraction(0), *points]:
            for mine, right in (
                (arithmetic.exp(arithmetic.interval(x, x)), ball(x).exp()),
                (arithmetic.tanh(*(arithmetic.interval(x, x),) * 2), ball(x).tanh()),
            ):
                low, high = arithmetic.ends(mine)
                assert ball(low) <= right <= ball(high), x
                assert high - low <= Fraction(1, 2**60) * max(abs(high), 1), x
        low, high = arithmetic.ends(arithmetic.root_two_over_pi())
        assert ball(low) < (2 / arb.pi()).sqrt() < ball(high)
