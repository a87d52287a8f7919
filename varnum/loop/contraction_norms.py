"""Norms |S^-1 x| in which a Jacobian contracts: candidates from floats, inverses in balls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from varnum.balls import namespace as xp
from varnum.balls.array import BallArray
from varnum.balls.scalar import arb
from varnum.balls.spectrum import inverse
from varnum.loop.kantorovich import norm_of
from varnum.loop.net import Floats

_SMALL = 16


@dataclass(frozen=True)
class Norm:
    """|x| = |S^-1 x|, Euclidean or maximum; S exact, `inverse` encloses S^-1.

    name: "Euclidean", "Lyapunov", "maximum" or "eigenvectors".
    """

    name: str
    euclidean: bool
    S: BallArray
    inverse: BallArray

    def of(self, x: BallArray) -> arb:
        """A number not below the norm of every vector in x (n)."""
        y = self.inverse @ x
        if self.euclidean:
            return xp.sqrt(xp.sum(y**2)).item().upper()
        return xp.max(abs(y)).item().upper()

    def of_matrix(self, M: BallArray) -> arb:
        """A number not below the induced norm, for M in these coordinates (S^-1 M S)."""
        if self.euclidean:
            return norm_of(M)
        return xp.max(xp.sum(abs(M), axis=1)).item().upper()

    def per_entry(self) -> arb:
        """A number c with |x| <= c max|x_i|: the ball of radius r holds the cube of radius r/c."""
        rows = xp.sum(abs(self.inverse), axis=1)
        if not self.euclidean:
            return xp.max(rows).item().upper()
        cube = xp.sqrt(xp.sum(rows**2)).item().upper()
        return cube.min((norm_of(self.inverse) * arb(self.S.shape[0]).sqrt()).upper())

    def per_length(self) -> arb:
        """A number c with |x| <= c |x|_2."""
        if self.euclidean:
            return norm_of(self.inverse)
        squares = xp.sqrt(xp.sum(self.inverse**2, axis=1))
        return xp.max(squares).item().upper()

    def largest_entry(self) -> arb:
        """A number c with max|x_i| <= c |x|."""
        if self.euclidean:
            return xp.max(xp.sqrt(xp.sum(self.S**2, axis=1))).item().upper()
        return xp.max(xp.sum(abs(self.S), axis=1)).item().upper()


def candidates(J: Floats) -> Iterator[Norm]:
    """Norms to try for a float Jacobian (n, n), the plain ones first.

    The interval Jacobian of the maximum norms is left out for n > 16, where it is slow and weak.
    """
    n = len(J)
    eye = BallArray(np.eye(n))
    yield Norm("Euclidean", True, eye, eye)
    if n <= _SMALL:
        yield Norm("maximum", False, eye, eye)
    radius = float(np.abs(np.linalg.eigvals(J)).max())
    if not radius < 1:
        return
    contracts = np.linalg.norm(J, 2) < 1
    for share in (0.5,) if contracts else (0.25, 0.5, 0.75):
        if (S := lyapunov(J, radius + share * (1 - radius))) is not None:
            yield from _made("Lyapunov", True, S)
    if n <= _SMALL or not contracts:
        yield from _made("eigenvectors", False, real_eigenvectors(J))


def _made(name: str, euclidean: bool, S: Floats) -> Iterator[Norm]:
    if np.isfinite(S).all():
        exact = BallArray(S)
        enclosed = inverse(exact)
        if enclosed is not None:
            yield Norm(name, euclidean, exact, enclosed)


def lyapunov(J: Floats, rate: float) -> Floats | None:
    """P^-1/2 for J^T P J / rate^2 - P = -I, by doubling the series; scaled to norm 1; float64."""
    A, P = J / rate, np.eye(len(J))
    with np.errstate(all="ignore"):
        for _ in range(60):
            P, A = P + A.T @ P @ A, A @ A
            if not np.isfinite(P).all():
                return None
            if np.abs(A).max() < 1e-30:
                break
        values, vectors = np.linalg.eigh((P + P.T) / 2)
        if not (values > 0).all():
            return None
        S: Floats = vectors / np.sqrt(values / values[0]) @ vectors.T
    return S


def real_eigenvectors(J: Floats) -> Floats:
    """Columns: real eigenvectors, and real and imaginary parts of complex ones; float64."""
    values, vectors = np.linalg.eig(J)
    columns = []
    for value, vector in zip(values, vectors.T, strict=True):
        if value.imag == 0:
            columns.append(vector.real)
        elif value.imag > 0:
            columns += [vector.real, vector.imag]
    return np.array(columns).T
