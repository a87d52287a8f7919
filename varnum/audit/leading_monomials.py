"""How few features keep a head's output within the error on this run, output against output.

Leading monomials: with x = (q - q0) A and y = (k - k0) B balanced (claim data-interval), turned to
principal axes, the r largest prod B_i^alpha_i / alpha!, B_i = 2 rms(x_i) 2 rms(y_i), are kept in

    e^(s q.k) = (row factor) w_j e^(x.y) ~ (row factor) w_j sum over alpha of x^alpha y^alpha/alpha!

Nothing is proved about this kernel: its output is compared with exact attention, every entry, and a
scale where it misses runs exactly. So it is a statement about these tokens only; to make it for
others takes exact attention again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from varnum.audit.measure import parts_of
from varnum.floats.rounding import up
from varnum.formulas import cost as forms
from varnum.lowrank.frame import fit_frame
from varnum.outward import round_up

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Monomials:
    """Each is an earlier one times a coordinate; the first is 1. All (r,), leading ones first."""

    parents: tuple[int, ...]
    factors: tuple[int, ...]  # the coordinate; -1 for the first
    degrees: tuple[int, ...]
    coefficients: tuple[float, ...]  # 1/alpha!

    def coordinates(self, r: int) -> int:
        """How many coordinates the first r use."""
        return len(set(self.factors[1:r]))


@dataclass(frozen=True)
class Leading:
    """Features of queries and keys, (L, r), those of keys with their weights."""

    monomials: Monomials
    phi: Floats
    psi: Floats


@dataclass(frozen=True)
class Output:
    """The cheapest choice found: this many features where `low`, exact attention elsewhere.

    Per scale: the error of the output in units of V's range, from above, and the operations.
    """

    rank: int  # 0: exact attention everywhere
    low: tuple[bool, ...]
    errors: tuple[float, ...]
    operations: tuple[int, ...]


def leading_monomials(sizes: Sequence[float], count: int) -> Monomials:
    """The `count` largest prod sizes_i^alpha_i / alpha!, sizes not increasing and at least 0.

    A monomial comes after those it is a product of.
    """
    heap: list[tuple[float, int, int, int, int]] = []  # -size, parent, coordinate, power, degree
    chosen = [(-1.0, -1, -1, 0, 0)]
    coefficients = [1.0]
    while True:
        size, _, last, power, degree = chosen[-1]
        for j in range(max(last, 0), len(sizes)):
            next_power = power + 1 if j == last else 1
            child = size * sizes[j] / next_power
            heappush(heap, (child, len(chosen) - 1, j, next_power, degree + 1))
        if len(chosen) >= count:
            break
        chosen.append(heappop(heap))
        coefficients.append(coefficients[chosen[-1][1]] / chosen[-1][3])
    _, parents, factors, _, degrees = zip(*chosen, strict=True)
    return Monomials(parents, factors, degrees, tuple(coefficients))


def fit_leading(q: Floats, k: Floats, scale: float, count: int) -> Leading:
    """Any result will do: outputs are compared, nothing rests on the choice."""
    frame = fit_frame(q, k, 1 / scale)
    x, y = frame.queries(q), frame.keys(k)
    turn = np.linalg.eigh(y.T @ y)[1]
    x, y = x @ turn, y @ turn
    sizes = 4 * np.sqrt(np.mean(x * x, axis=0) * np.mean(y * y, axis=0))
    order = np.argsort(-sizes, kind="stable")
    monomials = leading_monomials(sizes[order].tolist(), count)
    terms = frame.column_terms(k)
    phi, psi = (_features(z[:, order], monomials) for z in (x, y))
    weights = np.exp(terms - terms.max())
    return Leading(monomials, phi * np.array(monomials.coefficients), psi * weights[:, None])


def _features(z: Floats, monomials: Monomials) -> Floats:
    found = np.ones((len(z), len(monomials.parents)))
    pairs = zip(monomials.parents, monomials.factors, strict=True)
    for m, (parent, j) in enumerate(pairs):
        if m:
            found[:, m] = found[:, parent] * z[:, j]
    return found


def attend_leading(lead: Leading, v: Floats, lengths: Sequence[int], r: int) -> list[Floats]:
    """The output (N, d_v) of every scale on the first r features, as computed; block-causal."""
    middle = v.mean(0)
    values = np.column_stack([v - middle, np.ones(len(v))])
    state, found = np.zeros((r, values.shape[1])), []
    for queries, keys in parts_of(lengths):
        state = state + lead.psi[queries, :r].T @ values[queries]
        answer = lead.phi[queries, :r] @ state
        with np.errstate(all="ignore"):  # a denominator of zero ends in an infinite error
            out = answer[:, :-1] / answer[:, -1:] + middle
        seen = v[keys]
        still = seen.max(0) == seen.min(0)
        out[:, still] = seen[0, still]
        found.append(out)
    return found


def certify_errors(
    outputs: Sequence[Floats], exact: Floats, rounding: float, v: Floats, lengths: Sequence[int]
) -> tuple[float, ...]:
    """Per scale, not below the error of any entry in units of its column's range over the keys.

    exact (L, d_v): computed attention, within `rounding` of the exact one in the same units.
    """
    found = []
    for out, (queries, keys) in zip(outputs, parts_of(lengths), strict=True):
        spread = np.ptp(v[keys], axis=0)
        moving = spread > 0
        off = np.abs(out - exact[queries])[:, moving] / spread[moving]
        worst = float(off.max(initial=0.0))
        found.append(round_up(up(worst + rounding)) if worst < np.inf else np.inf)  # nan too
    return tuple(found)


def certify_output(
    lead: Leading, v: Floats, lengths: Sequence[int], d: int, exactly: tuple[Floats, float],
    target: float,
) -> Output:  # fmt: skip
    """The cheapest choice that keeps every entry within `target`, of those that are tried.

    exactly: see `certify_errors`. It costs less than exact attention unless its rank is 0.
    """
    rounding = round_up(exactly[1])
    full = exact_operations(lengths, d, v.shape[1])
    best = Output(0, (False,) * len(lengths), (rounding,) * len(lengths), full)
    for r in _ladder(lead.phi.shape[1]):
        keys, queries = operations(lengths, lead.monomials.coordinates(r), r, d, v.shape[1])
        if sum(keys) + sum(map(min, queries, full)) >= sum(best.operations):
            break  # more features cost more, even if every scale were low
        errors = certify_errors(attend_leading(lead, v, lengths, r), *exactly, v, lengths)
        low = tuple(
            error <= target and query < all_
            for error, query, all_ in zip(errors, queries, full, strict=True)
        )
        each = tuple(
            key + (query if good else all_)
            for key, query, good, all_ in zip(keys, queries, low, full, strict=True)
        )
        if sum(each) < sum(best.operations):
            kept = tuple(e if good else rounding for e, good in zip(errors, low, strict=True))
            best = Output(r, low, kept, each)
    return best


def operations(
    lengths: Sequence[int], coordinates: int, r: int, d: int, d_v: int
) -> tuple[list[int], list[int]]:
    """Of each scale: (to add its keys to the state, to answer its queries from it)."""
    sizes = {"c": coordinates, "r": r, "d": d, "d_v": d_v}
    keys = [forms.leading_keys.integer(N=N, **sizes) for N in lengths]
    return keys, [forms.leading_queries.integer(N=N, **sizes) for N in lengths]


def exact_operations(lengths: Sequence[int], d: int, d_v: int) -> tuple[int, ...]:
    """Of exact attention at each scale."""
    return tuple(
        forms.exact_scale.integer(N=N, L_k=end, d=d, d_v=d_v)
        for N, end in zip(lengths, accumulate(lengths), strict=True)
    )


def most_features(lengths: Sequence[int], d: int, d_v: int) -> int:
    """With more than these, adding the keys to the state alone costs more than exact attention."""
    one = sum(operations(lengths, 0, 1, d, d_v)[0])
    return max(1, sum(exact_operations(lengths, d, d_v)) // one)


def _ladder(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, .. up to `most`."""
    steps = sorted({part << power for power in range(most.bit_length()) for part in (1, 2, 3)})
    return [r for r in steps if r <= most]
