"""The standing attack finds what it is for: with a mend taken out there is a violation."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="most states are torch's")
PATH = Path(__file__).parents[1] / "checks" / "attack" / "attack.py"
spec = importlib.util.spec_from_file_location("attack", PATH)
attack = importlib.util.module_from_spec(spec)
sys.modules["attack"] = attack
spec.loader.exec_module(attack)

# where to begin, so that a violation comes soon
SEEDS = {
    "autocast": 15, "copies": 28, "overlap": 28, "turns": 242, "out": 116, "depth": 112,
    "probes": 13,
}  # fmt: skip


@pytest.mark.parametrize("mend", attack.MENDS)
def test_a_mend_taken_out_is_found(mend):
    focus = attack.FOCUS.get(mend, ("", ""))
    options = {"first": True, "report": False, "focus": focus}
    with attack.without(mend):
        tally, worst = attack.attack(60, SEEDS[mend], **options)
    assert tally.violations
    assert max(worst.values()) > 1
    last = SEEDS[mend] + 3
    for seed in range(SEEDS[mend], last):
        try:
            _, found = attack.trial(seed, False, None, *focus)
        except attack.InputError:
            continue
        assert all(value <= 1 for _, _, value in found)


def test_a_false_certificate_is_found_without_any_state(monkeypatch):
    """Exact attention that claims a thousandth of its error."""
    from varnum.lowrank import softmax, stream

    right = softmax.exact_error
    for module in (softmax, stream):
        monkeypatch.setattr(module, "exact_error", lambda *given: right(*given) / 1e5)
    tally, _ = attack.attack(60, 0, first=True, report=False, focus=("nothing", ""))
    assert tally.violations


def test_the_reference_and_its_ratio():
    """By hand: odds 1 : e, and an output that is off by a hundredth of the range."""
    q, k, v = np.array([[1.0]]), np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
    weights, output, spread = attack.reference(q, k, v, 1, None)
    assert float(weights[0][1] / weights[0][0]) == pytest.approx(np.e)
    assert float(output[0, 0]) == pytest.approx(2 * np.e / (1 + np.e))
    found = np.asarray(output, dtype=float) + 0.02
    assert attack.ratio(found, output, spread, 0.02) == pytest.approx(0.5)
    assert attack.ratio(found, output, spread, 0.005) == pytest.approx(2)
    assert attack.ratio(found * np.nan, output, spread, 0.5) == np.inf
    odds = np.asarray(weights, dtype=float) * [[1.0, 1.02]]
    assert attack.kernel_ratio(odds, weights, 0.02, 0) == pytest.approx(0.5, rel=0.02)
    assert attack.kernel_ratio(odds * [[0.0, 1.0]], weights, 0.02, 0) == np.inf


def test_a_short_attack_finds_nothing():
    tally, worst = attack.attack(5, 3_000_000, report=False)
    assert tally.evaluations > 50
    assert not tally.violations
    assert worst
