"""The verbs hardness, kv and regime: artefacts, exit codes, one-line errors."""

import json
import sys

import pytest

from varnum.cli import main

SAT = "p cnf 3 3\n1 -2 0\n2 3 -1 0\n-3 0\n"
UNSAT = "p cnf 2 4\n1 2 0\n-1 2 0\n1 -2 0\n-1 -2 0\n"


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["varnum", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return call


@pytest.fixture
def file(tmp_path):
    def write(text, name="f.cnf"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("options", [(), ("--via", "hamming"), ("--attention", "var-wrap")])
@pytest.mark.parametrize(("text", "truth"), [(SAT, True), (UNSAT, False)])
def test_sat_json(run, file, text, truth, options):
    code, out, _ = run("hardness", "sat", file(text), "--error", "0.1165", "--json", *options)
    result = json.loads(out)
    assert code == 0
    assert result["satisfiable"] is truth
    assert (result["assignment"] is not None) is truth
    assert result["error_injected"] == "0.1165"
    assert result["n"] == 2
    assert float(result["M"]) > 0
    assert result["schema"] == "varnum/hardness-sat/2"


def test_sat_text_says_what_is_proved_and_what_is_a_hypothesis(run, file):
    code, out, _ = run("hardness", "sat", file(SAT), "--error", "0.1249")
    assert code == 0
    assert out.startswith("SATISFIABLE")
    for word in ("sat-to-ov", "ov-head", "SETH", "Rubinstein", "sigma", "R = s", "M <="):
        assert word in out
    assert run("hardness", "sat", file(UNSAT))[1].startswith("UNSATISFIABLE")


def test_closest(run, file):
    words = file("0011 # first\n0101\n\n1111\n0001\n", "w.txt")
    code, out, _ = run("hardness", "closest", words, "--json", "--error", "0.1249")
    assert code == 0
    result = json.loads(out)
    assert (result["distance"], result["pair"]) == (1, [1, 2])
    assert "distance 1" in run("hardness", "closest", words)[1]


def test_wrap(run, file):
    code, out, _ = run("hardness", "wrap", file(UNSAT), "--json")
    result = json.loads(out)
    assert code == 0
    assert result["satisfiable"] is False
    assert result["M"] > result["M_head"]
    assert len(result["hypotheses"]) == 4
    assert "not claimed" in run("hardness", "wrap", file(SAT))[1]


def test_kv(run):
    code, out, _ = run("kv", "--model", "var-d16", "--json")
    assert code == 0
    assert json.loads(out)["certified_bits"] == 424 * 64 * 8
    code, out, _ = run("kv", "--demo", "--total", 2000, "--bits", 1, "--json")
    assert code == 0
    assert [r["wrong_bits"] for r in json.loads(out)["runs"]] == [0, 0, 0, 0, 1]
    assert "8160 bits suffice" in run("kv", "--model", "var-d30")[1]
    assert "fails at" in run("kv", "--demo", "--total", 100)[1]


def test_regime(run):
    code, out, _ = run("regime", "--c", "1", "--p", "1", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["b_star_taylor"] == pytest.approx(0.029853389452728, rel=1e-12)
    assert result["b_star_minimax"] == pytest.approx(0.063302035823521, rel=1e-12)
    low, high = map(float, result["b_star_taylor_enclosure"])
    assert low <= result["b_star_taylor"] <= high
    assert "rho, Taylor" in run("regime", "--b", "0.02")[1]


def test_plot(run, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="the phase diagram needs the extra 'plot'")
    target = tmp_path / "phase.png"
    code, out, _ = run("regime", "--plot", target, "--json")
    assert code == 0
    assert target.read_bytes()[:4] == b"\x89PNG"
    models = {(p["model"], p["M"]): p for p in json.loads(out)["released"]}
    assert models["var-d36", "100"]["L"] == 2240
    assert all(p["rank_log10"] > p["L_log10"] for p in models.values())
    assert run("regime", "--plot", tmp_path / "no" / "x.png")[0] == 2
    assert run("regime", "--plot", tmp_path / "x.docx")[0] == 2
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = run("regime", "--plot", target)
    assert code == 4
    assert "varnum[plot]" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("regime", "--c", "0"),
        ("regime", "--p", "-1"),
        ("regime", "--b", "x"),
        ("regime", "--plot", "x.png", "--p", "1000"),
        ("kv",),
        ("regime", "--c", "1e6", "--p", "1e5"),
        ("regime", "--plot", "x.png", "--c", "1e6", "--p", "50"),
        ("kv", "--model", "var-d17"),
        ("kv", "--rows", "0", "--schedule", "1,2,3"),
        ("kv", "--rows", "5", "--dk", "0"),
        ("kv", "--rows", "5", "--dv", "0"),
        ("kv", "--rows", "5", "--seed", "-1"),
        ("kv", "--rows", "5", "--schedule", "1,2", "--vocabulary", "0"),
        ("kv", "--demo", "--seed", "-1"),
        ("kv", "--demo", "--rows", "5"),
        ("kv", "--demo", "--dk", "0"),
        ("hardness", "sat", "{sat}", "--error", "1e400"),
        ("hardness", "sat", "{sat}", "--error", "-0.1"),
        ("kv", "--rows", "5", "--dk", "1"),
        ("kv", "--demo", "--total", "0"),
        ("hardness", "sat", "absent.cnf"),
        ("hardness", "sat", "{sat}", "--error", "0.125"),
        ("hardness", "sat", "{sat}", "--error", "many"),
        ("hardness", "sat", "{sat}", "--sigma", "0"),
        ("hardness", "sat", "{sat}", "--via", "magic"),
        ("hardness", "sat", "{sat}", "--attention", "magic"),
        ("hardness", "wrap", "{sat}", "--error", "0.12"),
        ("hardness", "closest", "{sat}"),
        ("hardness", "sat", "{bad}"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(run, file, arguments):
    paths = {"{sat}": file(SAT), "{bad}": file("p cnf 2 9\n1 0\n", "bad.cnf")}
    code, out, err = run(*(paths.get(a, a) for a in arguments))
    assert code == 2
    assert out == ""
    assert err.startswith("varnum: error: ")
    assert err.count("\n") == 1
