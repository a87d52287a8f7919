"""varnum poly on the command line: JSON, files, exit codes, one-line errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from varnum.cli import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["varnum", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return call


HALF = ("poly", "--function", "exp2", "--interval", "-1/2,1/2")


def test_json_has_what_a_kernel_author_needs(run: Any) -> None:
    code, out, _ = run(
        *HALF, "--format", "float32", "--degree", "4", "--scheme", "estrin", "--json"
    )
    found = json.loads(out)
    assert code == 0
    assert found["formats"] == ["float32"] * 5
    assert all(float.fromhex(c) for c in found["coefficients"])
    low, high = (float(x) for x in found["approximation_error"])
    assert float(found["minimax_error"][0]) <= high
    assert low <= high < float(found["total_error"])
    assert (found["scheme"], found["fma"], found["largest_seen"]) == ("estrin", True, None)


def test_largest_seen_where_all_inputs_are_tried(run: Any) -> None:
    _, out, _ = run(*HALF, "--format", "bfloat16", "--degree", "2", "--json")
    found = json.loads(out)
    assert found["total_error_by"] == "enumeration"
    seen, total = float(found["largest_seen"]), float(found["total_error"])
    assert seen <= total <= 1.00001 * seen
    assert found["inputs_tried"] == 2 * (127 + 125 * 128 + 1) + 1  # subnormal, normal, 1/2; and 0


def test_code_is_checked_by_the_other_verb(run: Any, tmp_path: Path) -> None:
    certificate, vectors = tmp_path / "c.json", tmp_path / "v.txt"
    code, source, _ = run(*HALF, "--degree", "4", "--emit", "c", "--certificate", str(certificate),
                          "--vectors", str(vectors))  # fmt: skip
    assert code == 0
    (tmp_path / "f.c").write_text(source)
    for file in (certificate, tmp_path / "f.c"):
        code, out, _ = run("check", str(file))
        assert (code, out[:13]) == (0, "proved: the 4")
    assert vectors.read_text().startswith("# exp2 in float32")
    code, _, err = run("check", str(certificate), "--coq")
    assert (code, "not of evaluations" in err) == (2, True)


def test_eps_is_reached_refuted_or_unknown(run: Any) -> None:
    code, out, _ = run(*HALF, "--eps", "1e-5", "--json")
    assert (code, json.loads(out)["degree"]) == (0, 4)
    code, out, _ = run(*HALF, "--format", "float16", "--degree", "3", "--eps", "1e-5", "--json")
    assert (code, json.loads(out)["verdict"]) == (1, "refuted")
    code, out, _ = run(*HALF, "--degree", "4", "--eps", "2.65e-6", "--json")
    assert (code, json.loads(out)["verdict"]) == (3, "unknown")
    code, out, _ = run(*HALF, "--degree", "2", "--format", "float16", "--eps", "0.00232", "--json")
    assert (code, json.loads(out)["verdict"]) == (3, "unknown")  # other coefficients reach it
    code, out, _ = run("poly", "--interval=0,1e-44", "--degree", "1", "--json")
    assert (code, json.loads(out)["verdict"]) == (0, "proved")  # too narrow for the exchange
    code, out, err = run(*HALF, "--degree", "4", "--eps", "2.65e-6", "--emit", "c")
    assert (code, out) == (3, "")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("poly",), "--interval: missing"),
        (("poly", "--interval", "1,0", "--degree", "2"), "low < high"),
        (("poly", "--interval", "x", "--degree", "2"), "is not LOW,HIGH"),
        (("poly", "--interval", "1.00000001,1.00000002", "--degree", "2"), "no float32 number"),
        (
            ("poly", "--interval", "-1e-9,-1e-10", "--degree", "2", "--format", "float16"),
            "--interval: no float16 number lies between its ends",
        ),
        ((*HALF,), "--degree or --eps"),
        ((*HALF, "--degree", "99"), "0 to 24"),
        ((*HALF, "--degree", "2", "--format", "float8"), "float8"),
        ((*HALF, "--degree", "2", "--formats", "float32"), "1 given"),
        ((*HALF, "--degree", "2", "--fix", "1"), "K=VALUE"),
        ((*HALF, "--degree", "2", "--fix", "0=0.1"), "no float32 number"),
        ((*HALF, "--degree", "2", "--eps", "0"), "--eps"),
        ((*HALF, "--degree", "2", "--emit", "c", "--json"), "--json"),
        ((*HALF, "--degree", "2", "--certificate", "/nowhere/c"), "cannot write"),
        ((*HALF, "--degree", "2", "--no-fma", "--emit", "triton"), "--emit: triton has FMA only"),
    ],
)
def test_bad_input_is_one_line(run: Any, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
