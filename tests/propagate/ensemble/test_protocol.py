"""Pilot, commitment, fresh noise, tries; and what a broken protocol would let through."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.propagate.ensemble.runs import small, start_of
from varnum.propagate.ensemble import protocol
from varnum.propagate.ensemble.cloud import Fixed, Refused
from varnum.propagate.ensemble.protocol import Accepted, Plan, certify, commit
from varnum.verdict import Unknown


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.1])
def test_what_is_not_certainly_within_is_refused(bad: float) -> None:
    """NaN is not above the radius, and not within it either."""
    fixed = Fixed([np.ones(2)])
    with pytest.raises(Refused, match="here"):
        fixed.radius("here", np.array([0.5, bad]), np.zeros(2), np.zeros(2))
    fixed = Fixed([np.ones(2)])
    fixed.radius("here", np.array([0.5, 0.9]), np.zeros(2), np.zeros(2))
    fixed.end()
    with pytest.raises(Refused):
        Fixed([np.ones(2)]).end()


def test_noise_is_fresh_and_the_chance_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pilot's noise is never that of the verification; d' = d 2^-k / N_f, N_f counted."""
    seen = []
    kept = protocol._walk

    def watched(start, plan, ledger, seed, attempt, chance):  # type: ignore[no-untyped-def]
        seen.append((type(ledger).__name__, seed, attempt, chance))
        return kept(start, plan, ledger, seed, attempt, chance)

    monkeypatch.setattr(protocol, "_walk", watched)
    found = certify(start_of(*small(0)), Plan(gauss=16))
    assert isinstance(found, Accepted)
    pilot, verification = seen
    assert (pilot[0], verification[0]) == ("Pilot", "Fixed")
    assert pilot[1] != verification[1]
    assert verification[3] == Fraction(1, 2 * 10**6 * found.forms)
    assert found.forms > 300


def test_the_seed_has_bytes_of_the_system_drawn_after_the_commitment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same pilot and commitment, other bytes: another seed, and 32 of them asked for last."""
    seeds = []
    for last in (b"a", b"b"):
        draws = iter([b"p" * 32, last * 32])
        monkeypatch.setattr(protocol.os, "urandom", lambda n, d=draws: next(d)[:n])
        kept = protocol.Noise
        monkeypatch.setattr(
            protocol, "Noise", lambda seed, *rest, k=kept: seeds.append(seed) or k(seed, *rest)
        )
        assert isinstance(certify(start_of(*small(0)), Plan(gauss=16)), Accepted)
        monkeypatch.setattr(protocol, "Noise", kept)
    assert seeds[0] == seeds[2]
    assert seeds[1] != seeds[3]


def test_a_refused_try_is_followed_by_one_with_half_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chances = []
    kept = protocol._walk

    def failing(start, plan, ledger, seed, attempt, chance):  # type: ignore[no-untyped-def]
        if isinstance(ledger, Fixed):
            chances.append((attempt, chance))
            if attempt < 3:
                raise Refused("blocks.0")
        return kept(start, plan, ledger, seed, attempt, chance)

    monkeypatch.setattr(protocol, "_walk", failing)
    found = certify(start_of(*small(0)), Plan(gauss=16))
    assert isinstance(found, Accepted)
    assert found.tries == 3
    assert [c[1] * 2 ** c[0] for c in chances] == [Fraction(1, 10**6 * found.forms)] * 3
    lost = certify(start_of(*small(0)), Plan(gauss=16, slacks=(2.5, 4.0)))
    assert isinstance(lost, Unknown)
    assert "(try 2 of 2): blocks.0" in lost.reason


def test_radii_that_are_too_small_are_refused() -> None:
    """Half of the pilot's radii: some site says more than was fixed."""
    start, plan = start_of(*small(0)), Plan(gauss=16)
    pilot = protocol.Pilot(2.5)
    protocol._walk(start, plan, pilot, b"pilot", 1, Fraction(1, 10**12))
    protocol._walk(start, plan, Fixed(pilot.radii), b"fresh", 1, Fraction(1, 10**12))
    halves = Fixed([r / 2 for r in pilot.radii])
    with pytest.raises(Refused):
        protocol._walk(start, plan, halves, b"fresh", 1, Fraction(1, 10**12))


def test_everything_fixed_is_committed_to() -> None:
    start, plan = start_of(*small(0)), Plan(gauss=16)
    radii = [np.ones(3)]
    first = commit(start, plan, radii, 1, 10)
    weights = {**start.weights, "head.bias": np.asarray(start.weights["head.bias"]) + 1}
    others = [
        commit(start, plan, [np.array([1, 1, 1 + 1e-15])], 1, 10),
        commit(start, plan, radii, 2, 10),
        commit(start, plan, radii, 1, 11),
        commit(start, replace(plan, gauss=18), radii, 1, 10),
        commit(replace(start, eta=1e-9), plan, radii, 1, 10),
        commit(replace(start, weights=weights), plan, radii, 1, 10),
        commit(replace(start, x=start.x + 1e-9), plan, radii, 1, 10),
    ]
    assert len({first, *others}) == 8
    assert len(first) == hashlib.sha256().digest_size


def test_a_functional_chosen_after_the_sketch_is_not_covered() -> None:
    """64 boxes, 32 samples: a functional orthogonal to all samples has S far from zero.

    Which is why the forms of the walk (and the tokens' largest logits) come from the float run.
    """
    z = np.random.default_rng(0).standard_normal((32, 64))
    u = np.linalg.svd(z)[2][-1]
    assert np.abs(z @ u).max() < 1e-12
    assert np.abs(u).sum() > 4
