"""Errors as near to eps as one can ask for, and what is no error at all."""

from fractions import Fraction

import pytest

from varnum import checker
from varnum._plan import plan
from varnum.approx.closed import certify_degree_chebyshev as chebyshev
from varnum.approx.closed import certify_degree_closed_form, certify_degree_taylor
from varnum.approx.closed import certify_taylor_error as taylor_error
from varnum.approx.degree import LeastDegree, certify_least_degree
from varnum.approx.degree_certificate import certificate
from varnum.approx.inverse import certify_reaches
from varnum.approx.remez import remez
from varnum.approx.target import additive, relative
from varnum.balls.exact import round_decimal
from varnum.balls.scalar import exact_value, precision
from varnum.errors import InputError
from varnum.verdict import Proved, Unknown

TARGETS = {"relative": relative(Fraction(10)), "additive": additive(Fraction(4))}


def minimax_error(target, degree):
    """E_degree to about 150 digits: de la Vallee Poussin and the peak agree that far."""
    with precision(target.bits(degree, 700)):
        state = remez(target, degree, 2.0**-600)
        assert state.gap < 2.0**-500
        return exact_value(state.level.mid())


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("digits", [10, 25, 40, 60])
def test_near_ties_are_told_apart(target, digits):
    error = minimax_error(target, 12)
    for up, right in ((True, 12), (False, 13)):
        eps = Fraction(round_decimal(error, digits, up))
        found = certify_least_degree(target, eps)
        assert isinstance(found.minimal, Proved)
        assert found.degree == right
        if digits <= 25:  # what the checker reads: files stay short
            proved = checker.check(certificate(found).encode())
            assert proved.certificate.minimal
            assert proved.certificate.degree == right


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_tie_gives_both_neighbours(target):
    """E_12 = eps as far as is tried: 13 suffices, 11 does not, 12 is open."""
    for nudge in (Fraction(1, 10**120), Fraction(-1, 10**120)):
        found = certify_least_degree(target, minimax_error(target, 12) * (1 + nudge))
        assert isinstance(found, LeastDegree)
        assert found.degree == 13
        assert isinstance(found.minimal, Unknown)
        assert found.minimal.reason == "E_12 and eps were not told apart; E_11 > eps is proved"


def test_a_constant_on_a_tiny_interval():
    """E_0 = tanh M = M - M^3/3 + .. on [-M, M], 3e-21 below M of 1e-10."""
    answer = plan("1e-10", eps="1e-10")
    assert (answer.degree, answer.proved_minimal) == (0, True)
    assert checker.check(answer.certify().encode()).certificate.degree == 0


ONE, HALF, NIL = relative(Fraction(1)), Fraction(1, 2), relative(Fraction(0))
REFUSED = [
    lambda: certify_least_degree(ONE, Fraction(0)), lambda: certify_least_degree(NIL, Fraction(-1)),
    lambda: certify_reaches(NIL, 0, Fraction(-1)), lambda: certify_reaches(ONE, -1, HALF),
    lambda: certify_degree_closed_form(ONE, Fraction(1)), lambda: taylor_error(ONE, -1),
    lambda: certify_degree_closed_form(NIL, Fraction(0)), lambda: chebyshev(NIL, Fraction(-1)),
    lambda: certify_degree_taylor(NIL, Fraction(2)),
]  # fmt: skip


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_no_error_is_refused(call):
    with pytest.raises(InputError):
        call()
