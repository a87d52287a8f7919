"""Attention over some rows kept and the others merged, with a bound per row (claim merge-error).

The merged output weighs cluster c like one key, its mean, n_c times: w_c = n_c e^(q.mu_c). With x =
q.(k - mu) of the cluster's keys, out - merged = sum_j e^(q.mu_c) (e^x_j - 1)(v_j - merged)/Z, and
Z >= sum of the weights by Jensen. Per value column
  |out - merged| <= max(up, down) + sum_c w_c sqrt(s2) psi0(a) sd_c(v) / sum w,
up = A/(sum w + A/R), A = sum_c w_c B_c (v_c - merged)_+, R the largest such difference, down alike,
B = jensen_excess(a, s2), s2 >= mean square of x, a >= max x, sd the deviation of the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from varnum.errors import InputError
from varnum.floats.guard import certified
from varnum.floats.inputs import tokens
from varnum.floats.rounding import EXP_ULPS, UNIT, gamma, up, up_each
from varnum.lowrank.clusters.jensen_excess import FAR, jensen_excess, psi0
from varnum.lowrank.clusters.moments import Moments, norm
from varnum.lowrank.clusters.reading import Reading
from varnum.tensor import Array, Doubles, Mask, Whole

U = UNIT["float64"]
KEPT = -1  # label of rows that stay as they are
LARGEST_LOGIT = 1e6
LARGEST_ENTRY = 1e100
LEAST_WEIGHT = 1e-300  # for weights that underflow: above n 2^-1022 for any n here
LEAST_RANGE = 1e-140  # squares of differences within a column of less range underflow
_BLOCK = 512  # queries at a time


@dataclass(frozen=True)
class Attended:
    """output (L_q, d_v) float64; error (L_q, d_v) bounds |output - exact| in each column.

    mass (L_q, 2): lower and upper bound of the share of the softmax that the merged rows hold.
    dropped (L_q, d_v) and dropped_error: the output without the merged rows, and its bound. range
    (d_v,): largest minus smallest value of each column; 0 for a constant one.
    """

    output: Doubles
    error: Doubles
    mass: Doubles
    dropped: Doubles
    dropped_error: Doubles
    range: Doubles

    @cached_property
    def bound(self) -> Doubles:
        """(L_q,) largest error over the columns' ranges; constant columns do not count."""
        return over_range(self.error, self.range)

    @cached_property
    def dropped_bound(self) -> Doubles:
        """(L_q,) the same where the merged rows are dropped."""
        return over_range(self.dropped_error, self.range)


def over_range(error: Doubles, spread: Doubles) -> Doubles:
    """(L_q,) max over columns with spread > 0 of error/spread, rounded up, at most 1."""
    wide = spread > 0
    if not wide.any():
        return np.zeros(len(error))
    largest: Doubles = np.minimum((error[:, wide] / spread[wide]).max(1) * (1 + 8 * U), 1.0)
    return largest


class Clusters:
    """Keys and values: rows labelled KEPT as they are, the others as C cluster summaries.

    `Clusters.of(k, v, labels, sigma=..)`, then `attend(q) -> Attended`. `add` takes more rows: the
    sums add up, so parts or all at once differ by counted rounding only; bounds hold for any
    queries.
    """

    def __init__(self, m: Doubles, w: Doubles, sigma: float) -> None:
        if not 0 < sigma < np.inf:
            raise InputError(f"sigma: {sigma:g} is not allowed; a positive number")
        self.sigma = float(sigma)
        self.moments = Moments.empty(m, w)
        self.k = np.zeros((0, m.shape[1]))
        self.v = np.zeros((0, w.shape[1]))
        self._low = np.full(w.shape[1], np.inf)
        self._high = -self._low

    @classmethod
    def between(
        cls, centres: Sequence[tuple[Doubles, Doubles]], d: int, d_v: int, sigma: float
    ) -> Clusters:
        """No rows yet, clusters about the given references ((d,), (d_v,)): sums are about these."""
        m = np.array([key for key, _ in centres]).reshape(-1, d)
        w = np.array([value for _, value in centres]).reshape(-1, d_v)
        return cls(m, w, sigma)

    @classmethod
    @certified
    def of(cls, k: Array, v: Array, labels: Whole, *, sigma: float) -> Clusters:
        """From keys (n, d), values (n, d_v), labels (n,): KEPT or 0 .. C-1; sigma divides logits.

        The references are the clusters' means. Raises InputError.
        """
        k, v, labels = _rows(k, v, labels)
        clusters = int(labels.max()) + 1 if len(labels) else 0
        m, w = np.zeros((clusters, k.shape[1])), np.zeros((clusters, v.shape[1]))
        for c in range(clusters):
            if (labels == c).any():
                m[c], w[c] = k[labels == c].mean(0), v[labels == c].mean(0)
        made = cls(m, w, sigma)
        made.add(k, v, labels)
        return made

    @certified
    def add(self, k: Array, v: Array, labels: Whole) -> None:
        """More rows, kept or into clusters that exist; where it raises InputError none is added."""
        k, v, labels = _rows(k, v, labels)
        if k.shape[1] != self.k.shape[1] or v.shape[1] != self.v.shape[1]:
            raise InputError(f"k, v: widths {k.shape[1]}, {v.shape[1]} differ from the first rows'")
        clusters = len(self.moments.n)
        if len(labels) and int(labels.max()) >= clusters:
            raise InputError(f"labels: {int(labels.max())} names none of {clusters} clusters")
        kept = labels == KEPT
        self.k = np.concatenate([self.k, k[kept]])
        self.v = np.concatenate([self.v, v[kept]])
        self.moments.add(k[~kept], v[~kept], labels[~kept])
        self._low = np.minimum(self._low, v.min(0))
        self._high = np.maximum(self._high, v.max(0))

    @property
    def count(self) -> int:
        """Rows in all."""
        return len(self.k) + int(self.moments.n.sum())

    @certified
    def attend(
        self, q: Array, *, more: tuple[Array, Array] | None = None, mask: Mask | None = None
    ) -> Attended:
        """Outputs for queries (L_q, d) over all rows, with bounds; see `Attended`.

        more: keys and values (l, d), (l, d_v) that are seen as they are but not stored, such as the
        queries' own scale; mask (L_q, l): which of those each query sees. Raises InputError.
        """
        q = _tokens(q, "q")
        if q.shape[1] != self.k.shape[1]:
            raise InputError(f"q: head dimension {q.shape[1]}, but k has {self.k.shape[1]}")
        k, v, low, high = self.k, self.v, self._low, self._high
        seen = np.ones((len(q), len(k)), dtype=bool)
        if more is not None:
            new_k, new_v, _ = _rows(*more, np.full(len(more[0]), KEPT))
            k, v = np.concatenate([k, new_k]), np.concatenate([v, new_v])
            low, high = np.minimum(low, new_v.min(0)), np.maximum(high, new_v.max(0))
            extra = np.ones((len(q), len(new_k)), bool) if mask is None else np.asarray(mask, bool)
            seen = np.concatenate([seen, extra], axis=1)
        if not len(k) + int(self.moments.n.sum()):
            raise InputError("k: no rows to attend to")
        parts = [
            self._block(q[i : i + _BLOCK], k, v, seen[i : i + _BLOCK], low, high)
            for i in range(0, len(q), _BLOCK)
        ]
        output, error, mass, dropped, lost = (
            np.concatenate(part) for part in zip(*parts, strict=True)
        )
        return Attended(output, error, mass, dropped, lost, _spread(low, high))

    def _block(
        self, q: Array, k: Array, v: Array, seen: Mask, low: Doubles, high: Doubles
    ) -> tuple[Doubles, ...]:
        """`attend` for some queries: output, error, mass, dropped, its error."""
        own = self.moments.of_clusters(self.moments.n > 0)
        read = Reading.of(own, q, self.sigma)
        far = float(max(norm(k).max(initial=0.0), read.far))
        largest = up(float(read.size.max()) * far / self.sigma)
        if not largest < LARGEST_LOGIT:
            raise InputError(f"q, k: logits up to {largest:.3g}; below {LARGEST_LOGIT:g} is needed")
        theta = _weight_error(q.shape[1], largest, float(read.slip.max(initial=0.0)))
        logits = np.where(seen, (q @ k.T) * (1 / self.sigma), -np.inf)
        top = np.maximum(logits.max(1, initial=-np.inf), read.centre.max(1, initial=-np.inf))[
            :, None
        ]
        kept, merged = np.exp(logits - top), np.exp(read.centre - top) * own.n
        total = kept.sum(1, keepdims=True) + merged.sum(1, keepdims=True)
        values, spoilt, deviation = own.values()
        output = np.clip((kept @ v + merged @ values) / total, low, high)  # the exact one is inside
        terms = len(k) + len(own.n)
        fuzz = _fuzz(theta, terms, low, high) + (merged @ spoilt) / total * (1 + 1e-9)
        cap = np.maximum(high - output, output - low) + fuzz
        moved = _moved(read, merged, total, values, spoilt, deviation, output, fuzz, theta)
        grow = 1 + 4 * (terms + 64) * U
        error = np.minimum((fuzz + moved) * grow, cap * (1 + 8 * U))
        mass = _mass(kept.sum(1), merged, read, theta, grow)
        dropped, reach = _without(logits, v, low, high, theta)
        share = mass[:, 1:] * (1 + 8 * U)
        apart = np.abs(output - dropped)  # nan where no row is left
        direct = share * reach + _fuzz(theta, terms, low, high)
        error = np.fmin(error, (apart + direct) * (1 + 8 * U))
        lost = np.fmin(direct, (apart + error) * (1 + 8 * U))
        faint = (low < high) & (high - low < LEAST_RANGE)  # nothing but the range bounds these
        error[:, faint] = cap[:, faint] * (1 + 8 * U)
        lost[:, faint] = np.broadcast_to(reach, lost.shape)[:, faint]
        return output, error, mass, dropped, np.where(np.isnan(dropped), np.inf, lost)


def _without(
    logits: Doubles, v: Array, low: Doubles, high: Doubles, theta: float
) -> tuple[Doubles, Doubles]:
    """The output of the kept rows alone, and how far any average of values can be from it.

    Claim evict-identity: out - out_S = p (out_D - out_S), p the share of the rest. nan where no row
    is left.
    """
    top = logits.max(1, initial=-np.inf, keepdims=True)
    weights = np.exp(logits - np.where(np.isfinite(top), top, 0.0))
    total = weights.sum(1, keepdims=True)
    none = total == 0
    found = np.clip((weights @ v) / np.where(none, 1.0, total), low, high)
    dropped = np.where(none, np.nan, found)
    fuzz = _fuzz(theta, logits.shape[1], low, high)
    return dropped, np.maximum(high - dropped, dropped - low) + fuzz


def _weight_error(d: int, largest: float, slip: float) -> float:
    """theta: every computed weight is within e^+-theta of the true one, up to underflow.

    Logits up to `largest`: product and scaling gamma_(d+8), shift by the row's maximum; the means
    of clusters off by slip; exp within EXP_ULPS; the count times it.
    """
    zeta = gamma(d + 8) * largest + 8 * U * (1 + 2 * largest) + slip
    return up(zeta + 2 * EXP_ULPS * U + 8 * U)


def _fuzz(theta: float, terms: int, low: Doubles, high: Doubles) -> Array:
    """(d_v,) rounding of a softmax average of values in [low, high]: softmax-logit at theta.

    Sums and quotient gamma_(2 terms + 16); what underflows weighs less than 2^-1000 a term.
    """
    size = np.maximum(np.abs(low), np.abs(high))
    sums = gamma(2 * terms + 16) + terms * 2.0**-1000
    return up_each((high - low) * (theta / 2) * (1 + theta) + sums * size)


def _moved(
    read: Reading, merged: Doubles, total: Doubles, values: Doubles, spoilt: Doubles,
    deviation: Doubles, output: Doubles, fuzz: Array, theta: float,
) -> Doubles:  # fmt: skip
    """(L_q, d_v) bound of |exact - merged|, the formula of this module's head."""
    if not merged.shape[1]:
        return np.zeros_like(output)
    grow = 1 + 3 * theta  # weights against their total
    far: Mask = read.a > FAR  # e^a of no use: these rows keep the trivial bound
    excess = jensen_excess(np.where(far, 0.0, read.a), np.where(far, 0.0, read.s2))
    slope = np.sqrt(read.s2) * (1 + 4 * U) * psi0(np.where(far, 0.0, read.a))
    merged = np.maximum(merged, LEAST_WEIGHT) * grow
    weight = merged * excess
    difference = values[None] - output[:, None]  # (L_q, C, d_v)
    extra = spoilt[None] + fuzz[:, None]
    sides = []
    for part in (difference, -difference):
        part = np.maximum(part, 0.0) * (1 + 4 * U) + extra
        A = np.einsum("ic,icv->iv", weight, part)
        with np.errstate(divide="ignore"):
            sides.append(1 / (total / A + 1 / part.max(1)))
    spread = (merged * slope) @ deviation / total
    bound = np.maximum(*sides) + spread
    return np.where(np.any(far, axis=1)[:, None], np.inf, bound)


def _mass(kept: Doubles, merged: Doubles, read: Reading, theta: float, grow: float) -> Doubles:
    """(L_q, 2) share of the merged rows: Jensen from below, jensen_excess from above."""
    if not merged.shape[1]:
        return np.zeros((len(kept), 2))
    slack = (1 + 3 * theta) * grow
    least = merged.sum(1)
    far = (read.a > FAR).any(1)
    excess = jensen_excess(np.minimum(read.a, FAR), read.s2)
    most = least + (np.maximum(merged, LEAST_WEIGHT) * excess).sum(1)
    low = least / (kept + least) / slack
    high = np.where(far, 1.0, np.minimum(most / (kept + most) * slack, 1.0))
    return np.stack([low, np.where(kept > 0, high, 1.0)], axis=1)


def _spread(low: Doubles, high: Doubles) -> Doubles:
    """high - low per column, rounded down, so that errors over it are rounded up."""
    return np.maximum((high - low) * (1 - 2 * U), 0.0)


def _rows(k: Array, v: Array, labels: Whole) -> tuple[Doubles, Doubles, Whole]:
    """Checked keys (n, d), values (n, d_v) in float64 and whole labels (n,) >= KEPT."""
    k, v = _tokens(k, "k"), _tokens(v, "v")
    labels = np.asarray(labels)
    if len(k) != len(v) or labels.shape != (len(k),):
        raise InputError(f"k, v, labels: {len(k)}, {len(v)}, {labels.shape} rows differ")
    if labels.dtype.kind not in "iu" or (len(labels) and int(labels.min()) < KEPT):
        raise InputError(f"labels: whole numbers from {KEPT} on are allowed, one a row")
    return k, v, labels


def _tokens(x: Array, name: str) -> Doubles:
    """(n, width) in float64, n >= 1, whose sums cannot overflow; InputError for all else."""
    found = tokens(x, name)
    if not np.abs(found).max() < LARGEST_ENTRY:
        raise InputError(f"{name}: entries of {LARGEST_ENTRY:g} or more; scale them down")
    return found
