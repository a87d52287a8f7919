"""The output of a call: exact with its rounding, and of leading monomials compared with it.

As `varnum.audit.leading_monomials`, for rows that see an interval of keys each: what all rows of a
part see goes through the state, its edges (keys that only some of them see) run exactly, in the
same frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.audit.calls.call_task import CallTask, Floats
from varnum.audit.calls.view import Part, View
from varnum.audit.leading_monomials import Leading, leading_monomials
from varnum.audit.leading_monomials import _features as features_of
from varnum.audit.leading_monomials import _ladder as ladder
from varnum.floats.norms import row_norms
from varnum.floats.rounding import up
from varnum.floats.softmax_error import exact_error
from varnum.formulas import cost as forms
from varnum.lowrank.frame import fit_frame
from varnum.outward import round_up


@dataclass(frozen=True)
class Framed:
    """Leading monomials, and the coordinates and key weights that they are powers of."""

    lead: Leading
    x: Floats
    y: Floats
    weights: Floats


@dataclass(frozen=True)
class Exactly:
    """Computed output (Lq, dv), the range of each column over the keys of each row, rounding."""

    output: Floats
    ranges: Floats
    error: float


@dataclass(frozen=True)
class Chosen:
    """This many features where `low`, exact attention elsewhere; error and operations per part."""

    rank: int  # 0: exact everywhere
    low: tuple[bool, ...]
    errors: tuple[float, ...]
    operations: tuple[int, ...]


def run_exactly(task: CallTask, view: View) -> Exactly:
    """In float64; claim float-forward, with the range over the keys that the row sees."""
    outputs, ranges, worst = [], [], 0.0
    far_k, d = float(row_norms(task.k).max()), task.q.shape[1]
    for part in view.parts:
        q, k, v = task.q[part.rows], task.k[part.span], task.v[part.span]
        x = np.where(view.seen(part, part.span), task.scale * (q @ k.T), -np.inf)
        weights = np.exp(x - x.max(1, keepdims=True))
        out = (weights @ v) / weights.sum(1, keepdims=True)
        spread = _ranges(view, part, task.v)
        still = spread == 0
        out[still] = np.broadcast_to(task.v[view.starts[part.rows]], out.shape)[still]
        moving = spread[spread > 0]
        if moving.size:
            largest = np.abs(v).max(0)
            ratio = float((np.broadcast_to(largest, spread.shape)[spread > 0] / moving).max())
            far_q = float(row_norms(q).max()) * task.scale
            bound = exact_error(far_q, far_k, len(k), min(ratio, 1e30), d, q)
            worst = max(worst, bound)
        outputs.append(out)
        ranges.append(spread)
    return Exactly(np.concatenate(outputs), np.concatenate(ranges), worst)


def _ranges(view: View, part: Part, v: Floats) -> Floats:
    """(rows, dv): max - min of each column over the keys that the row sees."""
    starts, ends = view.starts[part.rows], view.ends[part.rows]
    if not part.edges:
        one = np.ptp(v[part.keys], axis=0)
        return np.broadcast_to(one, (len(starts), v.shape[1])).copy()
    if starts.max() == starts.min():
        first = int(starts[0])
        high = np.maximum.accumulate(v[first : part.span.stop], axis=0)
        low = np.minimum.accumulate(v[first : part.span.stop], axis=0)
        return np.asarray((high - low)[ends - first - 1])
    both = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.stack([np.ptp(v[a:b], axis=0) for a, b in both])


def fit_framed(task: CallTask, count: int) -> Framed:
    """Any result will do: outputs are compared, nothing rests on the choice."""
    frame = fit_frame(task.q, task.k, 1 / task.scale)
    x, y = frame.queries(task.q), frame.keys(task.k)
    turn = np.linalg.eigh(y.T @ y)[1]
    x, y = x @ turn, y @ turn
    sizes = 4 * np.sqrt(np.mean(x * x, axis=0) * np.mean(y * y, axis=0))
    order = np.argsort(-sizes, kind="stable")
    monomials = leading_monomials(sizes[order].tolist(), count)
    terms = frame.column_terms(task.k)
    weights = np.exp(terms - terms.max())
    phi, psi = (features_of(z[:, order], monomials) for z in (x, y))
    lead = Leading(monomials, phi * np.array(monomials.coefficients), psi * weights[:, None])
    return Framed(lead, x, y, weights)


def attend(framed: Framed, v: Floats, view: View, r: int) -> list[Floats]:
    """The output (N, dv) of every part on the first r features, as computed."""
    lead, middle = framed.lead, v.mean(0)
    values = np.column_stack([v - middle, np.ones(len(v))])
    state, at, found = np.zeros((r, values.shape[1])), slice(0, 0), []
    for part in view.parts:
        new = _new_keys(part, at)
        if new.start != at.stop or part.keys.start != at.start:
            state = np.zeros_like(state)
        state = state + lead.psi[new, :r].T @ values[new]
        at = part.keys
        answer = lead.phi[part.rows, :r] @ state
        with np.errstate(all="ignore"):
            for edge in part.edges:
                kernel = np.exp(framed.x[part.rows] @ framed.y[edge].T) * framed.weights[edge]
                answer = answer + np.where(view.seen(part, edge), kernel, 0.0) @ values[edge]
            found.append(answer[:, :-1] / answer[:, -1:] + middle)
    return found


def _new_keys(part: Part, before: slice) -> slice:
    """Keys to add to the state: of a prefix those that follow, of a window all of them."""
    if part.keys.start == before.start == 0:
        return slice(before.stop, max(before.stop, part.keys.stop))
    return part.keys


def choose(framed: Framed, task: CallTask, view: View, exactly: Exactly, target: float) -> Chosen:
    """The cheapest choice that keeps every entry within `target`, of those that are tried."""
    d, d_v, rounding = task.q.shape[1], task.v.shape[1], round_up(exactly.error)
    full = exact_operations(view, d, d_v)
    best = Chosen(0, (False,) * len(full), (rounding,) * len(full), full)
    for r in ladder(framed.lead.phi.shape[1]):
        keys, queries = operations(view, framed.lead.monomials.coordinates(r), r, d, d_v)
        if sum(keys) + sum(map(min, queries, full)) >= sum(best.operations):
            break
        errors = _errors(attend(framed, task.v, view, r), exactly, view)
        low = tuple(e <= target and q < f for e, q, f in zip(errors, queries, full, strict=True))
        each = tuple(
            k + (q if good else f) for k, q, good, f in zip(keys, queries, low, full, strict=True)
        )
        if sum(each) < sum(best.operations):
            kept = tuple(e if good else rounding for e, good in zip(errors, low, strict=True))
            best = Chosen(r, low, kept, each)
    return best


def _errors(outputs: list[Floats], exactly: Exactly, view: View) -> tuple[float, ...]:
    """Per part, not below the error of any entry in units of its range."""
    found = []
    for out, part in zip(outputs, view.parts, strict=True):
        spread = exactly.ranges[part.rows]
        moving = spread > 0
        off = np.abs(out - exactly.output[part.rows])[moving] / spread[moving]
        worst = float(off.max(initial=0.0))
        found.append(round_up(up(worst + exactly.error)) if worst < np.inf else np.inf)
    return tuple(found)


def exact_operations(view: View, d: int, d_v: int) -> tuple[int, ...]:
    """Of exact attention in each part: only pairs that see each other count."""
    pairs = [int((view.ends[p.rows] - view.starts[p.rows]).sum()) for p in view.parts]
    return tuple(forms.exact_scale.integer(N=1, L_k=n, d=d, d_v=d_v) for n in pairs)


def operations(
    view: View, coordinates: int, r: int, d: int, d_v: int
) -> tuple[list[int], list[int]]:
    """Of each part: (to add its keys to the state, to answer its queries, edges included).

    Keys of a window are counted anew in every part, which is more than it takes.
    """
    sizes = {"c": coordinates, "r": r, "d": d, "d_v": d_v}
    keys, queries, at = [], [], slice(0, 0)
    for part in view.parts:
        new = _new_keys(part, at)
        at = part.keys
        count = new.stop - new.start
        keys.append(forms.leading_keys.integer(N=count, **sizes) if count else 0)
        edge = sum(int(view.seen(part, one).sum()) for one in part.edges)
        exact = forms.exact_scale.integer(N=1, L_k=edge, d=d, d_v=d_v) if edge else 0
        rows = part.rows.stop - part.rows.start
        queries.append(forms.leading_queries.integer(N=rows, **sizes) + exact)
    return keys, queries


def most_features(view: View, d: int, d_v: int) -> int:
    """With more than these, adding the keys to the state alone costs more than exact attention."""
    one = sum(operations(view, 0, 1, d, d_v)[0])
    return max(1, sum(exact_operations(view, d, d_v)) // max(1, one))
