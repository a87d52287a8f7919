"""Triage: a guess that says so; right on heads of trained models, and what bad input gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import varnum as vn
from varnum.audit.leading_monomials import certify_output, fit_leading, most_features
from varnum.integrations.triage import MOST_RANK, _rank

TEXT = Path(__file__).parents[1] / "data" / "heads" / "text_L160_d32.npz"


def head(size, length=300, d=8, seed=0):
    rng = np.random.default_rng(seed)
    q, k = rng.standard_normal((2, length, d)) * size
    return q, k, k @ rng.standard_normal((d, d))


def compared_pays(q, k, v, error):
    scale, lengths = q.shape[1] ** -0.5, (len(q),)
    lead = fit_leading(q, k, scale, most_features(lengths, q.shape[1], v.shape[1]))
    exact = vn.attention(q, k, v, output_error="1e-6", method="exact")
    known = exact.output, exact.certificate.certified_error
    return certify_output(lead, v, lengths, q.shape[1], known, float(error)).rank > 0


@pytest.mark.parametrize("size", [0.3, 0.8, 1.5, 3.0])
@pytest.mark.parametrize("error", ["1e-1", "3e-2", "1e-2"])
def test_no_clear_word_is_wrong_on_random_heads(size, error):
    q, k, v = head(size, seed=int(10 * size))
    found, truth = vn.triage(q, k, v, output_error=error), compared_pays(q, k, v, error)
    assert found.verdict != ("cannot pay" if truth else "pays")


def test_a_steep_and_a_mild_head():
    assert vn.triage(*head(0.3)).verdict == "pays"
    assert vn.triage(*head(4.0)).verdict == "cannot pay"


@pytest.mark.parametrize("error", ["1e-1", "1e-2"])
def test_a_trained_head(error):
    with np.load(TEXT) as file:
        q, k, v = (file[f"{name}_2_5"].astype(np.float64) for name in "qkv")
    found, truth = vn.triage(q, k, v, output_error=error), compared_pays(q, k, v, error)
    assert found.verdict != ("cannot pay" if truth else "pays")
    assert found.rank > 3


@given(st.integers(0, 9), st.floats(-50, 50))
@settings(max_examples=10, deadline=None)
def test_what_a_softmax_does_not_see_changes_nothing(seed, shift):
    """Keys shifted by a constant; the keys' own weights move key_weight alone."""
    q, k, v = head(1.0, length=60, seed=seed)
    one, other = vn.triage(q, k, v), vn.triage(q, k + shift, v)
    assert other.spread == pytest.approx(one.spread, rel=1e-3, abs=1e-3)
    assert other.rank == one.rank
    assert other.M >= 0


def test_the_rank_is_that_of_the_weights():
    rng = np.random.default_rng(0)
    weights = rng.random((80, 3)) @ rng.random((3, 90))
    weights /= weights.sum(1, keepdims=True)
    assert _rank(weights, rng.standard_normal((90, 5)), 1e-9) == 3
    assert _rank(np.eye(80), rng.standard_normal((80, 5)), 1e-9) == MOST_RANK + 1


def test_rows_that_see_few_keys():
    q, k, v = head(2.0, length=50)
    causal = np.tril(np.ones((50, 50), dtype=bool))
    far = k.copy()
    far[30:] += 100
    rows = slice(0, 30)
    one = vn.triage(q[rows], k, v, mask=causal[rows])
    other = vn.triage(q[rows], far, v, mask=causal[rows])
    assert one.spread == other.spread
    assert one.M == other.M


def test_torch_and_half_precision():
    torch = pytest.importorskip("torch")
    arrays = head(0.5)
    want = vn.triage(*arrays)
    found = vn.triage(*(torch.tensor(x, dtype=torch.bfloat16) for x in arrays))
    assert found.verdict == want.verdict
    assert found.spread[0] == pytest.approx(want.spread[0], rel=0.1)


def test_below_what_was_tried_nothing_is_promised():
    assert vn.triage(*head(0.05), output_error="1e-4").verdict != "pays"


def test_it_says_that_it_is_an_estimate():
    found = vn.triage(*head(0.3))
    assert "an estimate" in str(found)
    assert len(repr(found)) < 200
    assert found.to_dict()["triage"] == "pays"


q0, k0, v0 = head(1.0, length=9, d=4)
BAD = [
    ({"q": q0[0]}, "q: shape (4,); one head is allowed"), ({"k": k0[:, :3]}, "do not fit together"),
    ({"v": v0[:3]}, "do not fit together"), ({"q": q0 * np.nan}, "nan or inf in the sample"),
    ({"q": q0.astype(int)}, "q: dtype int64 is not allowed"),
    ({"output_error": "2"}, "output_error: 2 is not allowed"), ({"sample": 1}, "sample: 1 is not"),
    ({"mask": np.ones((9, 3))}, "mask: need booleans"),
    ({"mask": np.ones((9, 3), bool)}, "mask: shape (9, 3) does not fit"),
    ({"scale": float("nan")}, "scale: nan is not finite"),
    ({"scale": "x"}, "scale: 'x' is not a number"), ({"scale": 10**400}, "scale: int is not a"),
    ({"seed": -1}, "seed: -1 is not allowed"), ({"seed": "a"}, "seed: 'a' is not allowed"),
    ({"mask": np.ones((len(q0) + 1, len(k0) + 1), bool)}, "does not fit"),
    ({"q": q0 * 1e30, "k": k0 * 1e30}, "q, k: logits of the sample overflow"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_one_line(change, message):
    with pytest.raises(vn.InputError) as refused:
        vn.triage(**({"q": q0, "k": k0, "v": v0} | change))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_logits_whose_squares_overflow_float32_are_looked_at():
    assert vn.triage(q0, k0, v0, scale=1e30).verdict in ("may pay", "cannot pay")


def test_the_command(tmp_path, monkeypatch, capsys):
    import sys

    from varnum.cli import main

    monkeypatch.chdir(tmp_path)
    for name, x in zip("qkv", head(0.3), strict=True):
        np.save(name, x)
        np.save(name * 2, np.stack([x, x * (8 if name != "v" else 1)]))
    for files, said in (
        ("q k v", "pays at output error 0.01"),
        ("qq kk vv", "pays: 1, may pay: 0"),
    ):
        q, k, v = files.split()
        words = f"attention --q {q}.npy --k {k}.npy --v {v}.npy --triage".split()
        monkeypatch.setattr(sys, "argv", ["varnum", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mode", "unused"),
    [
        ("--triage", "--eps 1e-2"),
        ("--triage", "--out o.npy"),
        ("--triage", "--rows 8"),
        ("--triage", "--method exact"),
        ("--triage", "--against q.npy"),
        ("--against q.npy", "--certificate c.json"),
        ("--against q.npy", "--method exact"),
    ],
)
def test_the_command_refuses_what_it_would_ignore(mode, unused, tmp_path, monkeypatch, capsys):
    from varnum.cli import main

    monkeypatch.chdir(tmp_path)
    for name, x in zip("qkv", head(0.3), strict=True):
        np.save(name, x)
    words = f"varnum attention --q q.npy --k k.npy --v v.npy {mode} {unused}".split()
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as stop:
        main()
    flag = mode.split()[0]
    assert stop.value.code == 2
    assert f"{unused.split()[0]}: does not go with {flag}" in capsys.readouterr().err
