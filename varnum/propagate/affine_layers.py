"""LayerNorm, attention and GELU on affine forms, each with its second-order remainder enclosed.

Names follow proofs/affine.md, where every inequality used here is derived.
Shapes: L tokens, C width, d head width, n keys, r rows (queries), S symbols.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from varnum.propagate.forms import (
    SLOP,
    UP,
    Floats,
    Form,
    Symbols,
    box,
    largest,
    minkowski,
    raise_diagonal,
    trace,
    widen,
)

GELU_THIRD = 0.7767  # sup|f'''| of GELU's tanh form: claim gelu-lipschitz


def layer_norm(x: Form, eps: float) -> Form:
    """LayerNorm without affine part of every token, (L, C) -> (L, C).

    Raises ArithmeticError where the perturbation may reach a token without variance.
    """
    width = x.centre.shape[-1]
    return _normalise(x.linear(np.eye(width) - 1.0 / width), eps)


def unit_vectors(x: Form) -> Form:
    """x/||x||_2 of every vector, (L, d) -> (L, d); the model's floor of 1e-12 is out of reach."""
    width = x.centre.shape[-1]
    if not np.all(np.abs(x.centre).max(-1) > 1e-10):
        raise ArithmeticError("affine: a query or key is (nearly) zero and cannot be normalised")
    return _normalise(x, 0.0).scale(np.full(width, width**-0.5))


def _normalise(delta: Form, eps: float) -> Form:
    """x / sqrt(mean x^2 + eps) over the last axis."""
    width = delta.centre.shape[-1]
    c0, s2 = delta.centre, (delta.centre**2).mean(-1) + eps  # s2 to a relative error of SLOP
    s = np.sqrt(s2)
    ellipsoid = delta.ellipsoid()
    b = np.minimum(largest(ellipsoid), (delta.radius() ** 2).sum(-1)) / (width * s2) * UP
    alpha = np.einsum("lc,lcs->ls", c0, delta.matrix)[:, None, :]
    spread = (np.abs(c0) * (delta.err + SLOP * delta.weight())).sum(-1)
    a = (delta.symbols.radius(alpha)[:, 0] + spread) / (width * s2) * UP
    a = np.minimum(a, np.sqrt(b)) * UP
    if not np.all(a < 0.9):
        raise ArithmeticError("affine: a normalised vector may vanish; eps is too large")
    low, high = -b / 2 * UP, a**2 / (1 - a) * UP
    nu = np.maximum(-np.expm1(-np.log1p(2 * a + b) / 2), a / (1 - a)) * UP
    direction = c0 / s[:, None]
    matrix = delta.matrix / s[:, None, None] - direction[..., None] * (
        alpha / (width * s2)[:, None, None]
    )
    centre = direction * (1 + (low + high) / 2)[:, None]
    # (I - c0 c0'/(C s2))/s has entries of at most (delta_ij + |y_i||y_j|/C)/s
    size = (
        delta.weight() + np.abs(direction) * (np.abs(direction) * delta.weight()).mean(-1)[:, None]
    ) / s[:, None]
    carried = (
        delta.err + np.abs(direction) * (np.abs(direction) * delta.err).mean(-1)[:, None]
    ) / s[:, None]
    # c0 itself is exact (it is delta's centre); s is not: relative SLOP on everything
    err = (carried + SLOP * (np.abs(centre) + 4 * size)) * UP
    columns = delta.symbols.take(len(c0))
    matrix = widen(matrix, columns.stop)
    half = (high - low) / 2 * UP
    index = np.arange(len(c0))
    matrix[index, :, columns.start + index] = direction * half[:, None]
    result = Form(delta.symbols, centre, matrix, err)
    return result.with_ball(ellipsoid * (nu**2 / s2)[:, None, None] * UP)


@dataclass(frozen=True)
class _Gelu:
    """Value and derivatives at the centre with absolute errors that float64 keeps easily."""

    value: Floats
    first: Floats
    second: Floats
    value_error: Floats
    first_error: Floats
    second_error: Floats


def _gelu(x: Floats) -> _Gelu:
    slope = np.sqrt(2 / np.pi)
    cubic = 0.044715
    g1, g2 = slope * (1 + 3 * cubic * x**2), slope * 6 * cubic * x
    t = np.tanh(slope * (x + cubic * x**3))
    bell = 1 - t**2
    first = (1 + t) / 2 + x / 2 * bell * g1
    second = bell * g1 + x / 2 * (bell * g2 - 2 * t * bell * g1**2)
    size = 1 + np.abs(x) + np.abs(slope * (x + cubic * x**3))  # also how far tanh's argument is off
    growth = 1 + g1 + np.abs(g2)
    return _Gelu(
        x / 2 * (1 + t),
        first,
        second,
        SLOP * size * np.abs(x),
        SLOP * size**2 * growth,
        SLOP * size**2 * growth**2 * 4,
    )


def mlp(x: Form, w1: Floats, b1: Floats, w2: Floats, b2: Floats) -> Form:
    """W2 gelu(W1 x + b1) + b2 of every token, (L, C) -> (L, C); w1 (m, C), w2 (C, m)."""
    symbols, size = x.symbols, np.abs(w2)
    centre = x.centre @ w1.T + b1
    inner_error = (
        x.err @ np.abs(w1).T + SLOP * ((np.abs(x.centre) + x.weight()) @ np.abs(w1).T + np.abs(b1))
    ) * UP
    radius = np.stack([symbols.radius(w1 @ token) for token in x.matrix])
    h = (radius + inner_error) * UP  # (L, m)
    f = _gelu(centre)
    third = GELU_THIRD * h
    quadratic = h * h / 2
    low = quadratic * np.minimum(0, f.second - third - f.second_error) * UP
    high = quadratic * np.maximum(0, f.second + third + f.second_error) * UP
    # F5: a box per hidden unit, its middle moved to the centre
    as_box = _through(w2, (high - low) / 2 * UP)
    # F2: the quadratic part as a map of the token's ellipsoid, the cubic part as boxes
    y = f.second[..., None] / 2 * w2.T  # (L, m, C)
    kernel = w1 @ x.ellipsoid() @ w1.T  # (L, m, m)
    squared = np.swapaxes(y, -1, -2) @ (kernel * kernel) @ y
    diagonal = np.diagonal(x.ellipsoid(), axis1=-2, axis2=-1)
    reach = (np.sqrt(diagonal) @ np.abs(w1).T) ** 2  # >= |w_m' E w_n| on the diagonal
    slack = 8 * SLOP * ((np.abs(y) * reach[..., None]).sum(-2) ** 2).sum(-1)
    squared = (squared + np.swapaxes(squared, -1, -2)) / 2 + slack[:, None, None] * np.eye(len(w2))
    cubic = h * h * (GELU_THIRD * h / 3 + f.second_error) / 2 * UP
    as_map = minkowski([squared * UP, _through(w2, cubic)])
    use_box = trace(as_box) < trace(as_map)
    shift = np.where(use_box[:, None], (low + high) / 2, 0.0)
    remainder = np.where(use_box[:, None, None], as_box, as_map)
    value = f.value + shift
    jacobian = (w2 * f.first[:, None, :]) @ w1  # (L, C, C)
    weight = x.weight() @ np.abs(w1).T
    hidden_error = (
        (np.abs(f.first) + np.abs(f.second) * h) * inner_error
        + f.first_error * h
        + f.value_error
        + SLOP * (np.abs(value) + 2 * np.abs(f.first) * weight)
    )
    err = (hidden_error @ size.T + SLOP * np.abs(b2)) * UP
    result = Form(symbols, value @ w2.T + b2, jacobian @ x.matrix, err)
    return result.with_ball(remainder)


def _through(w2: Floats, radii: Floats) -> Floats:
    """Ellipsoid of W2 times the box |.| <= radii: (C, m), (L, m) -> (L, C, C)."""
    norms = np.sqrt((w2**2).sum(0))
    total = (norms * radii).sum(-1)
    weights = np.divide(radii, norms, out=np.zeros_like(radii), where=norms > 0)
    return raise_diagonal(total[:, None, None] * ((w2 * weights[:, None, :]) @ w2.T) * UP)


def phi_over_square(z: Floats) -> Floats:
    """Upper bound of (e^z - 1 - z), z >= 0: z^2/2 /(1 - z/3) below 1, direct above."""
    near = z * z / 2 / (1 - np.minimum(z, 1) / 3)
    return np.where(z < 1, near, np.expm1(np.minimum(z, 700)) - z) * UP


def attention(
    q: Form, k: Form, v: Form, kernel_radius: float, lengths: tuple[int, ...], scale: float
) -> Form:
    """One head, block-causal, every kernel entry times (1 + e): (L, d) three times -> (L, d).

    kernel_radius >= artanh(eps); logits are scale q.k; queries of block s see blocks 1..s.
    """
    q, k, v = (replace(x, matrix=widen(x.matrix, x.symbols.count)) for x in (q, k, v))
    outputs, start = [], 0
    for length in lengths:
        rows, keys = slice(start, start + length), start + length
        outputs.append(_rows(q, k, v, kernel_radius, rows, keys, scale))
        start += length
    columns = q.symbols.count
    return Form(
        q.symbols,
        np.concatenate([o.centre for o in outputs]),
        np.concatenate([widen(o.matrix, columns) for o in outputs]),
        np.concatenate([o.err for o in outputs]),
    )


def _rows(q: Form, k: Form, v: Form, eta: float, rows: slice, n: int, scale: float) -> Form:
    symbols = q.symbols
    qc, kc, vc = q.centre[rows], k.centre[:n], v.centre[:n]
    dq, dk, dv_noise = q.matrix[rows], k.matrix[:n], v.matrix[:n]
    qe, ke, ve = q.err[rows], k.err[:n], v.err[:n]
    qw, kw, vw = q.weight()[rows], k.weight()[:n], v.weight()[:n]
    count, width = qc.shape
    logits = scale * qc @ kc.T
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)  # (r, n)
    kappa = 8 * SLOP * (1 + abs(scale) * (np.abs(qc) @ np.abs(kc).T).max(-1, keepdims=True))
    o = p @ vc
    dv = vc[None] - o[:, None]  # (r, n, d)
    # first-order logits zl: columns of q and k, then this row's kernel errors
    raw = scale * (np.tensordot(qc, dk, (1, 1)) + kc @ dq)  # (r, n, S)
    raw -= p[:, None, :] @ raw
    own = eta * (np.eye(n) - p[:, None, :])  # (r, n, n): column j is this row's symbol of key j
    first = abs(scale) * (np.abs(qc) @ (ke + SLOP * kw).T + (qe + SLOP * qw) @ np.abs(kc).T)
    first_err = (first + (p * first).sum(-1, keepdims=True)) * UP * 2
    here = Symbols([*symbols.runs, (symbols.count, symbols.count + n, 1)])
    full = np.concatenate([widen(raw, symbols.count), own], axis=-1)  # (r, n, S + n)
    zl = (here.radius(full) + first_err + 8 * SLOP * eta) * UP
    e_z = here.ellipsoid(np.sqrt(p)[..., None] * full)
    e_z = minkowski([e_z, box(np.sqrt(p) * (first_err + 8 * SLOP * eta))])
    zeta2 = np.minimum(largest(e_z), (p * zl**2).sum(-1)) * UP
    # second-order logits b and the whole change z
    norm_q, norm_k = _norm(q, rows), _norm(k, slice(0, n))
    products = q.radius()[rows] @ k.radius()[:n].T
    b = abs(scale) * np.minimum(norm_q[:, None] * norm_k, products) * UP + kappa
    mean_b = (p * b).sum(-1, keepdims=True)
    drift = (b * (1 - p) + mean_b - p * b).clip(0) * UP + SLOP * b
    z = (zl + drift) * UP
    if not np.all(z <= 30):
        raise ArithmeticError("affine: logits may move by more than 30; eps is too large")
    phi = phi_over_square(z)
    psi = np.maximum(phi - zl**2 / 2, 0) + SLOP * phi
    u = np.minimum((p * phi).sum(-1), zeta2 / 2 + (p * psi).sum(-1)) * UP
    # remainders, as ellipsoids
    r_b = _weighted(mean_b[:, 0], p * b, dv)
    r_phi, shift = _phi_remainder(p, phi, psi, u, dv, e_z)
    e_v = v.ellipsoid()[:n]
    x = phi + drift
    px = (p * x).sum(-1)
    r_v = minkowski(
        [
            np.einsum("r,rn,nab->rab", zeta2, p, e_v) * UP,
            np.einsum("r,rn,nab->rab", px, p * x, e_v) * UP,
        ]
    )
    # the linear part
    weight = (p[..., None] * dv) * scale  # (r, n, d)
    through_k = np.einsum("rna,rb->ranb", weight, qc).reshape(count * width, n * width)
    matrix = (through_k @ dk.reshape(n * width, -1)).reshape(count, width, -1)
    matrix += np.einsum("rna,nb->rab", weight, kc) @ dq
    matrix += (p @ dv_noise.reshape(n, -1)).reshape(matrix.shape)
    spread = p[..., None] * (np.abs(vc)[None] + (p @ np.abs(vc))[:, None])  # bounds |p dv| safely
    reach = abs(scale) * (
        np.einsum("rna,rb,nb->ra", spread, np.abs(qc), ke + 4 * SLOP * kw)
        + np.einsum("rna,nb,rb->ra", spread, np.abs(kc), qe + 4 * SLOP * qw)
    )
    largest_v = np.abs(vc).max()
    rounding = SLOP * (largest_v * (1 + (p * phi).sum(-1, keepdims=True)) + eta * spread.sum(1))
    err = (reach + p @ (ve + 4 * SLOP * vw) + 4 * rounding) * UP
    columns = symbols.take(count * n)
    matrix = widen(matrix, columns.stop)
    for row in range(count):
        at = slice(columns.start + row * n, columns.start + (row + 1) * n)
        matrix[row, :, at] = eta * (p[row, :, None] * dv[row]).T
    linear = Form(symbols, o + shift, matrix, err)
    e_lin = linear.ellipsoid()
    share = (u / (1 + u)) ** 2
    plain = _weighted(u, p * phi, dv)
    r_u = share[:, None, None] * minkowski([e_lin, r_b, r_v, plain]) * UP
    return linear.with_ball(minkowski([r_b, r_phi, r_v, r_u]))


def _norm(x: Form, rows: slice) -> Floats:
    """Upper bound of ||x - centre||_2 per vector."""
    part = Form(x.symbols, x.centre[rows], x.matrix[rows], x.err[rows])
    square = np.minimum(largest(part.ellipsoid()), (part.radius() ** 2).sum(-1))
    return np.asarray(np.sqrt(square) * UP)


def _weighted(factor: Floats, weights: Floats, dv: Floats) -> Floats:
    """factor * sum_j w_j dv_j dv_j': (r), (r, n), (r, n, d) -> (r, d, d)."""
    summed = np.swapaxes(dv * weights[..., None], -1, -2) @ dv
    return raise_diagonal(factor[:, None, None] * raise_diagonal(summed) * UP)


def _phi_remainder(
    p: Floats, phi: Floats, psi: Floats, u: Floats, dv: Floats, e_z: Floats
) -> tuple[Floats, Floats]:
    """The smallest of three ellipsoids around sum p phi(z) dv, and the shift of the centre."""
    total = (p * phi).sum(-1)
    plain = _weighted(u, p * phi, dv)
    halved = _weighted(total / 4, p * phi, dv)
    inner = np.swapaxes(dv, -1, -2) @ (e_z * e_z) @ dv / 4
    inner = (inner + np.swapaxes(inner, -1, -2)) / 2
    size = (np.sqrt((dv**2).sum(-1)) * np.diagonal(e_z, axis1=-2, axis2=-1)).sum(-1) ** 2
    inner = inner + (2.0**-33 * size)[:, None, None] * np.eye(dv.shape[-1])
    mapped = minkowski([inner * UP, _weighted((p * psi).sum(-1), p * psi, dv)])
    options = np.stack([plain, halved, mapped])
    choice = np.argmin(trace(options), axis=0)
    middle = np.einsum("rn,rna->ra", p * phi, dv) / 2
    chosen = np.take_along_axis(options, choice[None, :, None, None], axis=0)[0]
    return chosen, np.where((choice == 1)[:, None], middle, 0.0)
