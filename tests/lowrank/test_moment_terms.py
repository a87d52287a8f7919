"""One test per term of the moment bound: each fails when its term is dropped or weakened."""

import math

import numpy as np
import pytest

from varnum.lowrank.basis import fit_basis, lost_squares
from varnum.lowrank.rounding import TINY, UNIT
from varnum.lowrank.state import MomentState

FLOAT32 = np.zeros(1, np.float32)


def softmax(q, k, v, sigma):
    wide = [part.astype(np.longdouble) for part in (q, k, v)]
    logits = wide[0] @ wide[1].T / np.longdouble(sigma)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return (weights @ wide[2]) / weights.sum(1, keepdims=True)


def hidden(sample, pair, one, which, sigma):
    """(true error, bound) of two keys or two queries that differ outside the one coordinate only.

    `sample` (length of queries' sample tokens, of keys' ones) sets the scale of the coordinate.
    """
    (q0, reach_q), (k0, reach_k) = sample
    sides = [np.array([[c - r, 0.0], [c + r, 0.0]]) for c, r in ((q0, reach_q), (k0, reach_k))]
    basis = fit_basis(*sides, sigma, 1, 1, 1, FLOAT32)
    pair, one = np.array(pair, np.float32), np.array(one, np.float32)
    q, k = (pair, one) if which == "queries" else (one, pair)
    v = np.arange(len(k), dtype=np.float32)[:, None]
    state = MomentState(basis, 1)
    state.add(k, v)
    out = np.empty((len(q), 1), np.float32)
    bound = state.attend(q, out).error
    return np.abs(out - softmax(q, k, v, sigma)).max(), bound.max()


FAINT = math.sqrt(1.05 * 2.0**-150) * 1e6  # its square, in units of the coordinate, is denormal


@pytest.mark.parametrize(
    ("sample", "pair", "one", "which", "sigma"),
    [
        # the squared coordinate is rounded up to 2^-149 and hides what is left out
        (((0, FAINT), (0, 1e-9)), [[FAINT, FAINT * 0.9]], [[0, 3e16], [0, -3e16]], "queries", 1.0),
        (((0, 1.0), (0, 1e6)), [[FAINT, FAINT], [FAINT, -FAINT]], [[0, 1e16]], "keys", 1.0),
        # the factor of that square overflows
        (((0, 1), (0, 1)), [[1e13, 1e13]], [[0, 3e13], [0, -3e13]], "queries", 1e27),
        # the square itself overflows, the norms do not: infinities cancel to nothing
        (((-1.3e19, 5e17), (0, 1e-9)), [[9e18, 3e18]], [[0, 1e-9], [0, -1e-9]], "queries", 1e10),
    ],
)
def test_what_is_left_out_at_the_ends_of_the_format(sample, pair, one, which, sigma):
    off, bound = hidden(sample, pair, one, which, sigma)
    assert off > 0.05
    assert not bound < off


def test_rows_that_no_centre_is_near_have_no_bound(monkeypatch):
    """Closeness may be inf - inf: such a row is nobody's, whatever the memory held before."""
    sample = np.random.default_rng(0).standard_normal((20, 2))
    state = MomentState(fit_basis(sample, sample, 1.0, 2, 1, 3, FLOAT32), 1)
    state.add(sample.astype(np.float32), np.ones((20, 1), np.float32))
    monkeypatch.setattr(np, "empty_like", np.zeros_like)
    error, slip = state._many_centres(np.float32([[0.1, np.nan], [0.1, 0]]), np.empty((2, 1)))
    assert np.isfinite(error[0])
    assert not error[1] < math.inf
    assert not slip[1] < math.inf


def test_lost_squares_grow_with_their_factors():
    sample = np.array([[1.0, 0.0], [-1.0, 0.0]])
    for sizes in ((1e-9, 1.0), (1.0, 1e-9), (1.0, 1e9), (1e9, 1.0)):
        basis = fit_basis(sample * sizes[0], sample * sizes[1], 1.0, 1, 1, 1, FLOAT32)
        factor = max(float(basis.query_squares[0, 0]), float(basis.key_squares[0, 0]))
        assert lost_squares(basis, UNIT["float32"]) >= TINY["float32"] * factor * 2.0**-24
        assert lost_squares(basis, UNIT["float32"]) >= TINY["float32"] * 2 * 4
