"""Low rank where rows see different keys: a state for what all rows of a chunk see.

Causal and block-causal masks, windows, a_i + b_j added to the logits (ALiBi), sinks: rows in
chunks, each with one run of keys that all its rows see. Those are read from a recovery state, the
few others by softmax, and the two outputs o1, o2 are merged by their sums of weights D1, D2 (claim
merge-parts), as computed with a logarithm of D1/D2 off by eta and outputs off by e1, e2:

    o = s o1 + (1 - s) o2,  s = D1/(D1 + D2)
    error <= s e1 + (1 - s) e2 + s (1 - s) (e^eta - 1)   in units of the range of the row
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from varnum.floats.arrays import caster, widened
from varnum.floats.rounding import TINY, UNIT, dtype_name
from varnum.floats.softmax_error import FUSED_EXP_ULPS
from varnum.integrations.exact_attention import Sizes, gammas
from varnum.integrations.masks import Part, View, of_head
from varnum.integrations.request import Request
from varnum.lowrank.problem import Problem, Target
from varnum.lowrank.recovery.blocks import to_host
from varnum.lowrank.recovery.recovery_bound import Limits
from varnum.lowrank.recovery.recovery_features import features, length, rest, squares
from varnum.lowrank.recovery.recovery_settings import Setting, estimate_best
from varnum.lowrank.recovery.recovery_state import RecoveryState
from varnum.verdict import Unknown

LEAST = 8192  # queries, and keys: below, exact attention of a causal head is over before
_CHUNK, _FEW = 512, 512  # rows at a time; a run of fewer keys is not worth a state
_ENOUGH, _MISSED = 2048, 0.15  # rows after which, and part of them, it is given up
_BEAT = 0.4  # of full attention's time: a causal mask leaves half of it
_U = UNIT["float64"]
_LARGEST_LOGIT = 1e3  # see `masks._GONE`
_LOG = 64 * _U  # of a logarithm of a sum of weights, times (1 + its size)


@dataclass
class Merged:
    """A head: out (L_q, d_v) float64, bound (L_q,), infinite for rows that must run exactly."""

    out: Any
    bound: Any
    rank: int
    reason: str
    method: str = "recovery"
    seconds: float = 0.0


def by_parts(
    given: Request, view: View, head: tuple[int, int], target: float, sizes: Sizes, ratio: Any
) -> Merged | None:
    """A head in chunks; None where that is not expected to pay. ratio (L_q,): of the rows."""
    import torch

    q, k, v = (part[head].contiguous() for part in (given.q, given.k, given.v))
    bias = _bias(view, head)
    if bias is not None:
        q = torch.cat([q, q.new_ones(len(q), 1)], 1)
        k = torch.cat([k, (bias / given.scale).to(k.dtype)[:, None]], 1)
    problem = Problem(q, k, v, 1 / given.scale, Target("output", target))
    setting = estimate_best(q, k, v, problem, _BEAT)
    if isinstance(setting, Unknown) or float(sizes.reach[head]) > _LARGEST_LOGIT:
        return None
    if setting.first is not None:  # several groups of queries: sums of weights are read off one
        return None
    work = _Head(given, view, head, sizes, ratio, (q, k, v), bias, setting)
    step = view.rows if view.same else _CHUNK
    tried = missed = 0
    for start in range(0, view.rows, step):
        rows = slice(start, min(view.rows, start + step))
        if work.chunk(rows):
            tried += rows.stop - rows.start
            missed += int((~(work.bound[rows] <= target)).sum())
        if tried >= _ENOUGH and missed > _MISSED * tried:
            return None
    if tried < view.rows / 2 or missed > _MISSED * tried:
        return None
    return Merged(work.out, work.bound, work.rank, setting.reason)


def _bias(view: View, head: tuple[int, int]) -> Any:
    """b_j (L_k,) float64 of a mask a_i + b_j, read off the last row; None where it is 0.

    Whether the mask is of that form every chunk looks at; keys that the last row leaves out get 0.
    """
    import torch

    if not view.additive:
        return None
    last = of_head(view.mask, head)[-1].double()
    last = torch.where(last > -_LARGEST_LOGIT, last, 0.0)
    return last if bool((last != 0).any()) else None


class _Head:
    """One head, chunk by chunk; the state goes on while the runs of keys begin alike."""

    def __init__(
        self, given: Request, view: View, head: tuple[int, int], sizes: Sizes, ratio: Any,
        arrays: tuple[Any, Any, Any], bias: Any, setting: Setting,
    ) -> None:  # fmt: skip
        self.view, self.head, self.ratio = view, head, ratio
        self.scale, self.bias, self.setting = given.scale, bias, setting
        self.q, self.k, self.v = arrays
        self.plain = given.q[head], given.k[head]
        self.reach, self.width = float(sizes.reach[head]), sizes.width
        self.out = self.v.new_zeros(view.rows, self.v.shape[1]).double()
        self.bound = self.v.new_full((view.rows,), np.inf).double()
        self.state, self.begin, self.end = _state(setting), 0, 0
        self.rank = self.state.rank

    def chunk(self, rows: slice) -> bool:
        """Was it worth a state? Otherwise its rows keep an infinite bound."""
        part = self.view.part(self.head, rows)
        run = part.common
        if run.stop - run.start < max(_FEW, 2 * len(part.others)):
            return False
        if run.start != self.begin or run.stop < self.end:
            self.state, self.begin, self.end = _state(self.setting), run.start, run.start
        if run.stop > self.end:
            self.state.add(self.k[self.end : run.stop], self.v[self.end : run.stop])
            self.end = run.stop
        shift, slip = self._added(part)
        if shift is None:
            return False
        low = self._low(rows)
        low.log += shift
        low.eta += slip
        low.error += slip / 2
        self._merge(rows, low, self._few(rows, part))
        return True

    def _added(self, part: Part) -> tuple[Any, float]:
        """a_i (n,) of the run, and how far the mask is from a_i + b_j; None where that is far."""
        if part.mask is None:
            return 0.0, 0.0
        mask = part.mask[:, part.common].double()
        seen = 0.0 if self.bias is None else self.bias[part.common]
        shift = (mask - seen)[:, :1]
        slip = float((mask - seen - shift).abs().max()) + 8 * _U * float(mask.abs().max())
        if self.bias is not None:  # b/scale is rounded
            stored = self.k[part.common, -1].double() * self.scale
            slip += float((stored - seen).abs().max()) * (1 + 8 * _U)
        usable = slip < 1 and float(shift.abs().max()) < _LARGEST_LOGIT
        return (shift[:, 0] if usable else None), slip

    def _low(self, rows: slice) -> _Side:
        """The run by the state: output, its bound in units of the range of the run's values."""
        import torch

        q, state = self.q[rows].contiguous(), self.state
        out, error = state.attend(q)
        log, eta = log_mass(state, q, self.scale)
        return _Side(
            widened(out), *(torch.as_tensor(x, device=out.device) for x in (error, log, eta))
        )

    def _few(self, rows: slice, part: Part) -> _Side:
        """The other keys by softmax, in the type of q; log is -inf for rows that see none."""
        import torch

        q, k = self.plain
        logits = self.scale * (q[rows] @ k[part.others].T)
        if part.mask is not None:
            logits = logits + part.mask[:, part.others]
        logits = logits.masked_fill(~part.seen, -np.inf)
        count, unit = part.seen.sum(1), UNIT[dtype_name(q)]
        if not len(part.others):
            none = self.out.new_zeros(len(count))
            return _Side(self.out[rows] * 0, none, none - np.inf, none)
        top = logits.amax(1, keepdim=True).clamp(-1e30)
        weights = (logits - top).exp()
        mass = weights.sum(1, keepdim=True)
        out = (weights @ self.v[part.others]) / mass.clamp(TINY[dtype_name(q)])
        size = torch.where(part.seen, logits.abs(), 0.0).double().amax(1)
        zeta = gammas(self.width + 8.0, unit) * self.reach + 2 * FUSED_EXP_ULPS * unit
        zeta = zeta + 8 * unit * (1 + 2 * (self.reach + 2 * size))
        sums = gammas(3 * count.double() + 16, unit)
        error = zeta / 2 + sums / (1 - sums).clamp(1e-30) * 3 * self.ratio[rows]
        log = (top.double() + mass.double().log())[:, 0]
        return _Side(out.double(), error + 4 * unit * self.ratio[rows], log, zeta + 2 * sums)

    def _merge(self, rows: slice, low: _Side, few: _Side) -> None:
        import torch

        share = 1 / (1 + (few.log - low.log).exp())  # s~ of the run
        rest = 1 - share
        slip = _LOG * (2 + low.log.abs() + torch.where(few.log > -np.inf, few.log.abs(), 0.0))
        eta = torch.expm1(low.eta + few.eta + slip)
        both = torch.where(rest > 0, share * rest * eta, 0.0)
        error = share * low.error + torch.where(rest > 0, rest * few.error, 0.0) + both
        error = error + 8 * _U * self.ratio[rows]
        self.out[rows] = share[:, None] * low.out + rest[:, None] * few.out
        self.bound[rows] = (error * (1 + 2.0**-30)).nan_to_num(np.inf, np.inf)


def _state(setting: Setting) -> RecoveryState:
    return RecoveryState(setting.lenses[0], setting.block, setting.tops, setting.v0, setting.sharp)


@dataclass
class _Side:
    """Attention over some keys: out (n, d_v), its error, log of the sum of weights, its error."""

    out: Any
    error: Any
    log: Any
    eta: Any


def log_mass(state: RecoveryState, q: Any, scale: float) -> tuple[Any, Any]:
    """Logarithm of the sum of e^(scale q.k) over the keys of the state, and its error, (n,) each.

    The theorem of claim recovery for u = 1: the exact sum is within sqrt(R(x, x)) G(1) and rounding
    of f(x).state, every weight off by e^zeta at most; e^(q.k0 scale + shift) was left out of it.
    """
    lens, sums = state.lens, state.sums()
    assert state.values is not None
    limits = Limits.of(sums, state.values, state.v0, state.parts, caster(q))
    centred, x = lens.queries(q)
    high, lows = squares(x, state.tops)
    root, size = np.sqrt(rest(high, lows)) * (1 + 4 * _U), length(high, state.tops)
    below = np.asarray(to_host(features(x, state.tops)), dtype=np.float64) @ sums.state[:, 0]
    slip = (limits.rounding * limits.size_mass + limits.lost) * size
    wide = np.asarray(to_host(q), dtype=np.float64)
    k0 = np.asarray(to_host(lens.k0), dtype=np.float64)
    d, unit = wide.shape[1], lens.unit
    moved = np.square(np.asarray(to_host(centred), dtype=np.float64)).sum(1)
    far = np.sqrt(moved + d * TINY[dtype_name(q)]) * (1 + (d + 8) * unit)
    zeta = lens.logit_error(far, np.sqrt(high) * (1 + 4 * _U), sums.far_k, sums.far_y, sums.far_l)
    with np.errstate(all="ignore"):
        part = (root * limits.norm_mass + slip) * (1 + 64 * _U) / below
        eta = np.where((below > 0) & (part < 1), -np.log1p(-part), np.inf) + zeta
        log = np.log(below) + (wide @ k0) * scale + lens.shift
    sizes = np.sqrt(np.square(wide).sum(1)) * np.linalg.norm(k0) * scale
    eta = eta + 8 * (d + 16) * _U * (1 + sizes + abs(lens.shift) + np.abs(log))
    return log, np.nan_to_num(eta, nan=np.inf, posinf=np.inf)
