"""What the features leave of sums over keys: s_B(u) per block of keys, from above.

    s_B(u)^2 = sum_(j, k in B) u_j u_k c_j c_k R(y_j, y_k),   c_j = e^(l_j)

for every value column u and for u = 1. The sum over blocks, times sqrt(R(x, x)), bounds what the
features of a query x miss (proofs/recovery.md, theorem). Rounding: lemma 4 there.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from varnum.floats.arrays import caster, empty, light, namespace, to_numpy
from varnum.floats.rounding import EXP_ULPS, TINY, UNIT, dtype_name, gamma, unit_of
from varnum.lowrank.recovery.recovery_features import Tops, length, rest, squares
from varnum.tensor import Array, Tensor

_U = UNIT["float64"]
SUM = 512  # keys whose products are summed in the working dtype; float64 from there on
SIDE = 128  # of the largest Gram matrix, likewise: of larger blocks half of them is enough
_ENTRIES = 2**18  # of Gram blocks at a time: they stay in the cache
_SMALL = 0.03
_STEPS = 2 * EXP_ULPS + 48  # roundings of one entry beside its inner products: exp, products, sums


@dataclass(frozen=True)
class Keys:
    """Keys of some blocks, in block order: (blocks * b, .), the last ones may be padding.

    y (n, m); exponents l (n,); weighted features c f(y) (n, r); values (n, d_v + 1), the first
    column 1, padding rows 0. sharp: E - F F^T is formed entry by entry, otherwise its form is the
    difference of u^T E u and |F^T u|^2.
    """

    y: Tensor
    exponents: Tensor
    weighted: Tensor
    values: Tensor
    block: int
    tops: Tops
    sharp: bool = True

    def sizes(self) -> tuple[Array, Array, float]:
        """(z, c |f|) (n,) each and max |y|^2, from above, see lemma 4; infinite for overflow."""
        unit, tiny = unit_of(self.y), TINY[dtype_name(self.y)]
        width, rank = int(self.y.shape[1]), int(self.weighted.shape[1])
        exponents = np.asarray(to_host(self.exponents), dtype=np.float64)
        high, lows = squares(self.y, self.tops)
        own = np.exp(0.5 * high + exponents) * (1 + 16 * _U * (2 + high + abs(exponents)))  # t
        weight = np.exp(exponents) * (1 + 16 * _U * (2 + abs(exponents)))
        left = np.fmin(np.sqrt(rest(high, lows)) * weight, own)  # sqrt of the diagonal of R
        slips = (_STEPS + 2 * abs(exponents)) / np.sqrt(_STEPS)
        entry = gamma(width + 8, unit) * high + unit * slips * slips
        size = (weight + tiny / unit) * length(high, self.tops)
        sums = gamma(2 * min(self.block, SIDE) + 8, unit)
        if self.sharp:
            square = own * own * entry + gamma(rank + 8, unit) * size * size + sums * left * left
        else:  # E and F apart: their sums are larger than the difference
            apart = 2 * gamma(min(self.block, SUM) + 24, unit)
            square = own * own * (entry + sums) + apart * size * size
        square += 8 * (rank + self.block) * tiny * (1 + own) ** 2
        if not (float(entry.max()) <= _SMALL and sums <= _SMALL):
            square += np.inf  # the linear terms above are not enough
        return 1.05 * np.sqrt(square), size * (1 + 8 * _U), float(high.max())


def block_norms(keys: Keys) -> tuple[Array, Array, Array, float, float]:
    """Sums over the blocks of s_B(u), and of sum_j c_j |f(y_j)| |u_j|: (d_v + 1,) each, from above.

    Not a number or infinite where something overflowed. And sum_j c_j f(y_j) u_j (rank, d_v + 1),
    max |y|^2 from above and max |u|.
    """
    xp, b = namespace(keys.y), keys.block
    count, columns = int(keys.y.shape[0]) // b, int(keys.values.shape[1])
    unit, tiny = unit_of(keys.y), TINY[dtype_name(keys.y)]
    z, size, farthest = keys.sizes()
    cast = caster(keys.y)
    both = cast(np.stack([z, size]).reshape(2, count, b).transpose(1, 0, 2) * (1 + 4 * unit))
    y, f, u, e = (part.reshape(count, b, -1) for part in
                  (keys.y, keys.weighted, keys.values, keys.exponents))  # fmt: skip
    norms, sizes = np.zeros(columns), np.zeros(columns)
    state: Array = np.zeros((int(keys.weighted.shape[1]), columns))
    side = min(b, SIDE)
    step, largest = max(1, _ENTRIES // (side * side)), 0.0
    room = empty((min(step, count), side, side), keys.y)
    for start in range(0, count, step):
        part = slice(start, start + step)
        form = _forms(xp, y[part], f[part] if keys.sharp else None, u[part], e[part], room)
        if not keys.sharp:
            form -= _squares(xp, f[part], u[part], state)
        sizes_u = abs(u[part])
        around = xp.matmul(both[part], sizes_u)  # (blocks, 2, d_v + 1)
        around = to_host(around).astype(np.float64) * (1 + 2 * gamma(b + 4, unit))
        most = float(light(sizes_u).max())
        largest = max(largest, most) if most == most else most
        whole = b * (1 + most)
        lost = 8 * tiny * whole * whole  # a float's power would raise where this is infinite
        square = np.maximum(form, 0.0) + around[:, 0] ** 2 + lost
        norms += np.sqrt(square).sum(0)
        sizes += around[:, 1].sum(0) + b * rank_lost(tiny)
    if keys.sharp:
        state = products(keys.weighted, keys.values)
    more = 1 + (8 + 2 * count) * 2 * _U
    norms, sizes = (np.nan_to_num(part * more, nan=np.inf) for part in (norms, sizes))
    return norms, sizes, state, farthest, largest


def products(weighted: Tensor, values: Tensor) -> Array:
    """sum_j f_j u_j^T (rank, d_v + 1): at most SUM keys at a time in the working dtype."""
    total = np.zeros((int(weighted.shape[1]), int(values.shape[1])))
    for start in range(0, int(values.shape[0]), SUM):
        part = slice(start, start + SUM)
        total += to_host(weighted[part].T @ values[part])
    return total


def _squares(xp: ModuleType, f: Tensor, u: Tensor, state: Array) -> Array:
    """|F_B^T u|^2 per block and column (blocks, d_v + 1); adds F_B^T u to the state."""
    total: Array = np.zeros(())
    for start in range(0, int(f.shape[1]), SUM):
        part = slice(start, start + SUM)
        total = total + to_host(xp.matmul(f[:, part].swapaxes(1, 2), u[:, part])).astype(np.float64)
    state += total.sum(0)
    return np.asarray(np.square(total).sum(1))


def rank_lost(tiny: float) -> float:
    """What underflow may take from a sum of products |f| |u|, per key."""
    return 8 * tiny


def _forms(
    xp: ModuleType, y: Tensor, f: Tensor | None, u: Tensor, exponents: Tensor, room: Tensor
) -> Array:
    """u^T (E - F F^T) u per block and column as computed, (blocks, d_v + 1); without F: u^T E u.

    E_jk = exp(y_j.y_k + l_j + l_k); its square parts above the diagonal count twice.
    """
    count, b = int(y.shape[0]), int(y.shape[1])
    sides = [slice(i, min(i + SIDE, b)) for i in range(0, b, SIDE)]
    total = np.zeros((count, int(u.shape[2])))
    for i, rows in enumerate(sides):
        for j, columns in enumerate(sides[i:], start=i):
            gram = room[:count, : rows.stop - rows.start, : columns.stop - columns.start]
            xp.matmul(y[:, rows], y[:, columns].swapaxes(1, 2), out=gram)
            gram += exponents[:, rows]
            gram += exponents[:, columns].swapaxes(1, 2)
            xp.exp(gram, out=gram)
            if f is not None and xp is np:
                gram -= np.matmul(f[:, rows], f[:, columns].swapaxes(1, 2))
            elif f is not None:
                across = f[:, columns].swapaxes(1, 2)
                xp.baddbmm(gram, f[:, rows], across, alpha=-1, out=gram)
            product = xp.matmul(gram, u[:, columns])
            product *= u[:, rows]
            found = np.asarray(to_host(product.sum(1)), dtype=np.float64)
            total += found if i == j else 2 * found
    return total


def to_host(array: Tensor) -> Array:
    """As a NumPy array."""
    return np.asarray(to_numpy(light(array)))
