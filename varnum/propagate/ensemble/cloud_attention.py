"""Attention on clouds, head by head and scale by scale: the site of claim ensemble-sites.

Queries of scale s see the keys of scales 1..s; generation with a cache is the same graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from varnum.floats.rounding import gamma
from varnum.model.config import VarConfig
from varnum.model.transformer import MAX_LOG_SCALE
from varnum.propagate.ensemble import sites
from varnum.propagate.ensemble.cloud import LEAST, Cloud, Ensemble, U, l2
from varnum.propagate.ensemble.dense import dense
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.forms import Floats


@dataclass(frozen=True)
class Heads:
    """What attention reads, and the map to all queries, keys and values: weight (3C, C)."""

    y: Cloud
    weight: Floats
    bias: Floats


def attention(
    ensemble: Ensemble,
    heads: Heads,
    config: VarConfig,
    log_scale: Floats | None,
    eta: float,
    where: str,
) -> Cloud:
    """All heads side by side, (L, C); log_scale: per head where q and k are l2-normalised."""
    y, d = heads.y, config.head_dim
    count, m, width = y.samples.shape
    out = Cloud(
        np.empty((count, width)),
        np.empty((count, m, width)),
        np.zeros((count, width)),
        np.zeros(count),
        np.zeros((count, m)),
    )
    for h in range(config.num_heads):
        q, k, v = (_part(heads, part, h, d) for part in range(3))
        at = f"{where}, head {h}"
        if log_scale is not None:
            scale = float(np.exp(min(log_scale[h], float(MAX_LOG_SCALE))))
            q = ensemble.inject(unit(ensemble, q, f"{at}, q"), f"{at}, q")
            k = ensemble.inject(unit(ensemble, k, f"{at}, k"), f"{at}, k")
        else:
            scale = 0.25 / float(np.sqrt(d))
            q = ensemble.inject(q, f"{at}, q")
            k = ensemble.inject(k, f"{at}, k")
        head(ensemble, q, k, v, scale, eta, config.lengths, at, out, slice(h * d, (h + 1) * d))
    return out


def _part(heads: Heads, part: int, head: int, d: int) -> Cloud:
    width = heads.weight.shape[1]
    rows = slice(part * width + head * d, part * width + (head + 1) * d)
    return dense(heads.y, heads.weight[rows], heads.bias[rows])


def unit(ensemble: Ensemble, x: Cloud, where: str) -> Cloud:
    """x/||x||; J = (I - u u')/||x||. Refuses where ||x|| may come near the floor of 1e-12."""
    d = x.centre.shape[-1]
    size = np.sqrt(np.einsum("ln,ln->l", x.centre, x.centre))
    least = size * (1 - 2.0**-30)
    own = l2(x.entry)
    reach = (ensemble.norm(x.samples, x.err, 0) + own) * UP
    if not (least - reach > 1e-12).all():
        raise ArithmeticError("a query or key may vanish and cannot be normalised")
    ensemble.keep(where, size=size, norm=reach)
    u = x.centre / size[:, None]
    # the rounding of x goes through Du, of norm 1/||x||
    ball = sites.unit_vector(reach / least * UP) + own / least * UP
    g = gamma(d + 12)
    err = (x.err + 8 * g * l2(x.samples)) / least[:, None] * UP
    along = np.einsum("lmn,ln->lm", x.samples, u)
    samples = (x.samples - along[..., None] * u[:, None]) / size[:, None, None]
    return Cloud(u, samples, 2 * g * np.abs(u), ball, err)


def head(
    ensemble: Ensemble,
    q: Cloud,
    k: Cloud,
    v: Cloud,
    scale: float,
    eta: float,
    lengths: tuple[int, ...],
    where: str,
    out: Cloud,
    columns: slice,
) -> None:
    """One head into its columns of `out`; q and k are injected, v is as it left its linear map."""
    r_q, r_k = (ensemble.norm(x.samples, x.err, 0) for x in (q, k))
    r_v = (ensemble.norm(v.samples, v.err, 0) + l2(v.entry)) * UP
    size_q, size_k, size_v = l2(q.centre), l2(k.centre), l2(v.centre)
    ensemble.keep(where, q=q.centre, k=k.centre, v=v.centre, scale=scale, norms=(r_q, r_k, r_v))
    n_q, n_k, n_v = l2(q.samples), l2(k.samples), l2(v.samples)  # (L, R)
    for length, end in zip(lengths, accumulate(lengths), strict=True):
        rows = slice(end - length, end)
        d = q.centre.shape[-1]
        most_k, most_v = size_k[:end].max(), size_v[:end].max()
        logits = scale * (q.centre[rows] @ k.centre[:end].T)
        if not (logits.max(-1) - logits.min(-1) < 600).all():
            raise ArithmeticError(f"{where}: logits spread over more than 600")
        a = np.exp(logits - logits.max(-1, keepdims=True))
        p = a / a.sum(-1, keepdims=True)
        o = p @ v.centre[:end]
        tall = scale * size_q[rows] * most_k * UP  # bounds |logit|
        own = (gamma(d + 8) * tall + 32 * U * (1 + tall)) * UP  # kernel rounding eta_r, (r,)
        wide = gamma(d + 2 * end + 40)
        reach = scale * (n_q[rows] * most_k + size_q[rows, None] * n_k[:end].max(0)) * UP  # (r, R)
        err = 32 * wide * reach * most_v + 4 * wide * n_v[:end].max(0) + v.err[:end].max(0)
        mixed = Mixed(ensemble, q, k, v, scale, p, o, rows, end)
        z = mixed.logits()
        if ensemble.noise.cauchy:
            lead = np.zeros((length, ensemble.rows, end))
            lead[:, ensemble.cauchy] = np.swapaxes(z[ensemble.cauchy], 0, 1)
            dev = ensemble.forms(lead, 8 * wide * reach, rows.start)
        else:
            around = l2(k.centre[:end] - (p @ k.centre[:end])[:, None])  # (r, n)
            around += wide * most_k
            spoken = r_k[:end] + (p @ r_k[:end])[:, None]
            dev = scale * (r_q[rows, None] * around + size_q[rows, None] * spoken) * UP
        lin = mixed.linear(z)
        spread_v = np.stack([l2(v.centre[:end] - row) for row in o])  # (r, n)
        spread_v += 2 * wide * most_v
        part = Cloud(o, lin, np.zeros_like(o), np.zeros(length), err * UP)
        form = ensemble.norm(lin, part.err, rows.start) + l2(p @ v.entry[:end])
        ensemble.keep(f"{where}, form", form=form)
        b = scale * r_q[rows, None] * r_k[:end] * UP
        cbar, ball = sites.attention(sites.Row(p, dev, eta + own, b, spread_v, r_v[:end], form))
        weight = p * spread_v
        # rounding: the kernel's, the quotient of sums, the values'
        entry = gamma(2 * end + 12) * (p @ np.abs(v.centre[:end])) + p @ v.entry[:end] * UP
        if eta:
            # the last term only keeps the radius above what rounds in the boxes' noise
            ball = ball + (own * weight.sum(-1) + eta * most_v * 2.0**-26) * UP
            boxes = Boxes(p, v.centre[:end], spread_v, eta, cbar)
            box_noise(ensemble, part, boxes, f"{where}, kernel", rows.start)
        else:
            ball = ball + (own[:, None] * weight + cbar * weight).sum(-1) * UP
        part = Cloud(o, part.samples, entry * UP, ball * UP, part.err)
        part = ensemble.inject(part, where, rows.start)
        out.centre[rows, columns] = part.centre
        out.samples[rows, :, columns] = part.samples


@dataclass(frozen=True)
class Mixed:
    """The linear part of some rows of one head: p, o of the centre, keys before `end`."""

    ensemble: Ensemble
    q: Cloud
    k: Cloud
    v: Cloud
    scale: float
    p: Floats
    o: Floats
    rows: slice
    end: int

    def logits(self) -> Floats:
        """Row-centred deviations of the logits of the drawn samples, (drawn, r, n)."""
        drawn = self.ensemble.drawn
        moved_q = np.swapaxes(self.q.samples[self.rows, :drawn], 0, 1)
        moved_k = np.swapaxes(self.k.samples[: self.end, :drawn], 0, 1)
        z = moved_q @ self.k.centre[: self.end].T
        z += self.q.centre[self.rows] @ np.swapaxes(moved_k, 1, 2)
        z *= self.scale
        z -= np.einsum("mrn,rn->mr", z, self.p)[..., None]
        return np.asarray(z)

    def linear(self, z: Floats) -> Floats:
        """Deviation of the output, (r, R, d); z: `logits`, overwritten."""
        drawn = self.ensemble.drawn
        values = self.v.centre[: self.end]
        z *= self.p
        lin = z @ values
        lin += self.p @ np.swapaxes(self.v.samples[: self.end, :drawn], 0, 1)
        found = np.empty((len(self.p), self.ensemble.rows, values.shape[1]))
        found[:, :drawn] = np.swapaxes(lin, 0, 1)
        if self.ensemble.split:
            found[:, self.ensemble.own] = self._own()
        return found

    def _own(self) -> Floats:
        """The same where only the row's own token moved: its query, key and value."""
        own, keys = self.ensemble.own, self.k.centre[: self.end]
        around = self.v.centre[: self.end] - self.o[:, None]  # (r, n, d)
        around *= self.p[..., None]
        through = np.matmul(keys.T[None], around) * self.scale  # (r, d, d)
        lin = self.q.samples[self.rows, own] @ through
        index = np.arange(len(self.p))
        at = index + self.rows.start
        share = self.p[index, at]
        moved = np.einsum("ld,lmd->lm", self.q.centre[self.rows], self.k.samples[self.rows, own])
        lin += (self.scale * moved)[..., None] * around[index, at][:, None]
        lin += share[:, None, None] * self.v.samples[self.rows, own]
        return np.asarray(lin)


@dataclass(frozen=True)
class Boxes:
    """Per row and key a box of half width (eta + cbar) p_j along v_j - o; spread: |v_j - o|."""

    p: Floats
    values: Floats
    spread: Floats
    eta: float
    cbar: Floats


def box_noise(ensemble: Ensemble, part: Cloud, boxes: Boxes, where: str, first: int) -> None:
    """Noise of the boxes into the samples of some rows, in place."""
    p, values = boxes.p, boxes.values
    kernel = np.full(p.shape, boxes.eta)
    radius = ensemble.ledger.radius(where, kernel, boxes.cbar, np.zeros_like(p))
    n = p.shape[1]
    most = l2(values).max()
    tall = np.maximum(boxes.spread, most * 2.0**-8)
    t = radius * p * tall  # about the box's size in l2; any t > 0 would do
    weight = np.sqrt(radius * p / tall)
    place = ensemble.next_place()
    for row in range(len(p)):
        noise = ensemble.noise.draw(place, first + row, n, n)
        noise[ensemble.gauss] *= weight[row]
        noise[ensemble.cauchy] *= radius[row] * p[row]
        moved = noise @ values - noise.sum(-1, keepdims=True) * part.centre[row]
        ensemble.put(part.samples[row], moved)
        lost = gamma(8 * n + 60) * np.abs(noise).sum(-1) * 2 * most * UP
        part.err[row] += ensemble.like_rows(lost)
    ensemble.count_groups(t.sum(-1) + LEAST, first)
