"""The best real combination in the largest error over a grid: a linear programme, in float64.

min over n of max_j |r_j + sum_i n_i b_ij|. Nothing here is a guarantee: what comes out is a
candidate whose error is certified elsewhere.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]


def minimax(basis: Array, rest: Array, iterations: int = 300) -> Array:
    """n, shape (k,), for basis (k, N) and rest (N,), by Stiefel's exchange.

    The dual programme has k + 1 grid points with weights y >= 0 and signs such that
    sum y_j sign_j b_j = 0, sum y_j = 1; the point of the largest error enters, and the ratio test
    says which one leaves.
    """
    k, size = basis.shape
    points = np.unique(np.linspace(0, size - 1, k + 1).round().astype(int))
    if len(points) <= k:
        return np.zeros(k)
    null = np.linalg.svd(basis[:, points])[2][-1]
    signs, y = np.sign(null) + (null == 0), np.abs(null) / np.abs(null).sum()
    best, best_error = np.zeros(k), float(np.abs(rest).max())
    for _ in range(iterations):
        columns = np.vstack([signs * basis[:, points], np.ones(k + 1)])
        # sign_j (r_j + n.b_j) = level on the points: n and -level are the multipliers
        try:
            solved = np.linalg.solve(columns.T, -signs * rest[points])
        except np.linalg.LinAlgError:
            break
        n, level = solved[:k], -solved[k]
        error = rest + n @ basis
        new = int(np.argmax(np.abs(error)))
        peak = float(abs(error[new]))
        if peak < best_error:
            best, best_error = n, peak
        if not peak > level * (1 + 1e-9) or new in points:
            break
        sign = 1.0 if error[new] > 0 else -1.0
        direction = np.linalg.solve(columns, np.append(sign * basis[:, new], 1.0))
        ratios = np.full(k + 1, np.inf)
        allowed = direction > 1e-12
        ratios[allowed] = y[allowed] / direction[allowed]
        leaves = int(np.argmin(ratios))
        if not np.isfinite(ratios[leaves]):
            break
        y = np.maximum(y - ratios[leaves] * direction, 0)
        y[leaves] = ratios[leaves]
        points[leaves], signs[leaves] = new, sign
    return best


def near_integers(basis: Array, centre: Array, width: int = 512) -> npt.NDArray[np.float64]:
    """Integer vectors (m, k) near `centre` in the Euclidean norm of basis^T n, nearest first.

    A beam search from the last coordinate of the triangular form to the first (Babai's rounding is
    its first branch).
    """
    k = len(centre)
    triangle = np.linalg.qr(basis.T).R
    found, cost = np.zeros((1, 0)), np.zeros(1)
    for i in reversed(range(k)):
        pull = (found - centre[i + 1 :]) @ triangle[i, i + 1 :] / triangle[i, i]
        middle = centre[i] - pull
        steps = np.array([0.0, 1.0, -1.0, 2.0, -2.0])
        choices = np.rint(middle)[:, None] + steps
        added = cost[:, None] + ((choices - middle[:, None]) * triangle[i, i]) ** 2
        order = np.argsort(added, axis=None, kind="stable")[:width]
        rows, cols = np.unravel_index(order, added.shape)
        found = np.hstack([choices[rows, cols][:, None], found[rows]])
        cost = added[rows, cols]
    return found


class Moves:
    """Steps by +-b_i and +-b_i +-b_j, and what they change on the grid."""

    def __init__(self, basis: Array) -> None:
        k = len(basis)
        unit = np.eye(k)
        pairs = [unit[i] + s * unit[j] for i in range(k) for j in range(i) for s in (1, -1)]
        half = np.vstack([unit, *(p[None] for p in pairs)])
        self.steps = np.vstack([half, -half])
        self.change = self.steps @ basis
        self.room = np.empty_like(self.change)

    def descend(self, error: Array, most: int = 40) -> tuple[list[int], Array]:
        """Take the best step while the largest error falls: (integers, error)."""
        total = np.zeros(self.steps.shape[1])
        for _ in range(most):
            np.add(error, self.change, out=self.room)
            np.abs(self.room, out=self.room)
            peaks = self.room.max(axis=1)
            best = int(np.argmin(peaks))
            if not peaks[best] < np.abs(error).max():
                break
            error, total = error + self.change[best], total + self.steps[best]
        return [int(t) for t in total], error
