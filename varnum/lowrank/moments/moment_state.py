"""Block-causal attention state: sums over the keys seen so far, memory independent of their number.

Keys go in once (`add`), queries of the current scale come out (`attend`) with a certified bound per
row. Works on NumPy arrays and torch tensors, in the dtype of the basis; sums are carried in that
dtype inside a chunk and in float64 across chunks. Proof: proofs/moment-certificate.md.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from time import perf_counter
from types import ModuleType

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import (
    caster,
    contiguous,
    empty,
    light,
    namespace,
    row_squares,
    to_numpy,
)
from varnum.floats.guard import certified, certifying
from varnum.floats.inputs import check_out, check_tokens
from varnum.floats.rounding import EXP_ULPS, TINY, UNIT, dtype_name, gamma, unit_of, up
from varnum.floats.turns import Turns
from varnum.floats.values import ValueRange
from varnum.lowrank.moments.basis import Basis, lost_squares, slack
from varnum.lowrank.moments.moment_bound import FAR, Forms, make_forms, row_errors, tail_table
from varnum.tensor import Tensor, WholeTensor

CHUNK = 8192  # keys per chunk: the rounding of a sum grows with it, the overhead shrinks
QUERIES = 8192  # queries per chunk

_FAR_WEIGHT = 30.0  # F of lemma 7: beyond e^30 or below e^-30 the weights are not trusted
_STEPS = 2.0**8  # roundings in the dtype after the moments, all of terms >= 0: fewer than 100
_FAINT = 1e5  # lemma 7: 2 e^8 (1 + 2 m + 2 * 3 m) <= 1e5 (1 + m): 16 e^8 = 47 696


@dataclass
class Bounds:
    """Certified output error per query in units of each column's range: worst column, (n,)."""

    error: Tensor
    rounding: Tensor  # the part of it that is rounding


class MomentState:
    """Weighted sums of features times values and of features times features, per centre."""

    @certified
    def __init__(self, basis: Basis, value_size: int) -> None:
        count = basis.centres.shape[0]
        self.basis = basis
        self._turns = Turns("MomentState")
        self.unit = unit_of(basis.query_map)
        self.table = light(caster(basis.query_map)(tail_table()))
        self.features = basis.rank
        self.chunk = CHUNK if count == 1 else CHUNK // 2
        self.grams = np.zeros((count, basis.rank, basis.rank))
        self.states = np.zeros((count, basis.rank, value_size))
        self.keys = 0
        self.parts = 0  # chunks so far: sums of float64 numbers
        self.seconds = 0.0  # spent on bounds, not on the output
        self.far_coordinate = 0.0  # max |kappa|
        self.far_inside = 0.0  # max |U^T (k - k0)|
        self.far_beyond = 0.0  # max |kappa beyond its first d2 coordinates|
        self.far_perpendicular = 0.0  # max |perpendicular part of k - k0|
        self.far_key = 0.0  # max |k|
        self.far_weight = 0.0  # largest |exponent| of a weight
        self.values: ValueRange | None = None
        self.slack = slack(basis, self.unit)
        self.tiny = TINY[dtype_name(basis.query_map)]
        self.far_centre = float(_farthest(basis.centres))
        self._safe = 1 + (64 + int(basis.query_map.shape[1])) * self.unit  # roots of d squares
        self._lost = lost_squares(basis, self.unit)
        self._scratch: dict[int, Tensor] = {}
        self._forms: list[Forms] | None = None

    @property
    def xp(self) -> ModuleType:
        """numpy or torch."""
        return namespace(self.basis.query_map)

    def __copy__(self) -> MomentState:
        """A copy goes its own way: it shares no sums."""
        return deepcopy(self)

    @property
    def memory(self) -> int:
        """Numbers held, whatever the number of keys."""
        return int(self.grams.size + self.states.size)

    def add(self, k: Tensor, v: Tensor) -> None:
        """Take in keys (n, d) and values (n, d_v), in the dtype of the basis.

        Cut short in the middle, it refuses whatever comes after.
        """
        self._check("k", k, int(self.basis.key_map.shape[1]))
        self._check("v", v, int(self.states.shape[2]))
        if k.shape[0] != v.shape[0]:
            raise InputError(f"v: {v.shape[0]} tokens, but k has {k.shape[0]}")
        with self._turns.one(), certifying(k):
            self._turns.change()
            self._forms = None
            for start in range(0, k.shape[0], self.chunk):
                self._add_chunk(k[start : start + self.chunk], v[start : start + self.chunk])

    def _check(self, name: str, array: Tensor, width: int) -> None:
        check_tokens(name, array, width, self.basis.query_map)

    def _add_chunk(self, k: Tensor, v: Tensor) -> None:
        basis, xp, size = self.basis, self.xp, self.basis.size
        image = self._room(0, k.shape[0])[: self.features + 2]
        square = row_squares(k)
        xp.matmul(basis.key_map, k.T, out=image[: size + 3])
        image[1 : size + 3] -= basis.key_shift
        features = image[2:]
        _fill_products(size, basis.top, features)
        exponents = image[1:2]  # q0.(k - k0)/sigma
        if len(self.grams) > 1:
            exponents = exponents + basis.centres @ features[1 : 1 + size]  # (J, n)
        weights = xp.exp(exponents)
        weighted = self._room(1, k.shape[0])[: self.features]
        turned = features.T if len(weights) == 1 else contiguous(features.T)  # faster, if reused
        for c in range(len(weights)):
            xp.multiply(features, weights[c], out=weighted)
            began = perf_counter()
            self.grams[c] += to_numpy(weighted @ turned)
            self.seconds += perf_counter() - began
            self.states[c] += to_numpy(weighted @ v)
        self.keys += int(k.shape[0])
        self.parts += 1
        began = perf_counter()
        self.values = ValueRange.of(v) if self.values is None else self.values.including(v)
        self._note_keys(features[1 : 1 + size], square, image[0], exponents)
        self.seconds += perf_counter() - began

    def _room(self, which: int, n: int) -> Tensor:
        """Scratch rows (F + 2, n), reused between chunks."""
        if which not in self._scratch or self._scratch[which].shape[1] < n:
            shape = (self.features + 2, max(n, self.chunk))
            self._scratch[which] = empty(shape, self.basis.query_map)
        return self._scratch[which][:, :n]

    def _note_keys(self, kappa: Tensor, square: Tensor, along: Tensor, exponents: Tensor) -> None:
        basis, safe, lost = self.basis, self._safe, self._lost
        inside, near, beyond = light(basis.key_squares @ (kappa * kappa))
        square, along = light(square), light(along)
        self.far_key = _larger(self.far_key, (float(square.max()) + lost) ** 0.5 * safe)
        room = self._square_error(self.far_key + basis.norm_k0)
        outside = float((square - 2 * along - inside).max()) + basis.norm_k0**2 + room
        outside = _larger(0.0, outside) ** 0.5 * safe
        self.far_perpendicular = _larger(self.far_perpendicular, outside)
        self.far_coordinate = _larger(self.far_coordinate, (float(near.max()) + lost) ** 0.5 * safe)
        self.far_inside = _larger(self.far_inside, (float(inside.max()) + lost) ** 0.5 * safe)
        self.far_beyond = _larger(self.far_beyond, (float(beyond.max()) + lost) ** 0.5 * safe)
        exponents = light(exponents)
        self.far_weight = _larger(self.far_weight, float(exponents.max()))
        self.far_weight = _larger(self.far_weight, -float(exponents.min()))

    def _square_error(self, far: float) -> float:
        """Rounding of a squared perpendicular norm, |token| + |origin| <= far; lemmas 4 and 7."""
        square = far * far
        return self.slack * square + self._lost if 16 * square * self.tiny < 1 else math.inf

    def forms(self) -> list[Forms]:
        """Coefficients for the keys seen so far, one per centre."""
        if self._forms is None:
            cast = caster(self.basis.query_map)
            terms = min(self.keys, self.chunk) + self.parts * UNIT["float64"] / self.unit
            self._forms = [
                make_forms(*of, self.basis.size, self.basis.top, terms, self.unit, cast)
                for of in zip(self.grams, self.states, strict=True)
            ]
        return self._forms

    def attend(self, q: Tensor, out: Tensor) -> Bounds:
        """Write attention of q (n, d) over all keys added so far into out (n, d_v).

        Where the bound is infinite or not a number, that row of `out` means nothing.
        """
        if self.values is None:
            raise InputError("MomentState: keys come first; call add")
        self._check("q", q, int(self.basis.key_map.shape[1]))
        size = (int(q.shape[0]), int(self.states.shape[2]))
        out = check_out(out, size, self.basis.query_map, q)
        with self._turns.one(), certifying(q):
            ratio = self.values.ratio
            step = QUERIES if len(self.grams) == 1 else 2 * QUERIES  # each centre takes a part
            parts = [
                self._attend_chunk(q[s : s + step], out[s : s + step], ratio)
                for s in range(0, q.shape[0], step)
            ]
        self.values.mend(out)
        if len(parts) == 1:
            return parts[0]
        join = np.concatenate if isinstance(parts[0].error, np.ndarray) else self.xp.cat
        return Bounds(join([p.error for p in parts]), join([p.rounding for p in parts]))

    def _attend_chunk(self, q: Tensor, out: Tensor, ratio: float) -> Bounds:
        basis, xp, size = self.basis, self.xp, self.basis.size
        image = self._room(0, q.shape[0])[: self.features + 1]
        square = row_squares(q)
        xp.matmul(basis.query_map, q.T, out=image[: size + 2])
        image[1 : size + 2] -= basis.query_shift
        features = image[1:]
        chi = features[1 : 1 + size]
        squares = basis.query_squares @ (chi * chi)
        began = perf_counter()
        zeta = self._logit_errors(squares[0], square, image[0])
        self.seconds += perf_counter() - began
        if len(self.grams) == 1:
            error, slip = self._one_centre(0, features, squares, out, None)
        else:
            error, slip = self._many_centres(chi, out)
        rounding = slip * (1 + error) * ratio + 4 * self.unit * ratio
        total = (error + zeta * 0.5 + rounding) * (1 + _STEPS * self.unit)
        return Bounds(total, rounding)

    def _many_centres(self, chi: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        xp, centres = self.xp, self.basis.centres
        norm = 0.5 * (centres * centres).sum(1)
        closeness = centres @ chi - norm[:, None]  # (J, n)
        nearest = closeness.max(0) if isinstance(closeness, np.ndarray) else closeness.amax(0)
        # nan stays where no centre is near: closeness may overflow
        error, slip = (light(xp.full_like(chi[0], math.nan)) for _ in range(2))
        for c in range(len(self.grams)):
            rows = xp.where(closeness[c] >= nearest)[0]  # a tie is done twice, both times right
            if len(rows):
                features = self._room(1, len(rows))[: self.features]
                features[0] = 1
                near = features[1 : 1 + len(chi)]
                near[...] = chi[:, rows] - centres[c][:, None]
                squares = self.basis.query_squares @ (near * near)
                where = light(rows)
                error[where], slip[where] = self._one_centre(c, features, squares, out, rows)
        return error, slip

    def _one_centre(
        self, c: int, features: Tensor, squares: Tensor, out: Tensor, rows: WholeTensor | None
    ) -> tuple[Tensor, Tensor]:
        xp, forms, basis, values = self.xp, self.forms()[c], self.basis, self.values
        assert values is not None
        _fill_products(basis.size, basis.top, features)
        below = forms.line @ features
        scaled = features / below
        if rows is None:
            xp.matmul(scaled.T, forms.state, out=out)
        else:
            out[rows] = scaled.T @ forms.state
        began = perf_counter()
        far = (self.far_coordinate * self._safe, self.far_beyond * self._safe)
        lost = self.tiny * math.exp(min(self.far_weight, _FAR_WEIGHT))  # over the mass (lemma 7)
        cap = (light(squares[0]) + self._lost) ** 0.5 * (self.far_inside * self._safe / basis.sigma)
        squares = squares[1:]
        error, slip = row_errors(forms, features, below, squares, far, lost, self.table, cap)
        faint = _FAINT * basis.rank * lost * (1 / values.least + values.ratio)
        error += (1 + light(squares)[0]) * faint
        self.seconds += perf_counter() - began
        return error, slip

    def _logit_errors(self, inside: Tensor, square: Tensor, along: Tensor) -> Tensor:
        """zeta (n,): |logit - row term - log weight - chi.kappa| for every key, from above.

        All (n,): inside |U^T (q - q0)|^2, square |q|^2, along q.q0.
        """
        basis, unit = self.basis, self.unit
        inside, square, along = light(inside), light(square), light(along)
        far = (float(square.max()) + self._lost) ** 0.5 * self._safe + basis.norm_q0
        outside = square - 2 * along - inside + (basis.norm_q0**2 + self._square_error(far))
        weight = up(2 * EXP_ULPS * unit + 4 * unit * (1 + FAR + self.far_weight))
        weight += 2 * gamma(basis.size + 4, unit) * self.far_centre * self.far_coordinate
        if not self.far_weight < _FAR_WEIGHT:
            weight = math.inf
        reach = (self.far_key + basis.norm_k0) / basis.sigma
        rest = far * (2 * self.slack * reach) + weight
        xp = np if isinstance(outside, np.ndarray) else self.xp
        return xp.sqrt(outside.clip(0)) * (self.far_perpendicular / basis.sigma) + rest


def _fill_products(size: int, top: int, features: Tensor) -> None:
    """Rows after the linear ones: products of the first d2 coordinates, x_j x_i for i <= j."""
    host = light(features)
    multiply, x, start = namespace(host).multiply, host[1 : 1 + top], 1 + size
    for j in range(top):
        multiply(x[j : j + 1], x[: j + 1], out=host[start : start + j + 1])
        start += j + 1


def _farthest(centres: Tensor) -> Tensor:
    """Largest row norm (a Frobenius norm would do as well)."""
    with np.errstate(over="ignore"):
        return (centres * centres).sum(1).max() ** 0.5


def _larger(old: float, new: float) -> float:
    """The larger one; infinite if `new` is not a number (max() would drop it)."""
    return max(old, new) if new == new else float("inf")
