"""Reverse mode against the exact affine radius, found forwards: one column per noise coordinate."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.propagate.ensemble.runs import small, start_of
from varnum.balls.scalar import precision
from varnum.errors import InputError
from varnum.model.backend import Backend
from varnum.model.generate import teacher_forced_logits
from varnum.model.walk import walk
from varnum.propagate.ensemble import cloud, protocol, reverse
from varnum.propagate.ensemble.chance import cauchy_quantile
from varnum.propagate.ensemble.cloud import Ensemble, Pilot, l2
from varnum.propagate.ensemble.error import error_of
from varnum.propagate.ensemble.noise import Noise
from varnum.propagate.ensemble.ops import Clouds
from varnum.propagate.ensemble.reverse import Backward, Functional, Row
from varnum.propagate.forms import Floats

KINDS: list[dict[str, Any]] = [{}, {"attn_l2_norm": False}, {"shared_aln": True}, {"depth": 1}]


class Columns(Noise):
    """Every coordinate of every group has a sample of its own, a Cauchy one: times kappa."""

    def __init__(self, count: int) -> None:
        super().__init__(b"", 0, 2, count)
        self.next = 0
        self.groups: list[int] = []

    def block(self, place: int, first: int, count: int, width: int, parts: int) -> Floats:
        found = np.zeros((count, self.gauss + self.cauchy, width))
        for token in range(count):
            rows = self.gauss + np.arange(self.next, self.next + width)
            if rows[-1] < found.shape[1]:
                found[token, rows, np.arange(width)] = 1
            self.groups += [self.next + i * width // parts for i in range(parts)]
            self.next += width
        return found


class Exact(Ensemble):
    """Keeps the last forms' values; every supremum is passed over."""

    def norm(self, samples: Floats, err: Floats, first: int) -> Floats:
        return np.full(len(samples), 1e-9)

    def forms(self, values: Floats, err: Floats, first: int) -> Floats:
        self.last = values[:, self.cauchy]
        return np.full((len(values), values.shape[2]), 1e-9)


class Given(Pilot):
    """The fixed radii by name, unchecked."""

    def __init__(self, radii: Any) -> None:
        super().__init__(1.0)
        self.given = {name: iter(parts) for name, parts in radii.items()}

    def radius(self, where: str, rounding: Any, remainder: Any, least: Any) -> Floats:
        return next(self.given[where])


@pytest.fixture(autouse=True)
def no_quantile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle makes no statement, so it needs no quantile of a thousand columns."""
    found = cauchy_quantile
    monkeypatch.setattr(cloud, "cauchy_quantile", lambda m, d: found(m, d) if m < 256 else 0.0)


def exact_radius(start: Any, radii: Any) -> Floats:
    """Columns (L, N, V) of every logit and where their groups begin -> S (L, V) of any map."""
    count = 300
    while True:
        noise = Columns(count)
        ensemble = Exact(noise, Given(radii), start.config.lengths, Fraction(1, 100), split=False)
        length, width = start.x.shape
        x = cloud.Cloud(
            start.x, np.zeros((length, ensemble.rows, width)), start.x_error,
            np.zeros(length), np.zeros((length, ensemble.rows)),
        )  # fmt: skip
        ops = Clouds(start.weights, start.config, ensemble, start.eta)
        walk(ops, ensemble.inject(x, "embeddings"), start.conditions)
        if noise.next <= count:
            break
        count = noise.next
    square = np.add.reduceat(ensemble.last[:, : noise.next] ** 2, noise.groups, axis=1)
    return np.asarray(np.sqrt(square).sum(1))


def accepted(seed: int, eta: float = 0.0) -> tuple[Any, Any]:
    model, tokens = small(seed, **({"embed_dim": 8} | KINDS[seed % 4]))
    start = start_of(model, tokens, taped=True, eta=eta)
    cauchy, floor = (64, 2.0**-20) if eta else (0, 0.0)
    found = protocol.certify(start, protocol.Plan(32, cauchy, slacks=(4.0, 8.0), floor=floor))
    assert isinstance(found, protocol.Accepted)
    return start, found


def every(end: Any) -> list[Functional]:
    return [Functional(t, i) for t in range(len(end.centre)) for i in range(end.centre.shape[1])]


@pytest.mark.parametrize("eta", [0.0, 1e-4])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_exact_radius_and_below_the_forward_bound(seed: int, eta: float) -> None:
    start, found = accepted(seed, eta)
    bound = reverse.certify_functionals(start, found.tape, every(found.end))
    bound = bound.reshape(found.end.centre.shape)
    exact = exact_radius(start, found.tape.radii)
    ratio = bound / exact
    assert ratio.min() >= 1
    assert ratio.max() < (1.001 if eta else 2)  # the last product's rounding is no group
    assert (bound < found.end.bound).all()
    bare = Bare(start, found.tape).bounds(every(found.end)).reshape(bound.shape)
    assert np.abs(bare / exact - 1).max() < 1e-4  # boxes of one key: rounding alone
    assert np.abs(bare / exact - 1)[1:].max() < 1e-8
    assert (bare < bound).all()


class Bare(Backward):
    """Groups alone."""

    def charge(self, eps: Floats, reach: Floats) -> None:
        return

    def _head(self, wanted: Any) -> Floats:
        lam = super()._head(wanted)
        self.total[:] = 0
        width = self.start.config.embed_dim
        start = np.zeros((len(wanted), self.start.config.length, width))
        for i, u in enumerate(wanted):
            start[i, u.token] = self.w("head.weight")[u.plus]
        self.total += l2(start) @ self.radius("head.x, modulated")
        return lam


class Coarse(Backward):
    """Rounds each product, sum and gate down by a hundredth, and says so."""

    charged = True

    def lossy(self, lam: Floats, reach: Floats) -> Floats:
        if self.charged:
            self.charge(0.01 * l2(lam), reach)
        return lam * 0.99

    def _times(self, lam: Floats, weight: Floats, reach: Floats) -> Floats:
        return self.lossy(super()._times(lam, weight, reach), reach)

    def _gated(self, lam: Floats, gate: Floats, reach: Floats) -> Floats:
        return self.lossy(super()._gated(lam, gate, reach), reach)

    def _added(self, lam: Floats, branch: Floats, place: str) -> Floats:
        return self.lossy(super()._added(lam, branch, place), self.place(place)["norm"])


class Dropped(Coarse):
    charged = False


@pytest.mark.parametrize("seed", range(4))
def test_rounding_is_paid_by_the_places_deviations(seed: int) -> None:
    start, found = accepted(seed, 1e-4)
    exact = exact_radius(start, found.tape.radii).ravel()
    assert (Coarse(start, found.tape).bounds(every(found.end)) > exact).all()
    false = Dropped(start, found.tape).bounds(every(found.end)) < exact
    assert false.mean() > 0.7


def test_attention_rows_round_within_what_they_say() -> None:
    rng = np.random.default_rng(0)
    wide = np.longdouble
    worst = np.zeros(4)
    for _ in range(200):
        r, n, d = (int(x) for x in rng.integers(1, 9, 3))
        q, k, v = (rng.standard_normal((m, d)) * 10.0 ** rng.uniform(-1, 0.5) for m in (r, n, n))
        lam, scale = rng.standard_normal((1, r, d)), float(rng.uniform(0.1, 2))
        row = Row(q, k, v, scale)
        c, off = row.pull(lam)
        z = wide(scale) * (q.astype(wide) @ k.astype(wide).T)
        a = np.exp(z - z.max(-1, keepdims=True))
        p = a / a.sum(-1, keepdims=True)
        g = lam.astype(wide) @ v.astype(wide).T
        exact = p * (g - (g * p).sum(-1, keepdims=True))
        worst[0] = max(worst[0], (np.abs(c - exact) / (off[..., None] * row.p)).max())
        pairs = [
            (scale * (c @ k), wide(scale) * (exact @ k.astype(wide))),
            (scale * (np.swapaxes(c, 1, 2) @ q), wide(scale) * (np.swapaxes(exact, 1, 2) @ q)),
            (np.swapaxes(np.swapaxes(lam, 1, 2) @ row.p, 1, 2), np.swapaxes(p, 0, 1) @ lam),
        ]
        for i, ((got, true), said) in enumerate(zip(pairs, row.lost(lam, off), strict=True)):
            error = np.sqrt(((got - true) ** 2).sum(-1)).astype(float)
            worst[i + 1] = max(worst[i + 1], (error / said).max())
    assert (worst <= 1).all()
    assert (worst > 1e-4).all()


def test_a_difference_is_below_the_sum_of_its_logits() -> None:
    start, found = accepted(0)
    wanted = [Functional(3, 1), Functional(3, 2), Functional(3, 1, 2)]
    one, two, both = reverse.certify_functionals(start, found.tape, wanted)
    assert 0 < both < (one + two) * (1 + 1e-9)


def test_a_group_that_is_never_read_is_noticed() -> None:
    start, found = accepted(0)
    radii = dict(found.tape.radii) | {"elsewhere": [np.ones(5)]}
    tape = protocol.Tape(radii, found.tape.places)
    with pytest.raises(ArithmeticError, match="elsewhere"):
        reverse.certify_functionals(start, tape, [Functional(0, 0)])


def test_the_face_says_them() -> None:
    model, tokens = small(0, embed_dim=8)
    wanted = [(3, 1), (4, 2, 5)]
    found = error_of(model, [1], tokens, chosen=wanted, samples=16)
    assert [c.name() for c in found.chosen] == ["3:1", "4:2:5"]
    assert 0 < found.chosen[0].error < found.bound[0, 3, 1]
    assert "logit 4:2:5" in str(found)
    given = found.centre + 1e-3
    apart = error_of(model, [1], tokens, given, chosen=wanted, samples=16).chosen
    assert 1e-3 <= apart[0].error < 1.0001e-3
    assert apart[1].error < 1e-9  # both logits moved alike
    wide = error_of(model, [1], tokens, kernel_error="1e-5", chosen=wanted).chosen
    assert all(1e-9 < c.error < 1e-3 for c in wide)


def test_no_exp_of_a_library_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor assumed, by chosen logits or by margins."""
    start, found = accepted(0)
    wanted = [Functional(4, 1)]
    before = reverse.certify_functionals(start, found.tape, wanted)
    monkeypatch.setattr(np, "exp", None)
    assert (reverse.certify_functionals(start, found.tape, wanted) == before).all()
    monkeypatch.undo()
    model, tokens = small(0, embed_dim=8)
    assert "exp" not in error_of(model, [1], tokens, chosen=[(0, 1)]).assumptions


@pytest.mark.parametrize("wrong", [[(0,)], [(5, 0)], [(0, 12)], [(0, -1)], ["0:1"], [(0, 1.5)]])
def test_other_logits_are_one_line(wrong: Any) -> None:
    model, tokens = small(0, embed_dim=8)
    with pytest.raises(InputError, match="chosen"):
        error_of(model, [1], tokens, chosen=wrong)


@pytest.mark.parametrize("seed", range(2))
def test_exact_logits_are_within(seed: int) -> None:
    """In balls of 300 bits."""
    model, tokens = small(seed, embed_dim=8)
    found = error_of(model, [1], tokens, chosen=[(t, i) for t in range(5) for i in range(12)])
    with precision(300):
        low, high = teacher_forced_logits(
            model.to(Backend("balls")), np.array([1]), tokens
        ).bounds()
    centre = found.centre.ravel()
    far = np.maximum(centre - low.ravel(), high.ravel() - centre)
    assert (far < [c.error for c in found.chosen]).all()
