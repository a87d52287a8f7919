"""Spectral norms, verified: squares of squares, their rounding carried along."""

from __future__ import annotations

from varnum.floats.rounding import gamma
from varnum.model.backend import namespace
from varnum.propagate.ensemble.engine import square_sum
from varnum.tensor import DoubleTensor

_SQUARINGS = 5
_TINY = 1e-150
_U = 2.0**-53


def largest_eigenvalue(gram: DoubleTensor) -> DoubleTensor:
    """Upper bound of the spectral norm of (..., n, n), any matrix; inf where there is none.

    |P|^2 = |P P'| <= |fl(P P')| + gamma_n |P|_F^2, so fl(P P')/t takes the place of P, and the last
    one is bounded by its Frobenius norm: above |G| by n^(1/64) at most. Claim ensemble-norms.
    """
    xp, size = namespace(gram), gram.shape[-1]
    lost, up = gamma(size + 8), 1 + 2 * gamma(size * size + 16)
    trace = xp.linalg.trace(gram)
    scale = xp.where(trace > _TINY, trace, _TINY)
    power = gram / scale[..., None, None]
    frobenius = xp.sqrt(square_sum(_flat(power))) * up
    kept = []
    for _ in range(_SQUARINGS):
        power = xp.matmul(power, power.mT)
        trace = xp.linalg.trace(power)
        trace = xp.where(trace > 1e-290, trace, 1e-290)
        power = power / trace[..., None, None]
        kept.append((frobenius, trace))
        frobenius = xp.sqrt(square_sum(_flat(power))) * up
    bound = frobenius
    for before, trace in reversed(kept):
        above = trace * (bound + 2 * _U * frobenius) + lost * before * before
        bound, frobenius = xp.sqrt(above * up + 1e-280), before
    top = scale * (bound + 2 * _U * frobenius) * up + _TINY
    return xp.where(xp.isfinite(top), top, float("inf"))


def _flat(x: DoubleTensor) -> DoubleTensor:
    return x.reshape((*x.shape[:-2], -1))
