"""The ensembles' exp is the certified one, in NumPy and in torch."""

from __future__ import annotations

import numpy as np
import pytest

from varnum.lowrank.proved_exp import _kernel, certify_exp_error, proved_exp
from varnum.propagate.ensemble import exponential
from varnum.propagate.ensemble.exponential import ERROR, exp


def test_its_numbers_are_those_of_the_kernel_that_is_certified() -> None:
    kernel = _kernel("float64")
    assert tuple(map(float, kernel.polynomial.coefficients)) == exponential.COEFFICIENTS
    assert kernel.reduction is not None
    constants = (exponential.PER_LN2, *exponential.LN2)
    assert tuple(map(float, kernel.reduction.constants)) == constants
    assert tuple(map(float, kernel.domain)) == (exponential.LOW, exponential.HIGH)
    assert not kernel.how.fma
    assert certify_exp_error("float64") <= ERROR


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_it_computes_what_is_certified(library: str) -> None:
    """Bit for bit, in any shape; and within the error, which one changed bit would break."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-707.7, 709, 2**16), rng.standard_normal(2**16)])
    if library == "torch":
        torch = pytest.importorskip("torch")
        found = exp(torch.from_numpy(x).reshape(2, -1).mT).mT.reshape(-1).numpy()
    else:
        found = exp(x.reshape(2, -1).T).T.reshape(-1)
    assert np.array_equal(found, proved_exp(x))
    if np.finfo(np.longdouble).nmant >= 63:
        error = np.abs(found / np.exp(x.astype(np.longdouble)) - 1).max()
        assert ERROR / 3 < error <= ERROR


def test_ends() -> None:
    ends = np.array([np.nan, np.inf, -np.inf, -708.0, 710.0, 0.0])
    assert np.array_equal(exp(ends), [np.nan, np.inf, 0, 0, np.inf, 1], equal_nan=True)
    assert exp(np.array(1.0)) == pytest.approx(np.e)
    assert exp(np.zeros((0, 3))).shape == (0, 3)
