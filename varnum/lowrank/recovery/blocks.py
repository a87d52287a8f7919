"""What the features leave of sums over keys: s_B(u) per block of keys, from above.

    s_B(u)^2 = sum_(j, k in B) u_j u_k c_j c_k R(y_j, y_k),   c_j = e^(l_j)

for every value column u and for u = 1. The sum over blocks, times sqrt(R(x, x)), bounds what the
features of a query x miss (proofs/recovery.md, theorem). Rounding: lemma 4 there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.floats.arrays import caster, empty, light, namespace
from varnum.floats.rounding import EXP_ULPS, TINY, UNIT, dtype_name, gamma, unit_of
from varnum.lowrank.recovery.features import length, rest, squares

Array = npt.NDArray[Any]
_U = UNIT["float64"]
_ENTRIES = 2**18  # of Gram blocks at a time: they stay in the cache
_SMALL = 0.03
_STEPS = 2 * EXP_ULPS + 32  # roundings of one entry beside its inner products: exp, products, sums


@dataclass(frozen=True)
class Keys:
    """Keys of some blocks, in block order: (blocks * b, .), the last ones may be padding.

    y (n, m); exponents l (n,); weighted features c f(y) (n, r); values (n, d_v + 1), the first
    column 1, padding rows 0.
    """

    y: Any
    exponents: Any
    weighted: Any
    values: Any
    block: int
    top: int

    def sizes(self) -> tuple[Array, Array]:
        """(z, c |f|) (n,) each, from above, see lemma 4; infinite where exp overflows."""
        unit, tiny = unit_of(self.y), TINY[dtype_name(self.y)]
        width, rank = int(self.y.shape[1]), int(self.weighted.shape[1])
        exponents = np.asarray(to_host(self.exponents), dtype=np.float64)
        high, low = squares(self.y, self.top)
        own = np.exp(0.5 * high + exponents) * (1 + 16 * _U * (2 + high + abs(exponents)))  # t
        weight = np.exp(exponents) * (1 + 16 * _U * (2 + abs(exponents)))
        left = np.fmin(np.sqrt(rest(high, low)) * weight, own)  # sqrt of the diagonal of R
        slips = (_STEPS + 2 * abs(exponents)) / np.sqrt(_STEPS)
        entry = gamma(width + 8, unit) * high + unit * slips * slips
        size = (weight + tiny / unit) * length(high, self.top)
        sums = gamma(2 * self.block + 8, unit)
        square = own * own * entry + gamma(rank + 8, unit) * size * size + sums * left * left
        square += 8 * (rank + self.block) * tiny * (1 + own) ** 2
        if not (float(entry.max()) <= _SMALL and sums <= _SMALL):
            square += np.inf  # the linear terms above are not enough
        return 1.05 * np.sqrt(square), size * (1 + 8 * _U)


def block_norms(keys: Keys) -> tuple[Array, Array]:
    """Sums over the blocks of s_B(u), and of sum_j c_j |f(y_j)| |u_j|: (d_v + 1,) each, from above.

    Not a number or infinite where something overflowed.
    """
    xp, b = namespace(keys.y), keys.block
    count, columns = int(keys.y.shape[0]) // b, int(keys.values.shape[1])
    unit, tiny = unit_of(keys.y), TINY[dtype_name(keys.y)]
    z, size = keys.sizes()
    cast = caster(keys.y)
    both = cast(np.stack([z, size]).reshape(2, count, b).transpose(1, 0, 2) * (1 + 4 * unit))
    y, f, u, e = (part.reshape(count, b, -1) for part in
                  (keys.y, keys.weighted, keys.values, keys.exponents))  # fmt: skip
    norms, sizes = np.zeros(columns), np.zeros(columns)
    step = max(1, _ENTRIES // (b * b))
    room = empty((min(step, count), b, b), keys.y)
    for start in range(0, count, step):
        part = slice(start, start + step)
        form = _forms(xp, y[part], f[part], u[part], e[part], room)
        around = xp.matmul(both[part], abs(u[part]))  # (blocks, 2, d_v + 1)
        around = to_host(around).astype(np.float64) * (1 + 2 * gamma(b + 4, unit))
        most = float(abs(u[part]).max())
        lost = 8 * tiny * (b * (1 + most)) ** 2
        square = np.maximum(form, 0.0) + around[:, 0] ** 2 + lost
        norms += np.sqrt(square).sum(0)
        sizes += around[:, 1].sum(0) + b * rank_lost(tiny)
    more = 1 + (8 + 2 * count) * 2 * _U
    return tuple(np.nan_to_num(part * more, nan=np.inf) for part in (norms, sizes))  # type: ignore


def rank_lost(tiny: float) -> float:
    """What underflow may take from a sum of products |f| |u|, per key."""
    return 8 * tiny


def _forms(xp: Any, y: Any, f: Any, u: Any, exponents: Any, room: Any) -> Array:
    """u^T R u per block and column as computed, (blocks, d_v + 1) float64."""
    gram = room[: y.shape[0]]
    xp.matmul(y, y.swapaxes(1, 2), out=gram)
    gram += exponents
    gram += exponents.swapaxes(1, 2)
    xp.exp(gram, out=gram)
    if xp is np:
        gram -= np.matmul(f, f.swapaxes(1, 2))
    else:
        xp.baddbmm(gram, f, f.swapaxes(1, 2), alpha=-1, out=gram)
    product = xp.matmul(gram, u)
    product *= u
    return np.asarray(to_host(product.sum(1)), dtype=np.float64)


def to_host(array: Any) -> Array:
    """As a NumPy array."""
    host = light(array)
    return np.asarray(host if isinstance(host, np.ndarray) else host.cpu())
