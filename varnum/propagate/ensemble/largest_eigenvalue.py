"""Largest eigenvalues, verified: a guess by powers, then a Cholesky factor that must exist."""

from __future__ import annotations

import numpy as np

from varnum.floats.rounding import gamma
from varnum.propagate.forms import Floats

_POWERS = 6
_TINY = 1e-150


def largest_eigenvalue(gram: Floats) -> Floats:
    """Upper bound of lambda_max of symmetric nonnegative definite (..., n, n); inf where unproved.

    The guess (tr G^(2^j))^(2^-j) is above it in exact arithmetic. If Cholesky of fl(mu I - G) ends,
    lambda_max(G) <= mu (1 + 2u + n gamma_{n+1}/(1 - gamma_{n+1})) (Rump, Verification methods).
    """
    size = gram.shape[-1]
    scale = np.trace(gram, axis1=-2, axis2=-1)
    scale = np.where(scale > _TINY, scale, _TINY)
    power = gram / scale[..., None, None]
    logs = np.zeros(scale.shape)
    for step in range(1, _POWERS + 1):
        power = power @ power
        trace = np.maximum(np.trace(power, axis1=-2, axis2=-1), 1e-290)
        power = power / trace[..., None, None]
        logs += np.log(trace) / 2.0**step
    mu = scale * np.exp(logs) * (1 + 2.0**-20) + _TINY
    return _verified(gram, mu, size)


def _verified(gram: Floats, mu: Floats, size: int) -> Floats:
    shifted = -gram
    index = np.arange(size)
    shifted[..., index, index] += mu[..., None]
    try:
        np.linalg.cholesky(shifted)  # raises where one of them has none
    except np.linalg.LinAlgError:
        return np.full(mu.shape, np.inf)
    lost = gamma(size + 1)
    top = mu * (1 + 4 * size * lost + 2.0**-40)
    return np.where(np.isfinite(gram).all((-2, -1)) & np.isfinite(mu), top, np.inf)
