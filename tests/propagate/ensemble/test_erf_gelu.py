"""GELU by its own table of Phi, against mpmath."""

from __future__ import annotations

from contextlib import contextmanager

import mpmath
import numpy as np
import pytest
from flint import ctx

from varnum.propagate.ensemble import erf_gelu, sites
from varnum.propagate.ensemble.erf_gelu import PHI_ERROR, gelu_erf, normal
from varnum.propagate.ensemble.smooth_activations import SLOPE_ERROR


def points() -> np.ndarray:
    rng = np.random.default_rng(0)
    edges = np.arange(-145, 146) / 16 + 1 / 32
    return np.concatenate(
        [edges, np.nextafter(edges, 9), rng.uniform(-10, 10, 400), [0.0, 9.0, -9.0, -40.0, 700.0]]
    )


def test_value_and_derivatives_are_what_their_errors_say() -> None:
    x = points()
    f = gelu_erf(x)
    phi, _ = normal(x)
    with mpmath.workprec(200):
        for i, t in enumerate(map(mpmath.mpf, x.tolist())):
            exact, density = mpmath.ncdf(t), mpmath.npdf(t)
            assert abs(exact - phi[i]) <= PHI_ERROR / 4
            assert abs(t * exact - f.value[i]) <= f.error[i]
            assert abs(exact + t * density - f.slope[i]) <= SLOPE_ERROR / 4
            assert abs(density * (2 - t * t)) <= f.second[i]


def test_the_suprema_of_its_derivatives() -> None:
    """At the roots that the claim names; everywhere else below."""
    with mpmath.workprec(200):

        def second(t):  # type: ignore[no-untyped-def]
            return mpmath.npdf(t) * (2 - t * t)

        def third(t):  # type: ignore[no-untyped-def]
            return mpmath.npdf(t) * (t**3 - 4 * t)

        top = mpmath.sqrt((7 - mpmath.sqrt(33)) / 2)
        assert 0.99 * sites.GELU_SECOND < second(0) <= sites.GELU_SECOND
        assert 0.999 * sites.ERF_THIRD < abs(third(top)) <= sites.ERF_THIRD
        for t in mpmath.linspace(-12, 12, 997):
            assert abs(second(t)) <= second(0)
            assert abs(third(t)) <= abs(third(top))
            assert abs(mpmath.diff(second, t) - third(t)) < 1e-20


def test_the_tanh_form_is_another_function() -> None:
    """By 1e-4, which a bound of 1e-13 must not miss."""
    from varnum.propagate.ensemble.smooth_activations import gelu

    x = np.linspace(-4, 4, 801)
    assert np.abs(gelu(x).value - gelu_erf(x).value).max() > 1e-4


def test_a_table_of_wide_balls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where another thread has lowered flint's precision: midpoints alone would be off."""
    kept = ctx.prec

    @contextmanager
    def lowered(bits: int):  # type: ignore[no-untyped-def]
        ctx.prec = 40
        yield
        ctx.prec = kept

    monkeypatch.setattr(erf_gelu, "precision", lowered)
    with pytest.raises(ArithmeticError, match="too wide"):
        erf_gelu._table.__wrapped__()
    assert ctx.prec == kept
