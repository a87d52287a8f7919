"""Each second-order remainder of the affine bound, at inputs that use it up.

Layer by layer: for noise w of the input the exact output (50 digits) minus the form's linear part
at that w must lie in what the layer's fresh symbols and rounding allow, in directions g where
little slack is left. The false versions in checks/mutation/named.toml (a term dropped, a constant
too small) fail here.
"""

from __future__ import annotations

from itertools import product

import mpmath
import numpy as np
import pytest

from varnum.propagate import affine_layers
from varnum.propagate.affine_layers import attention, layer_norm, mlp, unit_vectors
from varnum.propagate.forms import Form, Symbols

mp = mpmath.mp


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(50):
        yield


def form(symbols, centre, matrix):
    """A form (L, n) with matrix (L, n, S) of box symbols."""
    centre, matrix = np.asarray(centre, float), np.asarray(matrix, float)
    return Form(symbols, centre, matrix, np.zeros_like(centre))


def used(out, token, w, exact, g):
    """|g.(exact - linear part at w)| over what fresh symbols and rounding allow; w: the old."""
    old = len(w)
    g = np.asarray(g, float)
    at = [mp.mpf(c) for c in out.centre[token]]
    for i, row in enumerate(out.matrix[token]):
        at[i] += mp.fsum(mp.mpf(m) * mp.mpf(x) for m, x in zip(row, w, strict=False))
    rest = mp.fsum(mp.mpf(a) * (e - c) for a, e, c in zip(g, exact, at, strict=True))
    fresh = out.matrix[token].copy()
    fresh[:, :old] = 0
    allowed = out.symbols.radius(g @ fresh) + np.abs(g) @ out.err[token]
    return float(abs(rest) / mp.mpf(float(allowed)))


# --- GELU ----------------------------------------------------------------------------------------


def gelu(x):
    return x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)))


INFLECTION = 1.4355  # GELU'' vanishes near it: only the third order is left


@pytest.mark.parametrize("centre", [INFLECTION, -INFLECTION, 0.0, 0.5, -0.5, 3.0])
@pytest.mark.parametrize("radius", [0.05, 0.3, 1.0])
def test_gelu_covers_both_ends(centre, radius):
    out = mlp(
        form(Symbols([(0, 1, 1)]), [[centre]], [[[radius]]]),
        np.eye(1), np.zeros(1), np.eye(1), np.zeros(1),
    )  # fmt: skip
    for w in np.linspace(-1, 1, 21):
        assert used(out, 0, [w], [gelu(mp.mpf(centre) + mp.mpf(radius) * mp.mpf(w))], [1]) <= 1


def test_gelu_uses_a_third_of_its_third_order_term():
    """So the constant cannot be a tenth: the test above is not passed by slack."""
    symbols = Symbols([(0, 1, 1)])
    out = mlp(
        form(symbols, [[INFLECTION]], [[[0.05]]]), np.eye(1), np.zeros(1), np.eye(1), np.zeros(1)
    )
    ends = [used(out, 0, [w], [gelu(INFLECTION + mp.mpf(0.05) * w)], [1]) for w in (-1, 1)]
    assert max(ends) > 1 / 3


# --- normalisation -------------------------------------------------------------------------------


def normalised(x, eps=0.0, centred=False):
    x = [mp.mpf(v) for v in x]
    if centred:
        mean = mp.fsum(x) / len(x)
        x = [v - mean for v in x]
    size = mp.sqrt(mp.fsum(v * v for v in x) / len(x) + mp.mpf(eps))
    return [v / size for v in x]


@pytest.mark.parametrize("a", [0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("e", [0.003, 0.02])
def test_a_vector_that_shrinks_uses_all_of_the_radial_term(a, e):
    """delta = (-a, e) w in the direction g with g.delta = 0: what is left is nearly a^2/(1 - a)."""
    out = unit_vectors(form(Symbols([(0, 1, 1)]), [[1.0, 0.0]], [[[-a], [e]]]))
    g = [1.0, a / e]
    shares = []
    for w in np.linspace(-1, 1, 9):
        size = mp.sqrt((1 - mp.mpf(a) * w) ** 2 + (mp.mpf(e) * w) ** 2)
        exact = [(1 - mp.mpf(a) * w) / size, mp.mpf(e) * w / size]
        shares.append(used(out, 0, [w], exact, g))
    assert max(shares) <= 1
    assert e > 0.01 or shares[-1] > 0.9


@pytest.mark.parametrize("case", range(40))
def test_normalised_tokens_are_covered_in_every_direction(case):
    rng = np.random.default_rng(case)
    width, symbols = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    centre = rng.normal(size=(1, width))
    eps = float(rng.choice([0.0, 1e-6, 0.3]))
    matrix = rng.normal(size=(1, width, symbols))
    matrix *= (
        rng.choice([0.05, 0.2, 0.45])
        * np.linalg.norm(centre - centre.mean())
        / (np.abs(matrix).sum((1, 2)) + 1e-30)
    )
    x = form(Symbols([(0, symbols, 1)]), centre, matrix)
    norm = bool(case % 2)
    out = layer_norm(x, eps) if norm else unit_vectors(x)
    for w in product((-1.0, -0.5, 1.0), repeat=symbols):
        token = [mp.mpf(c) + mp.fsum(mp.mpf(m) * v for m, v in zip(row, w, strict=True))
                 for c, row in zip(centre[0], matrix[0], strict=True)]  # fmt: skip
        exact = normalised(token, eps, True) if norm else normalised(token)
        exact = exact if norm else [v / mp.sqrt(width) for v in exact]
        linear = out.centre[0] + out.matrix[0, :, :symbols] @ np.array(w)
        rest = np.array([float(v) for v in exact]) - linear
        for g in (*np.eye(width), rest, *rng.normal(size=(8, width))):
            assert used(out, 0, w, exact, g) <= 1


# --- attention -----------------------------------------------------------------------------------


def head(q, k, v, eta, scale):
    """share(w, t, row, g) of the remainder, for noise w and kernel errors t in [-1, 1]."""
    old = q.symbols.count
    rows, keys = len(q.centre), len(k.centre)
    out = attention(q, k, v, eta, (keys,), scale)

    def at(x, i, w):
        return [mp.mpf(c) + mp.fsum(mp.mpf(m) * u for m, u in zip(row, w, strict=True))
                for c, row in zip(x.centre[i], x.matrix[i], strict=True)]  # fmt: skip

    def share(w, t, row=0, g=None):
        qs, ks, vs = (
            at(q, row, w),
            [at(k, j, w) for j in range(keys)],
            [at(v, j, w) for j in range(keys)],
        )
        weights = [
            mp.exp(
                mp.mpf(scale) * mp.fsum(a * b for a, b in zip(qs, key, strict=True))
                + mp.mpf(eta) * u
            )
            for key, u in zip(ks, t, strict=True)
        ]
        exact = [mp.fsum(p * x[i] for p, x in zip(weights, vs, strict=True)) / mp.fsum(weights)
                 for i in range(v.centre.shape[1])]  # fmt: skip
        noise = np.zeros(old + rows * keys)
        noise[:old] = w
        noise[old + row * keys : old + (row + 1) * keys] = t
        return used(out, row, noise, exact, np.eye(len(exact))[0] if g is None else g)

    return share


def two_keys(odds, eta=0.0, q_noise=0.0, k_noise=0.0, v_noise=0.0):
    """Width 1: the first key has weight 1/(1 + odds); symbols of q, of the keys, of the values."""
    keys = [[-float(np.log(odds))], [0.0]] if not q_noise else [[0.0], [0.0]]
    symbols = Symbols([(0, 3, 1)])
    q = form(symbols, [[0.0 if q_noise else 1.0]] * 2, [[[q_noise, 0, 0]]] * 2)
    k = form(symbols, keys, [[[0, k_noise, 0]], [[0, -k_noise, 0]]])
    v = form(symbols, [[1.0], [0.0]], [[[0, 0, v_noise]], [[0, 0, -v_noise]]])
    return head(q, k, v, eta, 1.0)


@pytest.mark.parametrize("eta", [0.5, 2.0, 4.0, 5.0, 6.0])
@pytest.mark.parametrize("odds", [2.0, 1e3, 1e6, 1e9])
def test_a_rare_key_that_grows_uses_the_exponential_remainder(eta, odds):
    """Weight delta times e^(2 eta): sum p phi(z) is far above its second order."""
    share = two_keys(odds, eta=eta)
    for t in product((-1, 1), repeat=2):
        assert share([0, 0, 0], t) <= 1


def test_most_of_the_exponential_remainder_can_be_needed():
    assert two_keys(1e9, eta=4.0)([0, 0, 0], (1, -1)) > 0.5


@pytest.mark.parametrize("size", [0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("v_noise", [0.0, 1.0, 30.0])
def test_logits_that_move_by_products_of_noise_alone(size, v_noise):
    """q and k are zero at the centre: nothing moves in first order, all of it in second."""
    for keys in (2, 3, 5, 9):
        symbols = Symbols([(0, 3, 1)])
        up = np.ones(keys)
        up[1:] = -1
        q = form(symbols, np.zeros((keys, 1)), [[[size, 0, 0]]] * keys)
        k = form(symbols, np.zeros((keys, 1)), [[[0, size * u, 0]] for u in up])
        v = form(symbols, [[float(u > 0)] for u in up], [[[0, 0, v_noise * u]] for u in up])
        share = head(q, k, v, 0.0, 1.0)
        for w in product((-1, 1), repeat=3):
            assert share(w, [0] * keys) <= 1


def worst_head(case):
    rng = np.random.default_rng(case)
    keys, d, symbols = int(rng.integers(2, 4)), int(rng.integers(1, 3)), 3
    sizes = [float(s) for s in rng.choice([0.0, 0.1, 0.5, 1.0, 2.0], 3)]
    eta = float(rng.choice([0.0, 0.01, 0.5, 2.0]))
    common = Symbols([(0, symbols, 1)])
    parts = []
    for size in sizes:
        centre = rng.normal(size=(keys, d)) * rng.choice([0.0, 1.0, 3.0])
        parts.append(form(common, centre, size * rng.choice([-1.0, 0, 1], (keys, d, symbols))))
    return head(*parts, eta, 0.7), keys, d, symbols, rng


@pytest.mark.parametrize("case", range(60))
def test_random_heads_are_covered_at_corners(case):
    try:
        share, keys, d, symbols, rng = worst_head(case)
    except ArithmeticError:  # may move by more than 30: refused
        return
    for _ in range(12):
        w, t = rng.choice([-1, 1], symbols), rng.choice([-1, 1], keys)
        assert share(w, t, int(rng.integers(keys)), rng.normal(size=d)) <= 1


def test_every_remainder_above_has_a_case_that_is_not_refused():
    accepted = 0
    for case in range(60):
        try:
            worst_head(case)
            accepted += 1
        except ArithmeticError:
            pass
    assert accepted > 30


def test_phi_is_an_upper_bound():
    for z in np.linspace(0, 30, 301):
        exact = mp.exp(mp.mpf(z)) - 1 - mp.mpf(z)
        bound = mp.mpf(float(affine_layers.phi_over_square(np.array(z))))
        assert exact <= bound <= exact * mp.mpf("1.2") + mp.mpf("1e-30")
