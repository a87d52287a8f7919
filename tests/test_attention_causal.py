"""attention(.., causal=True): every row within its bound; certificate, second program, command."""

import json

import numpy as np
import pytest

import varnum as vn
from tests.support.backends import BACKENDS, placed
from tests.support.command import varnum
from tests.support.heads import correlated
from tests.test_attention import worst
from varnum import recheck
from varnum.errors import InputError
from varnum.recheck.attention_form import serialise

Q, K, V = correlated(3, 5, 0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({"output_error": "1e-2"}, "exact"),
        ({"output_error": "1e-2", "method": "recovery"}, "recovery"),
        ({"eps": "1e-2", "method": "pivots"}, "pivots"),
        ({"eps": "1e-2", "method": "exact"}, "exact"),
        ({"output_spread": "3e-1"}, "exact"),
    ],
)
def test_causal_attention_keeps_its_target(backend, options, method):
    q, k, v = correlated(8, 1100, 3)
    v[:200, 1] = 2.0
    for dtype in (np.float32, np.float64):
        given = [part.astype(dtype) for part in (q, k, v)]
        found = vn.attention(*placed(backend, *given), causal=True, **options)
        error = worst(found, *given, np.sqrt(np.longdouble(8)), (1,) * 1100)
        assert error <= found.certificate.output_error
        assert found.certificate.reached
        assert found.certificate.method == method


def test_causal_is_the_view_of_scales_of_one_token():
    q, k, v = correlated(8, 700, 4)
    for options in ({}, {"method": "recovery"}):
        one = vn.attention(q, k, v, output_error="1e-2", causal=True, **options)
        other = vn.attention(q, k, v, output_error="1e-2", scales=(1,) * 700, **options)
        assert (one.output == other.output).all()
        whole = vn.attention(q, k, v, output_error="1e-2", **options)
        assert abs(one.output - whole.output).max() > 0.1  # what a forgotten mask would give


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"causal": True, "scales": (1, 4)}, "not both"),
        ({"causal": 1}, "True or False"),
        ({"causal": True, "k": K[:4], "v": V[:4]}, "5 queries and 4 keys"),
    ],
)
def test_causal_that_does_not_fit_is_refused(options, message):
    given = {"q": Q, "k": K, "v": V, "output_error": "1e-2"} | options
    with pytest.raises(InputError, match=message):
        vn.attention(given.pop("q"), given.pop("k"), given.pop("v"), **given)


def test_the_second_program_checks_what_rows_see():
    parts = [part.astype(np.float32) for part in correlated(8, 300, 5)]
    for options in ({"output_error": "1e-2"}, {"output_spread": "2e-1"}):
        found = vn.attention(*parts, causal=True, portable=True, **options)
        data = found.portable().encode()
        assert json.loads(data)["scales"] == "causal"
        agreed = recheck.check(data, *parts, found.output)
        assert (agreed.rows, agreed.open) == (300, 0)
        for scales in (None, [300], [1] * 298 + [2]):  # what a row sees, changed
            false = serialise(json.loads(data) | {"scales": scales})
            with pytest.raises(recheck.Disagrees, match="is off by"):
                recheck.check(false, *parts, found.output)
    wrong = serialise(json.loads(data) | {"scales": "lower"})
    with pytest.raises(recheck.Malformed, match="scales"):
        recheck.check(wrong, *parts, found.output)


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, part in zip("qkv", correlated(8, 300, 5), strict=True):
        np.save(name, part.astype(np.float32))
    given = ("attention", "--q", "q.npy", "--k", "k.npy", "--v", "v.npy", "--causal")
    rest = ("--output-error", "1e-2", "--no-bounds")
    files = ("--out", "out.npy", "--certificate", "c.json", "--rows", "300")
    made = varnum(*given, *rest, *files, "--json")
    assert made.returncode == 0
    content = json.loads(made.stdout)
    assert content["sampled"]["above"] == 0
    assert content["sampled"]["all_rows"]
    exact = vn.attention(*(np.load(f"{name}.npy") for name in "qkv"), output_error="1e-2",
                         causal=True)  # fmt: skip
    assert (np.load("out.npy") == exact.output).all()
    checked = varnum(
        "check", "c.json", "--inputs", "q.npy,k.npy,v.npy", "--output", "out.npy", "--json"
    )
    assert (checked.returncode, json.loads(checked.stdout)["scales"]) == (0, "causal")
    assert varnum(*given, "--output-error", "1e-2", "--against", "out.npy").returncode == 0
    assert varnum(*given, "--triage").returncode == 0
    refused = varnum(*given, *rest, "--scales", "1,299")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "causal" in refused.stderr
