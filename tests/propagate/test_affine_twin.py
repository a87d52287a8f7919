"""The remainders of the affine layers, written a second time from proofs/affine.md, token by token.

SLOP and UP are made coarse, so every allowance for rounding shows; both programs must then give
the same numbers. What is proved there holds for any sizes of the two.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from varnum.propagate import affine_layers, forms
from varnum.propagate.forms import Form, Symbols, box, largest, minkowski, raise_diagonal, trace

SLOP, UP = 2.0**-8, 1.03


@pytest.fixture(autouse=True, params=[2.0**-8, 2.0**-22], ids=["coarse", "fine"])
def slop(request, monkeypatch):
    for module in (forms, affine_layers, sys.modules[__name__]):
        monkeypatch.setattr(module, "SLOP", request.param)
        monkeypatch.setattr(module, "UP", UP)
    return request.param


def random_form(symbols, rng, shape, noise, err):
    """Forms (L, n) on all symbols so far; err of every entry."""
    matrix = rng.normal(size=(*shape, symbols.count)) * noise
    return Form(symbols, rng.normal(size=shape), matrix, np.abs(rng.normal(size=shape)) * err)


def same(found, centre, columns, ellipsoids, err):
    """The form: its centre, its columns but the last ball group, that group, nothing in err."""
    n = centre.shape[-1]
    assert found.centre == pytest.approx(centre, rel=1e-9, abs=1e-12)
    rest = found.matrix[:, :, : -len(centre) * n]
    assert rest == pytest.approx(np.array(columns), rel=1e-9, abs=1e-12)
    assert not found.err.any()
    for token, (ellipsoid, e) in enumerate(zip(ellipsoids, err, strict=True)):
        block = found.matrix[token][:, found.matrix.shape[-1] - (len(centre) - token) * n :][:, :n]
        due = raise_diagonal(minkowski([ellipsoid, box(e)]))
        assert block @ block.T == pytest.approx(due, rel=1e-12, abs=2e-12 * np.trace(due))


def weighted(factor, weights, dv):
    """factor C[w], C[w] = sum w dv dv'."""
    summed = sum(w * np.outer(x, x) for w, x in zip(weights, dv, strict=True))
    return raise_diagonal(factor * raise_diagonal(summed) * UP)


# --- F3 ------------------------------------------------------------------------------------------


def normalised(x, eps):
    """F3 for every token: centre, columns, ellipsoid, err."""
    lines = []
    for i, (c, g, e) in enumerate(zip(x.centre, x.matrix, x.err, strict=True)):
        d, weight = len(c), np.abs(g).sum(-1) * UP
        s2 = np.mean(c**2) + eps
        s, y = np.sqrt(s2), c / np.sqrt(s2)
        ellipsoid = x.ellipsoid()[i]
        b = min(largest(ellipsoid), (x.radius()[i] ** 2).sum()) / (d * s2) * UP
        alpha = x.symbols.radius(c @ g[None])[0] + np.abs(c) @ (e + SLOP * weight)
        a = min(alpha / (d * s2) * UP, np.sqrt(b)) * UP
        low, high = -b / 2 * UP, a * a / (1 - a) * UP
        nu = max(1 - (1 + 2 * a + b) ** -0.5, a / (1 - a)) * UP
        centre = y * (1 + (low + high) / 2)
        columns = g / s - np.outer(y, c @ g) / (d * s2)
        size = (weight + np.abs(y) * np.mean(np.abs(y) * weight)) / s
        carried = (e + np.abs(y) * np.mean(np.abs(y) * e)) / s
        err = (carried + SLOP * (np.abs(centre) + 4 * size)) * UP
        radial = np.zeros((d, len(x.centre)))
        radial[:, i] = y * (high - low) / 2 * UP
        lines.append((centre, np.hstack([columns, radial]), ellipsoid * nu**2 / s2 * UP, err))
    return [np.array(part) for part in zip(*lines, strict=True)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [1e-3, 0.02, 0.05])
def test_normalisation(seed, noise):
    rng = np.random.default_rng(seed)
    symbols = Symbols([(0, 3, 1), (3, 7, 2)])
    x = random_form(symbols, rng, (3, 4), noise, noise * 2)
    expected = normalised(x, 0.1)
    same(affine_layers._normalise(x, 0.1), *expected)


@pytest.mark.parametrize("shrink", [0.85, 0.95, 1.05])
def test_one_vector_that_may_vanish_is_enough_to_refuse(shrink):
    """x = (1 - shrink w) c: above 0.9 the bounds blow up, from 1 on they mean nothing."""
    rng = np.random.default_rng(0)
    symbols = Symbols([(0, 1, 1)])
    x = random_form(symbols, rng, (3, 4), 1e-3, 0.0)
    x.matrix[1] = -shrink / UP**3 * x.centre[1][:, None]
    if shrink < 0.9:
        affine_layers._normalise(x, 0.0)
        return
    with pytest.raises(ArithmeticError, match="may vanish"):
        affine_layers._normalise(x, 0.0)


# --- F5 ------------------------------------------------------------------------------------------


def through(w2, radii):
    """W2 times a box."""
    norms = np.sqrt((w2**2).sum(0))
    total = sum(n * r for n, r in zip(norms, radii, strict=True))
    parts = [r / n * np.outer(w, w) for r, n, w in zip(radii, norms, w2.T, strict=True) if n > 0]
    return raise_diagonal(total * sum(parts) * UP)


def hidden(x, w1, b1, w2, b2):
    """F5 for every token, and which of the two enclosures was smaller."""
    lines, boxes = [], []
    for i, (c, g, e) in enumerate(zip(x.centre, x.matrix, x.err, strict=True)):
        weight = np.abs(g).sum(-1) * UP
        inner = np.abs(w1) @ e + SLOP * (np.abs(w1) @ (np.abs(c) + weight) + np.abs(b1))
        inner = inner * UP
        h = (x.symbols.radius(w1 @ g) + inner) * UP
        f = affine_layers._gelu(w1 @ c + b1)
        m3, off = affine_layers.GELU_THIRD, f.second_error
        low = h**2 / 2 * np.minimum(0, f.second - m3 * h - off) * UP
        high = h**2 / 2 * np.maximum(0, f.second + m3 * h + off) * UP
        as_box = through(w2, (high - low) / 2 * UP)
        ellipsoid = x.ellipsoid()[i]
        units, out = len(w1), len(w2)
        y = np.array([f.second[m] / 2 * w2[:, m] for m in range(units)])
        squared = np.zeros((out, out))
        for m in range(units):
            for n in range(units):
                squared += (w1[m] @ ellipsoid @ w1[n]) ** 2 * np.outer(y[m], y[n])
        reach = (np.abs(w1) @ np.sqrt(np.diag(ellipsoid))) ** 2
        squared += 8 * SLOP * ((np.abs(y).T @ reach) ** 2).sum() * np.eye(out)
        cubic = h**2 * (m3 * h / 3 + off) / 2 * UP
        as_map = minkowski([squared * UP, through(w2, cubic)])
        boxes.append(trace(as_box) < trace(as_map))
        value = f.value + ((low + high) / 2 if boxes[-1] else 0)
        missing = (np.abs(f.first) + np.abs(f.second) * h) * inner + f.first_error * h
        missing += f.value_error
        missing += SLOP * (np.abs(value) + 2 * np.abs(f.first) * (np.abs(w1) @ weight))
        err = (np.abs(w2) @ missing + SLOP * np.abs(b2)) * UP
        columns = (w2 * f.first) @ w1 @ g
        lines.append((w2 @ value + b2, columns, as_box if boxes[-1] else as_map, err))
    return [np.array(part) for part in zip(*lines, strict=True)], boxes


def test_errors_of_gelu_grow_with_its_argument_and_its_slopes():
    """Each from the argument of tanh, of size 1 + |x| + |u|, and the derivatives of that."""
    for x in (-3.0, -0.2, 0.7, 2.5, 6.0):
        found = affine_layers._gelu(np.array([x]))
        root = np.sqrt(2 / np.pi)
        u, g1, g2 = (
            root * (x + 0.044715 * x**3),
            root * (1 + 0.134145 * x * x),
            root * 0.26829 * x,
        )
        size, growth = 1 + abs(x) + abs(u), 1 + g1 + abs(g2)
        assert found.value_error[0] == pytest.approx(SLOP * size * abs(x), rel=1e-12)
        assert found.first_error[0] == pytest.approx(SLOP * size**2 * growth, rel=1e-12)
        due = SLOP * 4 * size**2 * growth**2
        assert found.second_error[0] == pytest.approx(due, rel=1e-12)


def test_hidden_units(slop):
    taken = set()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        symbols = Symbols([(0, 3, 1), (3, 7, 2)])
        x = random_form(symbols, rng, (2, 3), 0.02 if seed % 2 else 0.3, 0.01)
        w1, b1 = rng.normal(size=(5, 3)) * 2, rng.normal(size=5)
        w2, b2 = rng.normal(size=(4, 5)), rng.normal(size=4)
        w2[:, 0] *= seed % 3 > 0  # a unit that nothing reads
        expected, boxes = hidden(x, w1, b1, w2, b2)
        taken |= set(map(bool, boxes))
        same(affine_layers.mlp(x, w1, b1, w2, b2), *expected)
    assert slop > 1e-3 or taken == {False, True}


# --- F4 ------------------------------------------------------------------------------------------


def phi_bound(z):
    return (z * z / 2 / (1 - z / 3) if z < 1 else np.expm1(z) - z) * UP


def norms(x, count):
    found = [
        min(largest(x.ellipsoid()[i]), (x.radius()[i] ** 2).sum()) ** 0.5 for i in range(count)
    ]
    return np.array(found) * UP


def row(q, k, v, eta, i, n, scale, start, count):
    """F4 for query i over n keys; its kernel errors are symbols start.. of `count` columns."""
    symbols, d = q.symbols, v.centre.shape[1]
    qc, kc, vc = q.centre[i], k.centre[:n], v.centre[:n]
    qw, kw, vw = (np.abs(f.matrix).sum(-1) * UP for f in (q, k, v))
    p = np.exp(scale * kc @ qc)
    p = p / p.sum()
    o = p @ vc
    dv = vc - o
    one = abs(scale)
    kappa = 8 * SLOP * (1 + one * (np.abs(kc) @ np.abs(qc)).max())
    # first order
    lin = np.array([scale * (qc @ k.matrix[j] + kc[j] @ q.matrix[i]) for j in range(n)])
    lin = lin - p @ lin
    first = np.array(
        [
            one
            * (np.abs(qc) @ (k.err[j] + SLOP * kw[j]) + (q.err[i] + SLOP * qw[i]) @ np.abs(kc[j]))
            for j in range(n)
        ]
    )
    first = (first + p @ first) * UP * 2 + 8 * SLOP * eta
    own = eta * (np.eye(n) - p)
    here = Symbols([*symbols.runs, (symbols.count, symbols.count + n, 1)])
    full = np.hstack([lin, own])
    zl = (here.radius(full) + first) * UP
    scaled = np.sqrt(p)[:, None] * full
    e_z = minkowski([here.ellipsoid(scaled), box(np.sqrt(p) * first)])
    zeta2 = min(float(largest(e_z)), p @ zl**2) * UP
    # second order
    far_q, far_k = norms(q, len(q.centre))[i], norms(k, n)
    b = one * np.minimum(far_q * far_k, k.radius()[:n] @ q.radius()[i]) * UP + kappa
    others = [sum(p[m] * b[m] for m in range(n) if m != j) for j in range(n)]
    drift = ((1 - p) * b + others) * UP + SLOP * b
    z = (zl + drift) * UP
    phi = np.array([phi_bound(x) for x in z])
    psi = np.maximum(phi - zl**2 / 2, 0) + SLOP * phi
    u = min(p @ phi, zeta2 / 2 + p @ psi) * UP
    r_b = weighted(p @ b, p * b, dv)
    plain = weighted(u, p * phi, dv)
    inner = sum(np.outer(dv[j], dv[m]) * e_z[j, m] ** 2 / 4 for j in range(n) for m in range(n))
    size = sum(np.linalg.norm(dv[j]) * e_z[j, j] for j in range(n)) ** 2
    inner = (inner + 2.0**-33 * size * np.eye(d)) * UP
    options = [
        plain,
        weighted(p @ phi / 4, p * phi, dv),
        minkowski([inner, weighted(p @ psi, p * psi, dv)]),
    ]
    taken = int(np.argmin([trace(part) for part in options]))
    shift = (p * phi) @ dv / 2 if taken == 1 else 0
    e_v = v.ellipsoid()[:n]
    x = phi + drift
    r_v = minkowski(
        [
            zeta2 * np.einsum("n,nab->ab", p, e_v) * UP,
            (p @ x) * np.einsum("n,nab->ab", p * x, e_v) * UP,
        ]
    )
    # the linear part
    columns = np.zeros((d, count))
    columns[:, : lin.shape[1]] = sum(
        p[j] * (np.outer(dv[j], scale * (qc @ k.matrix[j] + kc[j] @ q.matrix[i])) + v.matrix[j])
        for j in range(n)
    )
    columns[:, start : start + n] = eta * (p[:, None] * dv).T
    spread = p[:, None] * (np.abs(vc) + p @ np.abs(vc))
    err = sum(
        one * spread[j] * (np.abs(qc) @ (k.err[j] + 4 * SLOP * kw[j])
        + np.abs(kc[j]) @ (q.err[i] + 4 * SLOP * qw[i])) + p[j] * (v.err[j] + 4 * SLOP * vw[j])
        for j in range(n)
    )  # fmt: skip
    rounding = SLOP * (np.abs(vc).max() * (1 + p @ phi) + eta * spread.sum(0))
    err = (err + 4 * rounding) * UP
    linear = Form(
        Symbols([*symbols.runs, (symbols.count, count, 1)]), o[None], columns[None], err[None]
    )
    r_u = (u / (1 + u)) ** 2 * minkowski([linear.ellipsoid()[0], r_b, r_v, plain]) * UP
    remainder = minkowski([r_b, options[taken], r_v, r_u])
    return o + shift, columns, remainder, err, taken


def test_rows_of_attention(slop):
    taken = set()
    for seed in range(24):
        scale = (0.7, -1.5)[seed % 3 % 2]
        rng = np.random.default_rng(seed)
        noise, eta = ((0.01, 0.01), (0.01, 1.5), (1e-3, 1e-4), (0.3, 0.5))[seed % 4]
        symbols = Symbols([(0, 2, 1), (2, 6, 2)])
        q, k, v = (random_form(symbols, rng, (3, 2), noise, noise * eta) for _ in range(3))
        start = symbols.count
        rows, n = slice(1, 3), 3
        count = start + 2 * n
        due = [row(q, k, v, eta, i, n, scale, start + (i - 1) * n, count) for i in (1, 2)]
        found = affine_layers._rows(q, k, v, eta, rows, n, scale)
        taken |= {part[-1] for part in due}
        centre, columns, remainder, err, _ = (np.array(x) for x in zip(*due, strict=True))
        same(found, centre, columns, remainder, err)
    assert slop > 1e-3 or taken == {1, 2}  # the first was never the smallest


def test_a_norm_is_by_the_ellipsoid_or_by_the_radii():
    for err in (0.01, 3.0):
        x = Form(Symbols([(0, 1, 1)]), np.zeros((2, 2)), np.zeros((2, 2, 1)), np.full((2, 2), err))
        assert affine_layers._norm(x, slice(0, 2)) == pytest.approx(norms(x, 2), rel=1e-12)


def test_later_blocks_see_earlier_ones_and_each_starts_where_the_last_ended():
    rng = np.random.default_rng(0)
    symbols = Symbols([(0, 1, 1)])
    q, k, v = (random_form(symbols, rng, (5, 2), 1e-9, 0.0) for _ in range(3))
    out = affine_layers.attention(q, k, v, 1e-9, (1, 2, 2), 0.5)
    weights = np.exp(0.5 * q.centre @ k.centre.T)
    for row, seen in enumerate((1, 3, 3, 5, 5)):
        due = weights[row, :seen] @ v.centre[:seen] / weights[row, :seen].sum()
        assert out.centre[row] == pytest.approx(due, rel=0.03)


def test_the_sum_of_noise_and_error_is_rounded_up():
    x = Form(Symbols([(0, 1, 1)]), np.zeros((1, 1)), np.full((1, 1, 1), 2.0), np.full((1, 1), 3.0))
    assert x.radius()[0, 0] == pytest.approx((2 * UP + 3) * UP, rel=1e-12)


@pytest.mark.parametrize("far", [-720.0, 720.0])
def test_logits_of_any_size(slop, far):
    if slop > 1e-3:
        return  # rounding alone would move them by more than 30
    symbols = Symbols([(0, 1, 1)])
    q, k, v = (
        Form(symbols, np.array(x), np.zeros((2, 1, 1)), np.zeros((2, 1)))
        for x in ([[1.0], [1]], [[far], [0]], [[3.0], [5]])
    )
    out = affine_layers.attention(q, k, v, 1e-6, (2,), 1.0)
    assert out.centre == pytest.approx(3.0 if far > 0 else 5.0, abs=1e-3)
    assert np.isfinite(out.radius()).all()


def test_one_row_of_logits_that_moves_too_far_is_enough_to_refuse(slop):
    symbols = Symbols([(0, 1, 1)])
    q, k, v = (
        Form(symbols, np.ones((2, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1))) for _ in range(3)
    )
    k.centre[1] = 0
    affine_layers.attention(q, k, v, 5.0, (2,), 1.0)
    q.matrix[1] = 40
    with pytest.raises(ArithmeticError, match="more than 30"):
        affine_layers.attention(q, k, v, 5.0, (2,), 1.0)


def test_the_exponential_remainder_is_bounded_closely():
    z = np.array([0.0, 1e-8, 0.3, 0.999, 1.0, 3.0, 29.0])
    exact = [float(phi_bound(x)) for x in z]
    assert affine_layers.phi_over_square(z) == pytest.approx(exact, rel=1e-12)
    assert (affine_layers.phi_over_square(z) >= np.expm1(z) - z).all()
