"""Reverse mode: sharp bounds of chosen logits, one backward pass each. Claim ensemble-reverse.

After a try is accepted its radii are fixed numbers, and S(u) = sum_g kappa_g ||P_g'u|| needs no
noise: functionals may be chosen at any time, any number of them, on the same event of the same
chance. Shapes: F functionals, L tokens, C width, r rows, n keys, d head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from varnum.floats.rounding import gamma
from varnum.propagate.ensemble.cloud import LEAST, Kept, U, infinite, l2
from varnum.propagate.ensemble.dense import spread
from varnum.propagate.ensemble.exponential import exp
from varnum.propagate.ensemble.ops import Vector
from varnum.propagate.ensemble.protocol import Start, Tape
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.ensemble.smooth_activations import SLOPE_ERROR
from varnum.propagate.forms import Floats

_CHUNK = 2**24  # numbers of a temporary
_STEEPEST = 1.13  # sup|gelu'|, claim gelu-lipschitz


@dataclass(frozen=True)
class Functional:
    """The logit `plus` of a token, or the difference of its logits `plus` and `minus`."""

    token: int
    plus: int
    minus: int | None = None


def certify_functionals(start: Start, tape: Tape, wanted: Sequence[Functional]) -> Floats:
    """Bounds (F,) of |u.(logits of the model - logits of the float run)|, rounded upward.

    start and tape are those of one accepted try (`Start.taped`). Deterministic given the
    acceptance: no chance beyond the try's own. Infinite where nothing can be bounded.
    """
    widest = max(3 * start.config.embed_dim, start.config.hidden, start.config.length)
    step = max(1, _CHUNK // (start.config.length * widest))
    parts = [
        Backward(start, tape).bounds(wanted[i : i + step]) for i in range(0, len(wanted), step)
    ]
    return np.concatenate([np.zeros(0), *parts])


class Backward:
    """One backward pass: `lam` (F, L, .) is P'u at a place; `total` (F,) the bound so far.

    `group` adds kappa ||lam||. `charge` adds ||eps|| R, eps the rounding of lam at a place and R
    the deviation's supremum there, which the accepted try bounds.
    """

    def __init__(self, start: Start, tape: Tape) -> None:
        self.start, self.config, self.tape = start, start.config, tape
        self.unread = set(tape.radii)
        self.total: Floats = np.zeros(0)

    def bounds(self, wanted: Sequence[Functional]) -> Floats:
        """As `certify_functionals`."""
        self.total = np.zeros(len(wanted))
        with np.errstate(all="ignore"):
            lam = self._head(wanted)
            for block in reversed(range(self.config.depth)):
                six = self.start.conditions[block]
                lam = self._mlp(lam, block, six)
                lam = self._attention(lam, block, six)
            self.group("embeddings", lam)
        if self.unread:
            raise ArithmeticError(f"a group was left out: {min(self.unread)}")
        return infinite(self.total * UP)

    # --- what is added ----------------------------------------------------------------------

    def radius(self, name: str) -> Floats:
        """Per token, (L,)."""
        return np.concatenate(self.tape.radii[name])

    def place(self, name: str) -> Kept:
        """What the walk kept of a place that it saw once."""
        (found,) = self.tape.places[name]
        return found

    def group(self, name: str, lam: Floats) -> None:
        """A ball of each token."""
        self.unread.remove(name)
        self.total += (l2(lam) @ self.radius(name)) * UP

    def charge(self, eps: Floats, reach: Floats) -> None:
        """Rounding eps (F, L) at a place whose deviations are at most reach (L,)."""
        self.total += ((eps * UP + LEAST) @ reach) * UP

    # --- places, from the last to the first -------------------------------------------------

    def w(self, name: str) -> Floats:
        """A weight in float64."""
        return np.asarray(self.start.weights[name], dtype=np.float64)

    def _head(self, wanted: Sequence[Functional]) -> Floats:
        weight, bias = self.w("head.weight"), self.w("head.bias")
        x = self.place("head")["x"]
        lam = np.zeros((len(wanted), *x.shape))
        for i, u in enumerate(wanted):
            for kind, sign in ((u.plus, 1.0), (u.minus, -1.0)):
                if kind is not None:
                    lam[i, u.token] += sign * weight[kind]
                    size = np.abs(weight[kind]) @ np.abs(x[u.token]) + abs(bias[kind])
                    self.total[i] += gamma(x.shape[-1] + 2) * size * UP
        factor = 1 + self.start.conditions[-1][0][0]
        self.charge(2 * U * l2(lam), self._modulated("head.x", factor))
        return self._normed(lam, "head.x", factor)

    def _modulated(self, place: str, factor: Floats) -> Floats:
        """R of what AdaLN gives."""
        reach = np.abs(factor).max() * self._normal(place) + self.radius(f"{place}, modulated")
        return np.asarray(reach * UP)

    def _normal(self, place: str) -> Floats:
        """R of what LayerNorm gives: its Jacobian contracts by s."""
        ln = self.place(place)
        return np.asarray(ln["norm"] / ln["s"] * UP)

    def _normed(self, lam: Floats, place: str, factor: Floats) -> Floats:
        """Through AdaLN and LayerNorm; the Jacobians are symmetric."""
        self.group(f"{place}, modulated", lam)
        ln, width = self.place(place), lam.shape[-1]
        lam = lam * factor
        self.charge(4 * U * l2(lam), self._normal(place))
        g = gamma(2 * width + 24)
        self.charge(8 * g * (1 + ln["off"]) * l2(lam) / ln["s"], ln["norm"])
        lam = lam - lam.mean(-1, keepdims=True)
        along = np.einsum("flc,lc->fl", lam, ln["y"]) / width
        return np.asarray((lam - along[..., None] * ln["y"]) / ln["s"][:, None])

    def _times(self, lam: Floats, weight: Floats, reach: Floats) -> Floats:
        """W' lam, reach: R of the input of W."""
        self.charge(gamma(len(weight) + 2) * spread(weight) * l2(lam), reach)
        return lam @ weight

    def _gated(self, lam: Floats, gate: Floats, reach: Floats) -> Floats:
        lam = lam * gate
        self.charge(2 * U * l2(lam), reach)
        return lam

    def _added(self, lam: Floats, branch: Floats, place: str) -> Floats:
        lam = lam + branch
        self.charge(2 * U * l2(lam), self.place(place)["norm"])
        return lam

    def _mlp(self, skip: Floats, block: int, six: Sequence[Vector]) -> Floats:
        place, name = f"blocks.{block}.mid", f"blocks.{block}, GELU"
        w1, w2 = (self.w(f"blocks.{block}.ffn.fc{i}.weight") for i in (1, 2))
        factor = 1 + six[3][0]
        read = self._modulated(place, factor)
        before = spread(w1) * read * UP
        hidden = _STEEPEST * before + self.radius(name)
        slope = np.concatenate([part["slope"] for part in self.tape.places[name]])
        self.group(f"after {place}", skip)
        lam = self._gated(skip, six[1][0], spread(w2) * hidden * UP)
        lam = self._times(lam, w2, hidden)
        self.group(name, lam)
        self.charge(SLOPE_ERROR * l2(lam), before)
        lam = self._gated(lam, slope, before)
        lam = self._normed(self._times(lam, w1, read), place, factor)
        return self._added(skip, lam, place)

    def _attention(self, skip: Floats, block: int, six: Sequence[Vector]) -> Floats:
        place, name = f"blocks.{block}.x", f"blocks.{block}.attn"
        factor = 1 + six[2][0]
        proj, qkv = self.w(f"{name}.proj.weight"), self.w(f"{name}.mat_qkv.weight")
        heads = [f"blocks.{block}, head {h}" for h in range(self.config.num_heads)]
        reach = np.sqrt(sum(self._attended(head) ** 2 for head in heads)) * UP
        self.group(f"after {place}", skip)
        lam = self._gated(skip, six[0][0], spread(proj) * reach * UP)
        lam = self._times(lam, proj, reach)
        count, length, width = lam.shape
        moved = np.empty((count, length, 3, width))
        for h, head in enumerate(heads):
            part = slice(h * self.config.head_dim, (h + 1) * self.config.head_dim)
            for i, found in enumerate(self._one_head(lam[..., part], head)):
                moved[:, :, i, part] = found
        flat = moved.reshape(count, length, 3 * width)
        lam = self._times(flat, qkv, self._modulated(place, factor))
        return self._added(skip, self._normed(lam, place, factor), place)

    def _attended(self, head: str) -> Floats:
        """R of a head's output: linear part, boxes, ball."""
        form = np.concatenate([part["form"] for part in self.tape.places[f"{head}, form"]])
        most = l2(self.place(head)["v"]).max()
        boxes = self.tape.radii.get(f"{head}, kernel", [])
        wide = [2 * most * part.max(-1) for part in boxes] or [np.zeros(len(form))]
        return np.asarray((form + np.concatenate(wide) + self.radius(head)) * UP)

    def _one_head(self, lam: Floats, head: str) -> list[Floats]:
        """(F, L, d) at its output -> at its query, key and value before any normalisation."""
        self.group(head, lam)
        kept = self.place(head)
        q, k, v = found = [np.zeros_like(lam) for _ in range(3)]
        lost = np.zeros((3, *lam.shape[:2]))
        boxes = self.tape.radii.get(f"{head}, kernel")
        self.unread.discard(f"{head}, kernel")
        lengths = self.config.lengths
        for s, (length, end) in enumerate(zip(lengths, accumulate(lengths), strict=True)):
            rows = slice(end - length, end)
            row = Row(kept["q"][rows], kept["k"][:end], kept["v"][:end], kept["scale"])
            c, off = row.pull(lam[:, rows])
            if boxes is not None:
                bound = np.abs(c) + off[..., None] * row.p
                self.total += np.einsum("frn,rn->f", bound, boxes[s]) * UP
            q[:, rows] = row.scale * (c @ row.k)
            k[:, :end] += row.scale * (np.swapaxes(c, 1, 2) @ row.q)
            v[:, :end] += np.swapaxes(np.swapaxes(lam[:, rows], 1, 2) @ row.p, 1, 2)
            for i, eps in enumerate(row.lost(lam[:, rows], off)):
                lost[i, :, rows if i == 0 else slice(end)] += eps
            for i in (1, 2):
                lost[i, :, :end] += 2 * U * l2(found[i][:, :end])
        for eps, reach in zip(lost, kept["norms"], strict=True):
            self.charge(eps, reach)
        for i, (letter, own) in enumerate((("q", kept["q"]), ("k", kept["k"]))):
            self.group(f"{head}, {letter}", found[i])
            if self.config.attn_l2_norm:
                found[i] = self._unit(found[i], own, f"{head}, {letter}")
        return found

    def _unit(self, lam: Floats, u: Floats, name: str) -> Floats:
        """Through x/||x||, symmetric."""
        kept = self.place(name)
        least = kept["size"] * (1 - 2.0**-30)
        self.charge(8 * gamma(u.shape[-1] + 12) * l2(lam) / least, kept["norm"])
        along = np.einsum("fld,ld->fl", lam, u)
        return np.asarray((lam - along[..., None] * u) / kept["size"][:, None])


class Row:
    """Some rows of one head, transposed: q (r, d), k and v (n, d), p made again within `rho`.

    The site's p is the quotient of the walk's float weights; both are within eta_r of the exact
    softmax of these q, k on the logarithmic scale, so their ratio is within e^(+-4 eta_r).
    """

    def __init__(self, q: Floats, k: Floats, v: Floats, scale: float) -> None:
        self.q, self.k, self.v, self.scale = q, k, v, scale
        d, n = q.shape[-1], len(k)
        logits = scale * (q @ k.T)
        a = exp(logits - logits.max(-1, keepdims=True))
        self.p = a / a.sum(-1, keepdims=True)
        self.size_q, self.most_k, self.most_v = l2(q), l2(k).max(), l2(v).max()
        tall = scale * self.size_q * self.most_k * UP
        own = (gamma(d + 8) * tall + 32 * U * (1 + tall)) * UP
        self.rho = np.where(own < 2.0**-8, 4.1 * own + gamma(n + 8), np.inf)  # (r,)
        self.wide = gamma(d + n + len(q) + 24)

    def pull(self, lam: Floats) -> tuple[Floats, Floats]:
        """c (F, r, n) = p_ij (v_j - o_i).lam_i, and off (F, r): c is within off p."""
        g = lam @ self.v.T
        mean = np.einsum("frn,rn->fr", g, self.p)
        c = self.p * (g - mean[..., None])
        return c, 6 * (self.rho + self.wide) * self.most_v * l2(lam) * UP

    def lost(self, lam: Floats, off: Floats) -> tuple[Floats, Floats, Floats]:
        """Rounding of lam at the queries (F, r), keys (F, n) and values (F, n)."""
        size = l2(lam)
        each = self.scale * (off + 3 * self.wide * self.most_v * size) * UP
        queries = each * self.most_k * UP
        keys = (each * self.size_q) @ self.p * UP
        values = ((self.rho + self.wide) * size) @ self.p * UP
        return queries, keys * UP, values * UP
