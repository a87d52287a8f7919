"""Affine forms with box and ball symbols, in float64 with every rounding error accounted for.

A form is x = c + G w + e: c and G are float64 (exact numbers), w the noise, |e| <= err entrywise.
Columns of G come in groups: a box symbol (one column, |w| <= 1) or a ball group (m columns,
||w||_2 <= 1). The proof that every bound here is an upper bound is in proofs/affine.md.

Rounding: a contraction of length n <= LONGEST and a few operations more are off by at most SLOP
times the same contraction of absolute values (LONGEST 2^-53 = 2^-41); a sum of nonnegative numbers,
of any length met here (< 2^17), is made an upper bound by the factor UP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

LONGEST = 4096  # terms of a contraction
SLOP = 2.0**-40
UP = 1 + 2.0**-32
TINY = 1e-100  # squares below 1e-308 vanish; what they stood for is far below this


@dataclass
class Symbols:
    """The noise symbols handed out so far: runs of groups of equal size (start, stop, size)."""

    runs: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Columns so far."""
        return self.runs[-1][1] if self.runs else 0

    def take(self, groups: int, size: int = 1) -> slice:
        """Columns of `groups` fresh groups of `size` symbols each."""
        start = self.count
        stop = start + groups * size
        if stop >= 2**17:
            raise ArithmeticError("too many symbols for the rounding constants")
        self.runs.append((start, stop, size))
        return slice(start, stop)

    def squares(self, matrix: Floats) -> list[Floats]:
        """Per run: sum of squares within each group, shape (..., groups)."""
        found = []
        for start, stop, size in self.runs:
            if start >= matrix.shape[-1]:
                break
            part = matrix[..., start:stop]
            if size == 1:
                found.append(part * part)
            else:
                part = part.reshape(*part.shape[:-1], -1, size)
                found.append(np.einsum("...gm,...gm->...g", part, part))
        return found

    def radius(self, matrix: Floats) -> Floats:
        """Upper bound of |G w| per row: sum over groups of the row's norms, (..., S) -> (...)."""
        total = np.zeros(matrix.shape[:-1])
        for start, stop, size in self.runs:
            if start >= matrix.shape[-1]:
                break
            part = matrix[..., start:stop]
            if size == 1:
                total += np.abs(part).sum(-1)
            else:
                part = part.reshape(*part.shape[:-1], -1, size)
                total += np.sqrt(np.einsum("...gm,...gm->...g", part, part)).sum(-1)
        return np.where(total == 0, 0.0, total * UP + TINY)  # NaN stays NaN

    def ellipsoid(self, matrix: Floats) -> Floats:
        """E with (u.Gw)^2 <= u'Eu for every u: (..., n, S) -> (..., n, n).

        E = (sum t) sum_g G_g G_g'/t_g, for any t > 0; t_g = ||G_g||_F has the smallest trace.
        """
        squares = self.squares(matrix)
        t = [np.sqrt(s.sum(-2)) for s in squares]  # (..., groups) per run
        if not t:
            return np.zeros((*matrix.shape[:-1], matrix.shape[-2]))
        total = np.asarray(sum(part.sum(-1) for part in t))
        inverse = [
            np.repeat(np.divide(1.0, part, out=np.zeros_like(part), where=part > 0), size, axis=-1)
            for part, (_, _, size) in zip(t, self.runs, strict=False)
        ]
        scaled = matrix * np.concatenate(inverse, axis=-1)[..., None, :]
        product = total[..., None, None] * (scaled @ np.swapaxes(matrix, -1, -2))
        return raise_diagonal((product + np.swapaxes(product, -1, -2)) / 2)


def raise_diagonal(matrix: Floats) -> Floats:
    """A positive semidefinite matrix plus what its rounding errors could hide.

    Entries of the error are at most a small multiple of sqrt(E_aa E_bb), a matrix of norm tr E.
    """
    trace = np.trace(matrix, axis1=-2, axis2=-1)
    return np.asarray(
        matrix + (2.0**-33 * trace + TINY)[..., None, None] * np.eye(matrix.shape[-1])
    )


def trace(matrix: Floats) -> Floats:
    """tr, (..., n, n) -> (...)."""
    found: Floats = np.trace(matrix, axis1=-2, axis2=-1)
    return found


def minkowski(parts: Sequence[Floats]) -> Floats:
    """An ellipsoid around the sum of ellipsoids: sum_i R_i (sum_k sqrt tr R_k)/sqrt(tr R_i)."""
    roots = [np.sqrt(trace(part)) + TINY for part in parts]
    total = sum(roots)
    summed = sum(
        part * (total / root)[..., None, None] for part, root in zip(parts, roots, strict=True)
    )
    return raise_diagonal(np.asarray(summed))


def box(radii: Floats) -> Floats:
    """An ellipsoid around the box |x_i| <= r_i: (sum r) diag(r)."""
    return raise_diagonal(radii.sum(-1)[..., None, None] * _diagonal(radii))


def _diagonal(values: Floats) -> Floats:
    return np.asarray(values[..., None] * np.eye(values.shape[-1]))


def root(matrix: Floats) -> Floats:
    """S with S S' >= R: Cholesky of R plus its own backward error (gamma_n tr R)."""
    return np.asarray(np.linalg.cholesky(raise_diagonal(matrix)))


def largest(matrix: Floats) -> Floats:
    """Upper bound of the largest eigenvalue, verified: Cholesky of mu I - E must succeed.

    If it runs to its end in floating point, mu I - E >= -gamma_n tr(mu I - E) I.
    """
    size = matrix.shape[-1]
    mu = np.maximum(np.linalg.eigvalsh(matrix)[..., -1], 0) * (1 + 2.0**-30) + 2 * TINY
    np.linalg.cholesky(mu[..., None, None] * np.eye(size) - matrix)  # raises if it is not so
    return np.asarray(mu * (1 + size * 2.0**-33))


@dataclass
class Form:
    """x = centre + matrix w + e, |e| <= err: centre and err (..., n), matrix (..., n, S)."""

    symbols: Symbols
    centre: Floats
    matrix: Floats
    err: Floats

    @classmethod
    def exact(cls, symbols: Symbols, value: Floats) -> Form:
        """A number without noise."""
        value = np.asarray(value, dtype=np.float64)
        return cls(symbols, value, np.zeros((*value.shape, symbols.count)), np.zeros(value.shape))

    def radius(self) -> Floats:
        """Upper bound of |x - centre|, entrywise."""
        return (self.symbols.radius(self.matrix) + self.err) * UP

    def weight(self) -> Floats:
        """sum |columns|: what rounding errors of the columns are measured against."""
        return np.asarray(np.abs(self.matrix).sum(-1) * UP)

    def ellipsoid(self) -> Floats:
        """Ellipsoid of x - centre over the last axis: (..., n) -> (..., n, n)."""
        return minkowski([self.symbols.ellipsoid(self.matrix), box(self.err)])

    def linear(self, weight: Floats, bias: Floats | float = 0.0) -> Form:
        """W x + b over the last axis, W (o, n)."""
        size = np.abs(weight)
        centre = self.centre @ weight.T + bias
        rounding = (np.abs(self.centre) + self.weight()) @ size.T + np.abs(bias)
        err = (self.err @ size.T + SLOP * rounding) * UP
        return Form(self.symbols, centre, weight @ self.matrix, err)

    def scale(self, factor: Floats, shift: Floats | float = 0.0) -> Form:
        """x * factor + shift, entrywise."""
        size = np.abs(factor)
        rounding = size * (np.abs(self.centre) + self.weight()) + np.abs(shift)
        err = (size * self.err + SLOP * rounding) * UP
        matrix = self.matrix * np.broadcast_to(factor, self.centre.shape)[..., None]
        return Form(self.symbols, self.centre * factor + shift, matrix, err)

    def __add__(self, other: Form) -> Form:
        """x + y; the shorter matrix is continued with zeros."""
        matrix = widen(self.matrix, other.matrix.shape[-1]) + widen(
            other.matrix, self.matrix.shape[-1]
        )
        centre = self.centre + other.centre
        size = np.abs(self.centre) + np.abs(other.centre) + self.weight() + other.weight()
        return Form(self.symbols, centre, matrix, (self.err + other.err + SLOP * size) * UP)

    def with_ball(self, ellipsoids: Floats) -> Form:
        """Add a fresh ball group per vector that covers `ellipsoids` (..., n, n) and err."""
        covered = root(minkowski([ellipsoids, box(self.err)]))
        lead, n = self.centre.shape[:-1], self.centre.shape[-1]
        vectors = int(np.prod(lead))
        columns = self.symbols.take(vectors, n)
        matrix = widen(self.matrix, columns.stop).reshape(vectors, n, -1)
        blocks = matrix[:, :, columns].reshape(vectors, n, vectors, n)
        index = np.arange(vectors)
        blocks[index, :, index, :] = covered.reshape(vectors, n, n)
        matrix[:, :, columns] = blocks.reshape(vectors, n, vectors * n)
        matrix = matrix.reshape(*lead, n, -1)
        return Form(self.symbols, self.centre, matrix, np.zeros_like(self.err))


def widen(matrix: Floats, columns: int) -> Floats:
    """The matrix continued with zero columns to at least `columns`."""
    missing = columns - matrix.shape[-1]
    if missing <= 0:
        return matrix
    return np.concatenate([matrix, np.zeros((*matrix.shape[:-1], missing))], axis=-1)
