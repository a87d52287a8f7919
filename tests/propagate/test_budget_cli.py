"""`varnum bound --model-error`: given weights, norm bounds, bad input."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from tests.support.command import varnum
from varnum.propagate.paper_model import certify_closed_form, certify_norm_budget

FIXTURES = Path(__file__).parents[1] / "data" / "var"


NORMS = ("--norms", "1,1,1", "--R", "1", "--d", "8", "--scales", "2")
FLOWAR = ("--model", "flowar-s", "--model-error", "1e-2", "--lipschitz", "1", "--gain", "1")


def _run(*arguments):
    return varnum("bound", *arguments)


def test_given_weights():
    done = _run(
        *("--model-error", "1e-2", "--json"),
        *("--var", str(FIXTURES / "a_var_state.npz"), "--vae", str(FIXTURES / "a_vae_state.npz")),
        *("--config", str(FIXTURES / "a_config.json")),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "varnum/bound-model-error/2"
    assert [s["layer"] for s in found["steps"]][-1] == "head"
    assert 0 < float(Fraction(found["eps"])) < 1e-2
    assert found["degree_proved_minimal"]
    assert not found["pays"]


def test_norm_bounds():
    done = _run("--model-error", "1e-2", "--norms", "1,1,1", "--R", "1", "--d", "8", "--sigma", "d",
                "--scales", "3", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["steps"]) == 3
    gains = [s["amplification"] for s in found["steps"]]
    assert gains == sorted(gains)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model-error", "1e-2"), "--norms"),
        (("--model-error", "1e-2", "--norms", "1,1"), "--norms"),
        (("--model-error", "0", "--norms", "1,1,1", "--R", "1", "--d", "8", "--scales", "2"), ""),
        (("--model-error", "1e-2", "--var", "none.npz"), "--vae"),
        (("--model-error", "1e-2", *NORMS, "--eps", "1e-3"), "--eps"),
        (("--model-error", "1e-2", *NORMS, "--affine"), "--affine"),
        ((*FLOWAR, "--alpha", "3"), "--alpha: no part of a FlowAR"),
        ((*FLOWAR[:-1], "-1"), "--gain: below 0"),
        ((*FLOWAR[:4], "--lipschitz", "1,-1", "--gain", "1"), "--lipschitz: below 0"),
        ((*FLOWAR, "--R", "1"), "--R: no part of a FlowAR"),
        ((*FLOWAR, "--norms", "1,1,1"), "--norms: no part of a FlowAR"),
        ((*FLOWAR[:2], "--M", "1", "--eps", "1e-2", "--var", "x.npz"), "--var: not with a FlowAR"),
        (("--model-error", "1e-2", "--norms=-1,-1,1", *NORMS[2:]), "--norms"),
        (("--model-error", "1e-2", "--norms", "1,1,0", *NORMS[2:]), "--norms"),
        (("--model-error", "1e-2", *NORMS[:-1], "0"), "scales"),
    ],
)
def test_bad_input_is_one_line(arguments, says):
    done = _run(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_sigma_may_be_a_root():
    budgets = []
    for sigma in ("sqrt", "8"):
        done = _run("--model-error", "1e-2", *NORMS, "--sigma", sigma, "--json")
        budgets.append(float(Fraction(json.loads(done.stdout)["eps"])))
    assert budgets[0] < budgets[1]  # sqrt(8) < 8: larger logits, less room


def test_an_error_below_every_kernel_error_is_unknown():
    weights = [f"--{part}={FIXTURES / f'a_{part}_state.npz'}" for part in ("var", "vae")]
    config = f"--config={FIXTURES / 'a_config.json'}"
    done = _run("--model-error", "1e-300", *weights, config)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1


def test_the_norm_budget_spends_what_it_was_given():
    one = (Fraction(1), Fraction(1), Fraction(1))
    target = Fraction(1, 100)
    found = certify_norm_budget(target, Fraction(1), 8, Fraction(8), 3, one)
    assert found.closed.error <= target
    more = certify_closed_form(Fraction(1), 8, Fraction(8), 3, one, found.eps * Fraction(101, 100))
    assert more.error > target  # 1 % more kernel error is too much for the form


def test_a_flowar_budget_beyond_floats_is_printed_not_rounded_to_nothing():
    done = _run(*FLOWAR[:3], "1e-400", *FLOWAR[4:])
    assert done.returncode == 0
    assert "within 0 of" not in done.stdout
    assert "e-40" in done.stdout.split("velocities within ")[1][:12]
    done = _run(*FLOWAR[:4], "--lipschitz", "1e30", "--gain", "1")
    assert "inf times" not in done.stdout
