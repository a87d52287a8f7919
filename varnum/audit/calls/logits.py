"""M and centred spread of the logits that the rows of a call see, enclosed."""

from __future__ import annotations

from typing import Any

import numpy as np

from varnum.audit.calls.call_task import CallTask, Floats
from varnum.audit.measure import Enclosed, Measured, around, certify_logits
from varnum.balls.scalar import arb, ball, lower, precision, upper
from varnum.floats.guard import certified
from varnum.floats.norms import row_norms
from varnum.floats.rounding import gamma, up

_BLOCK = 512  # rows at a time
_U = 2.0**-53


def certify_call_logits(task: CallTask) -> tuple[list[Measured], bool]:
    """Of every part (of all rows, where there are none), and: are the queries centred?

    Claim data-interval lets queries be centred where the logits are s q.k alone; the numbers are
    those of the better choice. With a bias or a cap they are of what the softmax gets.
    """
    plain = certify_parts(task, 0 * task.q.mean(0))
    if task.bias is not None or task.softcap is not None:
        return plain, False
    moved = certify_parts(task, task.q.mean(0))
    centred = max(m.spread.high for m in moved) < max(m.spread.high for m in plain)
    return (moved if centred else plain), centred


def certify_parts(task: CallTask, q0: Floats) -> list[Measured]:
    """Claim data-interval, for the fixed vector q0 (d,)."""
    view = task.view
    if view is not None and view.full and task.bias is None and task.softcap is None:
        q, k = task.q, task.k
        if len(q) == len(k) and not task.reason:  # a reason may be a scale that ends there
            return certify_logits(q, k, task.scale, (len(q),), q0)
    return _masked(task, q0)


@certified
def _masked(task: CallTask, q0: Floats) -> list[Measured]:
    found = []
    for rows, span, seen in _blocks(task):
        q, k = task.q[rows], task.k[span]
        x = task.scale * (q @ k.T)
        moved = task.scale * ((q - q0) @ k.T)
        far = float(row_norms(q).max()), float(row_norms(k).max())
        off = up(gamma(q.shape[1] + 4) * task.scale * far[0] * far[1])
        from_q0 = float(row_norms(np.abs(q) + np.abs(q0)).max())
        off_spread = up(gamma(q.shape[1] + 4) * task.scale * from_q0 * far[1])
        if task.bias is not None:
            bias = task.bias[rows, span]
            x, moved = x + bias, moved + bias
            largest = float(np.abs(np.where(seen, x, 0.0)).max())
            off, off_spread = (up(o + 4 * _U * (largest + o)) for o in (off, off_spread))
        M = float(np.where(seen, np.abs(x), 0.0).max())
        high = np.where(seen, moved, -np.inf).max(1)
        low = np.where(seen, moved, np.inf).min(1)
        found.append((M, off, high, low, off_spread))
    measured = [_enclosed(task.softcap, *one) for one in found]
    return measured if task.view is not None else [_largest(measured)]


def _blocks(task: CallTask) -> Any:
    if task.view is not None:
        for part in task.view.parts:
            yield part.rows, part.span, task.view.seen(part, part.span)
        return
    keys = slice(0, len(task.k))
    for start in range(0, len(task.q), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(task.q)))
        n = rows.stop - rows.start
        seen = np.ones((n, len(task.k)), bool) if task.mask is None else task.mask[rows]
        yield rows, keys, seen


def _largest(parts: list[Measured]) -> Measured:
    def over(name: str) -> Enclosed:
        ends = [getattr(part, name) for part in parts]
        return Enclosed(max(e.low for e in ends), max(e.high for e in ends))

    return Measured(over("M"), over("spread"))


def _enclosed(
    cap: float | None, M: float, off: float, high: Floats, low: Floats, off_spread: float
) -> Measured:
    if cap is None:
        spread = float((0.5 * (high - low)).max())
        return Measured(around(M, off), around(spread, off_spread))
    with precision(128):
        capped_M = _capped(max(0.0, M - off), cap)[0], _capped(M + off, cap)[1]
        ends = [
            (
                _capped(h - off_spread, cap)[0] - _capped(w + off_spread, cap)[1],
                _capped(h + off_spread, cap)[1] - _capped(w - off_spread, cap)[0],
            )
            for h, w in zip(high.tolist(), low.tolist(), strict=True)
        ]
    spread_low = max(0.0, 0.5 * max(e[0] for e in ends))
    spread_high = 0.5 * max(e[1] for e in ends)
    return Measured(Enclosed(*capped_M), around((spread_low + spread_high) / 2,
                    up(spread_high - spread_low)))  # fmt: skip


def _capped(x: float, cap: float) -> tuple[float, float]:
    """cap tanh(x / cap), enclosed."""
    value = arb(cap) * (ball(x) / arb(cap)).tanh()
    low, high = float(lower(value)), float(upper(value))
    return float(np.nextafter(low, -np.inf)), float(np.nextafter(high, np.inf))
