"""rho and b*: closed forms, an independent evaluation in mpmath, finite ranks, monotonicity."""

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.approx.degree import certify_lower
from varnum.approx.remez import remez
from varnum.approx.target import relative
from varnum.balls.scalar import arb, ball, certainly_less, lower, precision, upper
from varnum.cost.regime import b_star, gamma_star, minimax_is_proved, regime_exponent
from varnum.errors import InputError
from varnum.formulas import regime as forms

positive = st.fractions(Fraction(1, 20), 20, max_denominator=50)


def test_a_case_that_has_a_closed_form():
    # p = 0 on the minimax curve: gamma = b, so b = c = 1 gives rho = 2 ln 2.
    rho = regime_exponent(1, 1, 0)[1]
    assert rho.overlaps(2 * arb(2).log())


@pytest.mark.parametrize(("c", "p"), [("1", "1"), ("1", "0"), ("3", "1/2"), ("1/10", "2")])
def test_thresholds_against_mpmath(c, p):
    with mpmath.workdps(40):
        C, P = (mpmath.mpf(Fraction(x).numerator) / Fraction(x).denominator for x in (c, p))
        entropy = lambda g: (C + g) * mpmath.log(C + g) - C * mpmath.log(C) - g * mpmath.log(g)  # noqa: E731
        start = float(lower(gamma_star(c)))
        gamma = mpmath.findroot(lambda g: entropy(g) - 1, start * 1.01)
        # Taylor: e^M (eM/g)^g = eps, at leading order, solved for b without Lambert's function.
        taylor = mpmath.findroot(
            lambda b: b + gamma * (1 + mpmath.log(b / gamma)) + P, (gamma / 50, gamma / 2)
        )
        s = mpmath.findroot(lambda s: s - mpmath.tanh(s) - P / gamma, P / gamma + 1) if P else 0
        minimax = gamma / mpmath.cosh(s)
    for star, value in zip(b_star(c, p), (taylor, minimax), strict=True):
        assert abs(mpmath.mpf(float(lower(star))) / value - 1) < 1e-14


@settings(max_examples=25, deadline=None)
@given(c=positive, p=positive)
def test_threshold_separates(c, p):
    taylor, minimax = b_star(c, p)
    assert certainly_less(taylor, minimax)
    for side, star in enumerate((taylor, minimax)):
        inside, outside = lower(star) * Fraction(999, 1000), upper(star) * Fraction(1001, 1000)
        assert certainly_less(regime_exponent(inside, c, p)[side], 1)
        assert certainly_less(1, regime_exponent(outside, c, p)[side])


@settings(max_examples=25, deadline=None)
@given(b=positive, c=positive, p=positive)
def test_rho_increases_in_every_argument_and_taylor_is_above_minimax(b, c, p):
    taylor, minimax = regime_exponent(b, c, p)
    assert certainly_less(minimax, taylor)
    for more in ((b * 2, c, p), (b, c * 2, p), (b, c, p * 2)):
        for old, new in zip((taylor, minimax), regime_exponent(*more), strict=True):
            assert certainly_less(old, new)


def test_finite_ranks_approach_the_exponent():
    # ln C(d+g, d) / ln L with d = ln L, g = gamma ln L, Taylor's least degree found directly.
    b, gaps = 0.03, []
    for log_l in (50, 500, 5000):
        m = b * log_l
        g = 1
        while m + g * (1 + math.log(m / g)) > -log_l:
            g += 1
        d = log_l
        log_rank = math.lgamma(d + g + 1) - math.lgamma(d + 1) - math.lgamma(g + 1)
        gaps.append(abs(log_rank / log_l - float(lower(regime_exponent("0.03", 1, 1)[0]))))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.01


def test_enclosures_are_narrow_where_the_numbers_are_extreme():
    for c, p in (("0.01", "1"), ("1e6", "1e-6"), ("0.01", "0"), ("100", "100")):
        for star in b_star(c, p):
            with precision(256):  # reading a ball at fewer bits rounds it outwards
                assert lower(star) > 0
                assert upper(star) - lower(star) <= lower(star) / 10**20


def test_zero_b_is_the_limit():
    assert [upper(x) for x in regime_exponent(0, 1, 1)] == [0, 0]


@pytest.mark.parametrize(
    ("c", "p", "name"), [("0", "1", "c"), ("1", "-1", "p"), ("1e-3", "1", "c"), ("x", "1", "c")]
)
def test_bad_input_is_named(c, p, name):
    with pytest.raises(InputError, match=rf"^{name}:"):
        b_star(c, p)


@pytest.mark.parametrize(("M", "n"), [(1, 3), (1, 8), (2, 5), (4, 8), (4, 12), (8, 17), (12, 30)])
def test_minimax_bound_is_above_the_least_error_and_of_its_order(M, n):
    with precision(300):
        points = remez(relative(Fraction(M)), n - 1).points
        least = certify_lower(relative(Fraction(M)), list(points)).bound
        bound = forms.minimax_bound.ball(M=M, n=n)
        assert certainly_less(least, bound)
        assert certainly_less(bound, 30 * ball(least))


def test_minimax_is_proved_only_where_the_node_polynomial_is_tame():
    with precision(200):
        # e^M times the tail of exp beyond 2n falls iff x (ln x - 1) > 1 at x = 2 cosh s.
        x = (1 + (-arb(1)).exp().lambertw()).exp()
        assert (x * (x.log() - 1) - 1).contains(0)
        s = (x / 2).acosh()
        limit = s * s.cosh() - s.sinh()
        assert certainly_less(1, s)
        assert certainly_less(limit, ball(Fraction(6453, 10**4)))
        assert certainly_less(ball(Fraction(6452, 10**4)), limit)
    assert minimax_is_proved(b_star(1, 1)[1], 1)
    assert minimax_is_proved(1, Fraction(6454, 10**4))
    assert not minimax_is_proved(1, Fraction(6453, 10**4))
    assert not minimax_is_proved(b_star(1, 0)[1], 0)


def test_slightly_false_version_of_the_minimax_bound_fails():
    # the exponent 5 % larger: false already at M = 12, n = 60
    with precision(600):
        points = remez(relative(Fraction(12)), 59).points
        least = certify_lower(relative(Fraction(12)), list(points)).bound
        bound = forms.minimax_bound.ball(M=12, n=60)
        assert certainly_less(least, bound)
        assert certainly_less(bound ** (arb(21) / 20), least)
