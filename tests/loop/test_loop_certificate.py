"""Certificates of single fixed points: what they promise holds, what is a little more does not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from varnum.balls.array import BallArray
from varnum.balls.scalar import arb, precision
from varnum.balls.spectrum import certainly_positive_definite, inverse, spectral_radius
from varnum.loop.block import Block, blocks_of
from varnum.loop.contraction_norms import _made, candidates, lyapunov
from varnum.loop.kantorovich import bends_of, finite, lipschitz, norm_of
from varnum.loop.leave import certify_exit
from varnum.loop.loop_certificate import certify_fixed_point
from varnum.loop.net import net, read_file
from varnum.loop.points import certify_points
from varnum.loop.tape import Tape
from varnum.verdict import Unknown

SORTER = Path(__file__).parents[1] / "data" / "loop" / "sorter.npz"
ONE = net([[1.0]], [0.0], "cubic")


def small_block(seed, gain=0.6):
    """Random weights, 3 tokens of width 4, 2 heads."""
    rng = np.random.default_rng(seed)
    shapes = {"adapter": (4, 4), "q": (4, 4), "k": (4, 4), "v": (4, 4), "proj": (4, 4),
              "fc1": (6, 4), "fc2": (4, 6)}  # fmt: skip
    state = {f"{n}.weight": rng.normal(size=s) * gain / 2 for n, s in shapes.items()}
    state |= {f"{n}.bias": rng.normal(size=s[0]) * 0.1 for n, s in shapes.items()}
    for n in ("norm1", "norm2", "norm"):
        state |= {f"{n}.weight": rng.uniform(0.5, 1, 4), f"{n}.bias": rng.normal(size=4) * 0.1}
    state |= {"inject": rng.normal(size=(3, 4)), "heads": np.array(2), "eps": np.array(0.01)}
    return blocks_of(state, "gelu", "random")[0]


def in_norm(found, x):
    y = found.scaling.inverse.estimate() @ x
    return float(np.linalg.norm(y) if found.scaling.euclidean else np.abs(y).max())


def on_the_sphere(found, rng, share):
    """A point at `share` of the radius, in the certificate's norm."""
    direction = rng.normal(size=len(found.point))
    return np.array(found.point) + direction * (
        share * float(found.radius) / in_norm(found, direction)
    )


NETS = {
    "tanh": net(np.random.default_rng(1).normal(size=(6, 6)) * 0.35, np.full(6, 0.2), "tanh"),
    "gelu": net(np.random.default_rng(2).normal(size=(5, 5)) * 0.4, np.full(5, 0.3), "gelu"),
    "sheared": net([[0.5, 4.0], [0.0, 0.5]], [0.1, 0.1], "tanh"),
    "cubic": ONE,
    "block": small_block(0),
}


@pytest.mark.parametrize("name", NETS)
def test_orbits_from_the_whole_ball_contract(name):
    f, rng = NETS[name], np.random.default_rng(0)
    found = certify_fixed_point(f, np.ones(1) if name == "cubic" else None)
    assert found.stable is True
    assert found.near <= found.rate < 1
    p, rate = np.array(found.point), float(found.rate)
    for share in (1e-3, 0.5, 0.9999, 0.9999):
        x = on_the_sphere(found, rng, share)
        assert (
            in_norm(found, f.estimate(x) - p) <= rate * in_norm(found, x - p) * (1 + 1e-9) + 1e-12
        )
        near = float(found.rate_within(found.radius * Fraction(share)))
        assert (
            in_norm(found, f.estimate(x) - p) <= near * in_norm(found, x - p) * (1 + 1e-9) + 1e-12
        )
    corner = p + float(found.entry_radius) * 0.9999 * rng.choice([-1, 1], f.d)
    assert in_norm(found, corner - p) <= float(found.radius)
    for _ in range(200):
        corner = f.estimate(corner)
    assert np.abs(corner - p).max() < 1e-9


@pytest.mark.parametrize("name", ["tanh", "cubic", "block"])
def test_noise_that_is_tolerated_keeps_orbits_near(name):
    f, rng = NETS[name], np.random.default_rng(1)
    found = certify_fixed_point(f, np.ones(1) if name == "cubic" else None)
    x = np.array(found.point)
    for _ in range(100):
        x = f.estimate(x) + float(found.entry_noise) * rng.choice([-1, 1], f.d)
        assert in_norm(found, x - found.point) <= float(found.radius)


@pytest.mark.parametrize("seed", range(3))
def test_the_constant_covers_sampled_changes_of_the_jacobian(seed):
    f, rng = small_block(seed), np.random.default_rng(seed)
    x = np.zeros(f.d)
    for _ in range(100):
        x = f.estimate(x)
    with precision(64):
        eye = BallArray(np.eye(f.d))
        tape = Tape()
        out = f.walk(tape, BallArray(x), eye)
        bends, r = bends_of(tape.nodes, out), 0.02
        L = finite(lipschitz(bends, arb(r)))
        start = out.blocks[0].estimate()
        for _ in range(3):
            step = rng.normal(size=f.d)
            step *= r / np.linalg.norm(step)
            moved = f.walk(Tape(), BallArray(x + step), eye).blocks[0].estimate()
            assert np.linalg.norm(moved - start, 2) <= L * r
        assert L < 1000


# --- slightly false versions --------------------------------------------------------------------


def test_the_point_jacobian_alone_promises_too_much():
    """J = 0 at x = 1 would make any radius attracting; from -0.9 orbits go to -1."""
    found = certify_fixed_point(ONE, np.ones(1))
    assert float(found.radius) < 1
    x = np.array([-0.9])
    for _ in range(100):
        x = ONE.estimate(x)
    assert abs(x[0] + 1) < 1e-9


def test_the_radius_doubled_is_false():
    found = certify_fixed_point(ONE, np.ones(1))
    x = np.array([1 + 2 * float(found.radius)])
    image = ONE.estimate(x)
    assert abs(image[0] - 1) > abs(x[0] - 1)


def test_the_constant_without_the_supremum_over_the_ball_is_false():
    with precision(64):
        tape = Tape()
        out = ONE.walk(tape, BallArray([1.0]), BallArray([[1.0]]))
        bends, r = bends_of(tape.nodes, out), 0.5
        change = abs(float(ONE.g.slope(arb(1 + r)).mid()) - float(ONE.g.slope(arb(1)).mid()))
        assert change > finite(lipschitz(bends, arb(0))) * r
        assert change <= finite(lipschitz(bends, arb(r))) * r


def test_without_the_factor_of_the_norm_the_ball_is_not_a_cube():
    found = certify_fixed_point(NETS["sheared"])
    assert found.norm in ("Lyapunov", "eigenvectors")
    corners = float(found.radius) * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    assert max(in_norm(found, c) for c in corners) > float(found.radius)


def test_a_basis_without_a_verified_inverse_is_not_used():
    singular = np.array([[1.0, 1.0], [1.0, 1.0]])
    assert list(_made("eigenvectors", False, singular)) == []
    for norm in candidates(np.array([[0.5, 4.0], [0.0, 0.4]])):
        product = (norm.S @ norm.inverse).entries()
        assert all(x.contains(arb(int(i % 3 == 0))) for i, x in enumerate(product))


# --- kinds of points ----------------------------------------------------------------------------


def test_an_unstable_point_is_proved_unstable():
    f = net([[2.0]], [0.0], "tanh")
    found = certify_fixed_point(f, np.zeros(1))
    assert found.stable is False
    assert found.rate is None
    assert found.radius > 0


def test_a_neutral_point_is_unknown():
    assert isinstance(certify_fixed_point(net([[1.0]], [0.0], "tanh"), np.zeros(1)), Unknown)
    turned = certify_fixed_point(net([[-1.0]], [0.0], "tanh"), np.zeros(1))
    assert isinstance(turned, Unknown) or turned.stable is None


def test_relu_is_certified_away_from_its_kink_only():
    found = certify_fixed_point(net([[0.5]], [1.0], "relu"))
    assert found.point == (2.0,)
    assert Fraction(19, 10) < found.radius <= 2 or found.bound == "interval Jacobian"
    kink = certify_fixed_point(net([[-2.0]], [0.0], "relu"), np.zeros(1))
    assert isinstance(kink, Unknown)


def test_points_of_the_flip_flop():
    W = [[-0.72, -0.24, -0.25, 0.91], [-0.6, 0.01, 0.08, -1.26],
         [-0.63, 0.64, 1.41, 1.09], [0.26, -0.82, 0.1, 0.45]]  # fmt: skip
    found, failed = certify_points(net(W, [-0.18, 0.02, -0.06, 0.04], "tanh"), starts=24)
    assert failed == 0
    assert sum(c.stable is True for c in found) == 4
    assert len(found) <= 9


# --- the trained looped transformer -------------------------------------------------------------


def test_the_trained_block_is_certified_with_a_large_ball():
    for block in blocks_of(read_file(str(SORTER)), "gelu", "sorter"):
        found = certify_fixed_point(block)
        assert found.stable is True
        assert found.entry_radius > Fraction(1, 100)
        left = certify_exit(block, found, Fraction(1, 1000))
        assert left.certified - left.true <= 1
        assert left.error <= left.bound <= Fraction(1, 1000)


def test_the_block_in_balls_is_the_block_in_floats():
    f = small_block(4)
    x = np.random.default_rng(4).normal(size=f.d)
    with precision(80):
        out = f.walk(Tape(), BallArray(x), BallArray(np.eye(f.d)))
        assert np.abs(out.value.estimate() - f.estimate(x)).max() < 1e-13
        numeric = np.stack(
            [(f.estimate(x + h) - f.estimate(x - h)) / 2e-6 for h in 1e-6 * np.eye(f.d)], axis=1
        )
        assert np.abs(out.blocks[0].estimate() - numeric).max() < 1e-7
    assert isinstance(f, Block)


# --- the linear algebra -------------------------------------------------------------------------


def test_spectral_radius_norm_and_definiteness_from_both_sides():
    rng = np.random.default_rng(0)
    M = rng.normal(size=(5, 5))
    with precision(80):
        low, high = spectral_radius(BallArray(M / np.abs(np.linalg.eigvals(M)).max() * 0.99))
        assert high < 1
        low, high = spectral_radius(BallArray(M / np.abs(np.linalg.eigvals(M)).max() * 1.01))
        assert low > 1
        bound = norm_of(BallArray(M))
        assert np.linalg.norm(M, 2) <= float(bound) * (1 + 1e-12) < np.linalg.norm(M, 2) * 1.001
        assert certainly_positive_definite(BallArray(M.T @ M + np.eye(5)))
        assert not certainly_positive_definite(BallArray(M.T @ M - 40 * np.eye(5)))
        assert not certainly_positive_definite(BallArray(np.diag([1.0, 0.0])))
        assert inverse(BallArray(np.ones((2, 2)))) is None
    S = lyapunov(np.array([[0.5, 9.0], [0.0, 0.5]]), 0.75)
    assert np.linalg.norm(np.linalg.solve(S, np.array([[0.5, 9.0], [0.0, 0.5]]) @ S), 2) <= 0.7501
