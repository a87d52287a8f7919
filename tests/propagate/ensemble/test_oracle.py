"""End to end: the exact affine radius of a walk lies below every bound that samples give.

With one unit vector per noise coordinate as "samples" the walk computes all of P, so that
S(u) = sum_g kappa_g ||P_g'u|| of every logit is known to rounding.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.propagate.ensemble.runs import small, start_of
from varnum.model.backend import Backend
from varnum.model.generate import teacher_forced_logits
from varnum.propagate.ensemble import protocol
from varnum.propagate.ensemble.cloud import Ensemble, Fixed, Pilot
from varnum.propagate.ensemble.noise import Noise
from varnum.propagate.ensemble.ops import Clouds, Logits
from varnum.propagate.ensemble.protocol import Plan, Start
from varnum.propagate.forms import Floats

CHANCE = Fraction(1, 10**12)


class Columns(Noise):
    """Every coordinate of every group has a sample of its own."""

    def __init__(self, count: int) -> None:
        super().__init__(b"", 0, count)
        self.next = 0
        self.groups: list[slice] = []

    def block(self, place: int, first: int, count: int, width: int, parts: int) -> Floats:
        found = np.zeros((count, self.gauss, width))
        for token in range(count):
            rows = np.arange(self.next, self.next + width)
            if rows[-1] < self.gauss:
                found[token, rows, np.arange(width)] = 1
            self.groups.append(slice(self.next, self.next + width))
            self.next += width
        return found


class Exact(Ensemble):
    """Keeps t of each group and the last forms' values; every supremum is passed over."""

    def count_groups(self, t: Floats, first: int) -> None:
        self.t = [*getattr(self, "t", []), *t]

    def norm(self, samples: Floats, err: Floats, first: int) -> Floats:
        return np.full(len(samples), 1e-9)

    def forms(self, values: Floats, err: Floats, first: int) -> Floats:
        self.last = values
        return np.full((len(values), values.shape[2]), 1e-9)


def radii_of(start: Start, plan: Plan) -> list[Floats]:
    pilot = Pilot(4.0)
    protocol._walk(start, plan, pilot, b"pilot", 1, CHANCE)
    return pilot.radii


class Given(Pilot):
    """The fixed radii, unchecked."""

    def __init__(self, radii: list[Floats]) -> None:
        super().__init__(1.0)
        self.given = iter(radii)

    def radius(self, where: str, rounding: Any, remainder: Any, least: Any) -> Floats:
        return next(self.given)


def exact_radius(start: Start, radii: list[Floats]) -> Floats:
    """S of every logit, (L, V)."""
    count = 4
    while True:
        noise = Columns(count)
        ensemble = Exact(noise, Given(radii), start.config.lengths, CHANCE, split=False)
        length, width = start.x.shape
        cloud = protocol.Cloud(
            start.x, np.zeros((length, ensemble.rows, width)), start.x_error,
            np.zeros(length), np.zeros((length, ensemble.rows)),
        )  # fmt: skip
        ops = Clouds(start.weights, start.config, ensemble)
        protocol.walk(ops, ensemble.inject(cloud, "embeddings"), start.conditions)
        if noise.next <= count:
            break
        count = noise.next + noise.next % 2
    total = np.zeros((length, start.config.vocab_size))
    for group, t in zip(noise.groups, ensemble.t, strict=True):
        total += np.sqrt(t) * np.linalg.norm(ensemble.last[:, group], axis=1)
    return total


@pytest.mark.parametrize("seed", range(20))
def test_every_bound_is_above_the_exact_radius(seed: int) -> None:
    changes = [{}, {"attn_l2_norm": False}, {"shared_aln": True}, {"depth": 1}][seed % 4]
    sizes = {"embed_dim": 8, "num_heads": 2, "depth": 2} | changes
    start = start_of(*small(seed, **sizes))
    radii = radii_of(start, Plan(gauss=16))
    exact = exact_radius(start, radii)
    for plan in (Plan(gauss=16), Plan(gauss=16, split=False), Plan(gauss=16, cauchy=64)):
        end: Logits = protocol._walk(start, plan, Given(radii), b"fresh%d" % seed, 1, CHANCE)[0]
        ratio = end.bound / exact
        assert ratio.min() > 1, plan
        assert ratio.max() < 90, plan


def test_a_smaller_total_or_quantile_would_break_it() -> None:
    """The same comparison sees a bound that is a tenth."""
    start, plan = start_of(*small(5, embed_dim=8)), Plan(gauss=256)
    radii = radii_of(start, plan)
    end = protocol._walk(start, plan, Fixed(radii), b"fresh", 1, CHANCE)[0]
    assert (end.bound / 10 < exact_radius(start, radii)).any()


def adversary(kind: int, eps: float, rng: np.random.Generator) -> Any:
    """An attention kernel with errors of at most eps per entry: random, corners, or greedy."""

    def attend(q: Any, k: Any, v: Any, scale: Any, blocks: Any) -> Any:
        parts, stop = [], 0
        for length in blocks:
            rows, stop = slice(stop, stop + length), stop + length
            z = scale * (q[:, :, rows] @ np.swapaxes(k[:, :, :stop], 2, 3))
            a = np.exp(z - z.max(-1, keepdims=True))
            values = v[:, :, :stop]
            if kind == 0:
                e = rng.uniform(-1, 1, a.shape)
            elif kind == 1:
                e = rng.choice([-1.0, 1.0], a.shape)
            else:  # along a random direction u: the sign of (v_j - o).u
                u = rng.standard_normal((values.shape[-1], 1))
                o = a @ values / a.sum(-1, keepdims=True)
                e = np.sign(np.swapaxes(values @ u, 2, 3) - o @ u)
            a = a * (1 + eps * e)
            parts.append(a @ values / a.sum(-1, keepdims=True))
        return np.concatenate(parts, axis=2)

    return attend


@pytest.mark.parametrize("seed", range(4))
def test_no_kernel_error_leaves_the_bound(seed: int) -> None:
    eps = 10.0 ** -(seed % 3 + 3)
    model, tokens = small(seed, attn_l2_norm=bool(seed % 2), embed_dim=8)
    plan = Plan(gauss=64, cauchy=64, slacks=(4.0, 8.0), floor=2.0**-20)
    start = start_of(model, tokens, eta=math.atanh(eps) * (1 + 1e-12))
    found = protocol.certify(start, plan)
    assert isinstance(found, protocol.Accepted)
    end, wide, rng = found.end, model.to(Backend()), np.random.default_rng(seed)
    worst = 0.0
    for trial in range(45):
        moved = teacher_forced_logits(wide, [1], tokens, adversary(trial % 3, eps, rng))[0]
        worst = max(worst, float((np.abs(moved - end.centre) / end.bound).max()))
    assert 0.02 < worst <= 1
