"""Attention on clouds, head by head and scale by scale: the site of claim ensemble-sites.

Queries of scale s see the keys of scales 1..s; generation with a cache is the same graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from array_api_compat import device

from varnum.floats.rounding import gamma
from varnum.model.backend import namespace
from varnum.model.config import VarConfig
from varnum.model.transformer import MAX_LOG_SCALE
from varnum.propagate.ensemble import sites
from varnum.propagate.ensemble.cloud import LEAST, Cloud, Ensemble, U, l2
from varnum.propagate.ensemble.dense import dense
from varnum.propagate.ensemble.engine import CACHED, Array, cached, host, moved, pieces, zeros
from varnum.propagate.ensemble.exponential import exp
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.forms import Floats


@dataclass(frozen=True)
class Heads:
    """What attention reads, and the map to all queries, keys and values: weight (3C, C)."""

    y: Cloud
    weight: Array
    bias: Array


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
    count, m = y.err.shape
    xp, norms = namespace(y.samples), l2(y.samples)
    out = Cloud(
        xp.zeros_like(y.centre),
        xp.empty_like(y.samples),
        xp.zeros_like(y.centre),
        zeros((count,), y.samples),
        zeros((count, m), y.samples),
    )
    for h in range(config.num_heads):
        q, k, v = (_part(heads, norms, part, h, d) for part in range(3))
        at = f"{where}, head {h}"
        if log_scale is not None:
            scale = float(exp(np.minimum(log_scale[h], float(MAX_LOG_SCALE))))
            q = ensemble.inject(unit(ensemble, q, f"{at}, q"), f"{at}, q")
            k = ensemble.inject(unit(ensemble, k, f"{at}, k"), f"{at}, k")
        else:
            scale = 0.25 / math.sqrt(d)
            q = ensemble.inject(q, f"{at}, q")
            k = ensemble.inject(k, f"{at}, k")
        head(ensemble, q, k, v, scale, eta, config.lengths, at, out, slice(h * d, (h + 1) * d))
    return out


def _part(heads: Heads, norms: Array, part: int, head: int, d: int) -> Cloud:
    width = heads.weight.shape[1]
    rows = slice(part * width + head * d, part * width + (head + 1) * d)
    return dense(heads.y, heads.weight[rows], heads.bias[rows], norms)


def unit(ensemble: Ensemble, x: Cloud, where: str) -> Cloud:
    """x/||x||; J = (I - u u')/||x||. Refuses where ||x|| may come near the floor of 1e-12."""
    xp, d = namespace(x.centre), x.centre.shape[-1]
    size = xp.sqrt(xp.sum(x.centre * x.centre, axis=-1))
    least = size * (1 - 2.0**-30)
    own = l2(x.entry)
    reach = (ensemble.norm(x.samples, x.err, 0) + own) * UP
    if not bool(xp.all(least - reach > 1e-12)):
        raise ArithmeticError("a query or key may vanish and cannot be normalised")
    ensemble.keep(where, size=size, norm=reach)
    u = x.centre / size[:, None]
    # the rounding of x goes through Du, of norm 1/||x||
    ball = sites.unit_vector(reach / least * UP) + own / least * UP
    g = gamma(d + 12)
    err = (x.err + 8 * g * l2(x.samples)) / least[:, None] * UP
    for part, z in cached(x.samples):
        z -= xp.matmul(z, u[part, :, None]) * u[part, None]
        z /= size[part, None, None]
    return Cloud(u, x.samples, 2 * g * xp.abs(u), ball, err)


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
    early: int = 0,
) -> None:
    """One head into its columns of `out`; q and k are injected, v is as it left its linear map.

    early: so many keys and values (a cache's) come before those of the queries' own tokens.
    """
    if early and ensemble.split:
        raise ArithmeticError(f"{where}: own tokens are not split off beside a cache")
    xp = namespace(q.centre)
    r_q, r_k = (ensemble.norm(x.samples, x.err, 0) for x in (q, k))
    r_v = (ensemble.norm(v.samples, v.err, 0) + l2(v.entry)) * UP
    size_q, size_k, size_v = l2(q.centre), l2(k.centre), l2(v.centre)
    ensemble.keep(where, q=q.centre, k=k.centre, v=v.centre, scale=scale, norms=(r_q, r_k, r_v))
    n_q, n_k, n_v = l2(q.samples), l2(k.samples), l2(v.samples)  # (L, R)
    d = q.centre.shape[-1]
    for length, end in zip(lengths, accumulate(lengths), strict=True):
        rows = slice(end - length, end)
        end += early
        most_k, most_v = xp.max(size_k[:end]), xp.max(size_v[:end])
        logits = scale * (q.centre[rows] @ k.centre[:end].T)
        top = xp.max(logits, axis=-1, keepdims=True)
        if not bool(xp.all(top - xp.min(logits, axis=-1, keepdims=True) < 600)):
            raise ArithmeticError(f"{where}: logits spread over more than 600")
        a = exp(logits - top)
        p = a / xp.sum(a, axis=-1, keepdims=True)
        o = p @ v.centre[:end]
        tall = scale * size_q[rows] * most_k * UP  # bounds |logit|
        own = (gamma(d + 8) * tall + 32 * U * (1 + tall)) * UP  # kernel rounding eta_r, (r,)
        wide = gamma(d + 2 * end + 40)
        seen_k = xp.max(n_k[:end], axis=0)
        reach = scale * (n_q[rows] * most_k + size_q[rows, None] * seen_k) * UP  # (r, R)
        err = 32 * wide * reach * most_v + 4 * wide * xp.max(n_v[:end], axis=0)
        err = err + xp.max(v.err[:end], axis=0)
        mixed = Mixed(ensemble, q, k, v, scale, p, o, rows, end)
        z = mixed.logits()
        if ensemble.noise.cauchy:
            lead = zeros((length, ensemble.rows, end), z)
            lead[:, ensemble.cauchy] = xp.moveaxis(z[ensemble.cauchy], 0, 1)
            dev = ensemble.forms(lead, 8 * wide * reach, rows.start)
        else:
            around = apart(k.centre[:end], p @ k.centre[:end])  # (r, n)
            around += wide * most_k
            spoken = r_k[:end] + (p @ r_k[:end])[:, None]
            dev = scale * (r_q[rows, None] * around + size_q[rows, None] * spoken) * UP
        lin = mixed.linear(z)
        spread_v = apart(v.centre[:end], o)  # (r, n)
        spread_v += 2 * wide * most_v
        none = zeros((length,), z)
        part = Cloud(o, lin, xp.zeros_like(o), none, err * UP)
        form = ensemble.norm(lin, part.err, rows.start) + l2(p @ v.entry[:end])
        ensemble.keep(f"{where}, form", form=form)
        b = scale * r_q[rows, None] * r_k[:end] * UP
        cbar, ball = sites.attention(sites.Row(p, dev, eta + own, b, spread_v, r_v[:end], form))
        weight = p * spread_v
        # rounding: the kernel's, the quotient of sums, the values'
        entry = gamma(2 * end + 12) * (p @ xp.abs(v.centre[:end])) + p @ v.entry[:end] * UP
        if eta:
            # the last term only keeps the radius above what rounds in the boxes' noise
            slack = own * xp.sum(weight, axis=-1) + eta * most_v * 2.0**-26
            ball = ball + slack * UP
            boxes = Boxes(p, v.centre[:end], spread_v, eta, cbar)
            box_noise(ensemble, part, boxes, f"{where}, kernel", rows.start)
        else:
            ball = ball + xp.sum(own[:, None] * weight + cbar * weight, axis=-1) * UP
        part = Cloud(o, part.samples, entry * UP, ball * UP, part.err)
        part = ensemble.inject(part, where, rows.start)
        out.centre[rows, columns] = part.centre
        out.samples[rows, :, columns] = part.samples


def apart(keys: Array, rows: Array) -> Array:
    """Not below |key - row|, (n, d) and (r, d) -> (r, n)."""
    found = zeros((len(rows), len(keys)), keys)
    for part in pieces(len(rows), math.prod(keys.shape), CACHED):
        found[part] = l2(keys - rows[part, None])
    return found


@dataclass(frozen=True)
class Mixed:
    """The linear part of some rows of one head: p, o of the centre, keys before `end`."""

    ensemble: Ensemble
    q: Cloud
    k: Cloud
    v: Cloud
    scale: float
    p: Array
    o: Array
    rows: slice
    end: int

    def logits(self) -> Array:
        """Row-centred deviations of the logits of the drawn samples, (drawn, r, n)."""
        drawn, xp = self.ensemble.drawn, namespace(self.p)
        moved_q = xp.moveaxis(self.q.samples[self.rows, :drawn], 0, 1)
        moved_k = xp.moveaxis(self.k.samples[: self.end, :drawn], 0, 1)
        z = xp.matmul(moved_q, self.k.centre[: self.end].T)
        z += xp.matmul(self.q.centre[self.rows], moved_k.mT)
        z *= self.scale
        z -= xp.einsum("mrn,rn->mr", z, self.p)[..., None]
        return z

    def linear(self, z: Array) -> Array:
        """Deviation of the output, (r, R, d); z: `logits`, overwritten."""
        drawn, xp = self.ensemble.drawn, namespace(self.p)
        values = self.v.centre[: self.end]
        z *= self.p
        lin = xp.matmul(z, values)
        lin += xp.matmul(self.p, xp.moveaxis(self.v.samples[: self.end, :drawn], 0, 1))
        found = zeros((len(self.p), self.ensemble.rows, values.shape[1]), z)
        found[:, :drawn] = xp.moveaxis(lin, 0, 1)
        if self.ensemble.split:
            found[:, self.ensemble.own] = self._own()
        return found

    def _own(self) -> Array:
        """The same where only the row's own token moved: its query, key and value."""
        own, xp = self.ensemble.own, namespace(self.p)
        rows, p, o = self.rows, self.p, self.o[:, None]
        keys, values = self.k.centre[: self.end], self.v.centre[: self.end]
        queries, width = self.q.samples[rows, own], values.shape[1]
        if queries.shape[1] <= width:  # q K' diag(p) (V - o), from the left ..
            z = (queries.reshape((-1, width)) @ keys.T).reshape((*queries.shape[:2], -1))
            z *= p[:, None]
            lin = (z.reshape((-1, self.end)) @ values).reshape(queries.shape)
            lin -= xp.sum(z, axis=-1)[..., None] * o
        else:  # .. or from the right, for many samples
            lin = xp.matmul(queries, xp.matmul(keys.T[None], (values - o) * p[..., None]))
        index = xp.arange(len(p), device=device(p))
        share = p[index, index + rows.start][:, None, None]
        moved = xp.matmul(self.k.samples[rows, own], self.q.centre[rows][..., None])  # (r, m, 1)
        lin += share * moved * (self.v.centre[rows][:, None] - o)
        lin *= self.scale
        lin += share * self.v.samples[rows, own]
        return lin


@dataclass(frozen=True)
class Boxes:
    """Per row and key a box of half width (eta + cbar) p_j along v_j - o; spread: |v_j - o|."""

    p: Array
    values: Array
    spread: Array
    eta: float
    cbar: Array


def box_noise(ensemble: Ensemble, part: Cloud, boxes: Boxes, where: str, first: int) -> None:
    """Noise of the boxes into the samples of some rows, in place."""
    values, p, spread = boxes.values, host(boxes.p), host(boxes.spread)
    kernel = np.full(p.shape, boxes.eta)
    radius = ensemble.ledger.radius(where, kernel, host(boxes.cbar), np.zeros_like(p))
    n = p.shape[1]
    most = l2(values).max()
    tall = np.maximum(spread, float(most) * 2.0**-8)
    t = radius * p * tall  # about the box's size in l2; any t > 0 would do
    weight = np.sqrt(radius * p / tall)
    place = ensemble.next_place()
    for row in range(len(p)):
        noise = ensemble.noise.draw(place, first + row, n, n)
        noise[ensemble.gauss] *= weight[row]
        noise[ensemble.cauchy] *= radius[row] * p[row]
        drawn = moved(noise, values)
        xp = namespace(values)
        shift = drawn @ values - xp.sum(drawn, axis=-1, keepdims=True) * part.centre[row]
        ensemble.put(part.samples[row], shift)
        lost = gamma(8 * n + 60) * xp.sum(xp.abs(drawn), axis=-1) * 2 * most * UP
        part.err[row] += ensemble.like_rows(lost)
    ensemble.count_groups(t.sum(-1) + LEAST, first)
