"""`varnum audit` as people call it: files, several models at once, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[1] / "data" / "var"


def files_of(name):
    parts = [("--var", "var_state.npz"), ("--vae", "vae_state.npz"), ("--config", "config.json")]
    return [x for flag, part in parts for x in (flag, DATA / f"{name}_{part}")]


def test_official_weights_and_tokens(varnum):
    with np.load(DATA / "b_io.npz") as io:
        labels = ",".join(map(str, io["label_B"]))
    options = ["--labels", labels, "--tokens", DATA / "b_io.npz", "--jobs", 1, "--json"]
    code, out, err = varnum("audit", *files_of("b"), *options)
    answer = json.loads(out)
    assert (code, answer["schema"]) == (0, "varnum/audit/2")
    assert "found depth 2" in err
    assert "released shapes: var-d16 (depth 16" in err
    heads = [row for row in answer["rows"] if row["kind"] == "head"]
    for row in heads:
        assert row["M"][0] <= row["M"][1] <= row["M_apriori"]
        assert row["spread"][0] <= row["M"][1]
        assert 1 <= row["rank_lower"] <= row["rank_certified"] <= 30
        assert row["error_certified"] <= 0.01
        assert row["error_output"] <= 0.01
        for scale in row["scales"]:
            assert scale["rank_lower"] <= scale["rank_certified"] <= scale["tokens"]
    budgets = [row for row in answer["rows"] if row["kind"] == "budget"]
    assert [len(row["steps"]) for row in budgets] == [5, 5]
    assert all(0 < row["eps"] < 0.5 and row["steps"][-1]["error"] <= 1 for row in budgets)


def test_several_models_and_errors_at_once(varnum):
    models = ["--random", "var-tiny", "--random", "var-tiny"]
    code, out, _ = varnum("audit", *models, "--output-error", "1/3,1e-2", "--jobs", 1, "--json")
    answer = json.loads(out)
    assert code == 0
    assert [(g["model"], g["output_error"], g["heads"]) for g in answer["summary"]] == [
        ("var-tiny", "1/3", 8), ("var-tiny", "0.01", 8),
        ("var-tiny'", "1/3", 8), ("var-tiny'", "0.01", 8),
    ]  # fmt: skip
    rows = [r for r in answer["rows"] if r["kind"] == "head"]
    loose, tight = rows[0], rows[1]
    assert loose["M"] == tight["M"]
    for name in ("degree_apriori", "rank_lower", "rank_reference", "n_apriori"):
        assert loose[name] <= tight[name]


def test_the_summary_of_one_model(varnum):
    code, out, err = varnum("audit", "--random", "var-tiny-plain", "--jobs", 1)
    assert (code, err) == (0, "")
    assert out.startswith("var-tiny-plain: 8 heads, 2 layers, 30 tokens, 1 prompt(s)\n")
    for line in (
        "  a priori                    0      100 %  all tokens",
        "  kernel certified            0      100 %  these tokens",
        "  kernel, some scale          0          -  these tokens",
        "  varnum attention            0          -  every call, as it runs",
        "pay in no way (layer.head): 0.0 0.1 0.2 0.3",
    ):
        assert line in out.split("\n")
    assert "in every layer keeps the logits within 1: estimated" in out


REFUSED = [
    (["--output-error", "0"], "output-error: 0 is not allowed; strictly between 0 and 1"),
    (["--output-error", "1e-1,0.1"], "names an error twice"),
    (["--output-error", "1e-13"], "below what float64 can keep"),
    (["--output-error", "small"], "output-error: 'small' is not a decimal"),
    (["--model-error", "-1"], "model-error: -1 is not above 0"),
    (["--jobs", "0"], "jobs: 0 is not allowed; 1 to 1024"),
    (["--seed", "-1"], "seed: -1 is negative"),
    (["--resume"], "resume: it continues the file of --out"),
    (["--out", "rows.txt"], "rows.txt: need a name ending in .jsonl"),
    (["--html", "no/such/r.html"], "in a folder that exists"),
    (["--labels", "11"], "labels: '11' is not a label"),
    (["--tokens", "none.npy"], "none.npy: no such file"),
    (["--tokens", "t.npy", "--cfg", "3"], "tokens: with --tokens nothing is generated"),
    (["--tokens", "t.npy", "--top-k", "9"], "tokens: with --tokens nothing is generated"),
    (["--html", "{folder}.html"], "cannot write it (Is a directory)"),
    (["--out", "{folder}.jsonl"], "cannot write it (Is a directory)"),
    (["--var", "x.npz", "--vae", "y.npz"], "give either --random or --var and --vae"),
    (["--random", "var-d17"], "preset: no 'var-d17'"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_bad_input_is_one_line(varnum, tmp_path, options, message):
    for suffix in ("html", "jsonl"):
        (tmp_path / f"d.{suffix}").mkdir()
    options = [option.replace("{folder}", str(tmp_path / "d")) for option in options]
    code, out, err = varnum("audit", "--random", "var-tiny", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("varnum: error: ")
    assert message in err


def test_weights_are_needed_in_pairs(varnum):
    code, _, err = varnum("audit")
    assert (code, "give --var and --vae" in err) == (2, True)
    files = ["--var", "a", "--var", "b", "--vae", "c", "--vae", "d", "--vae", "e"]
    code, _, err = varnum("audit", *files)
    assert (code, "vae: 3 for 2 --var" in err) == (2, True)


def test_a_checkpoint_that_fits_nothing_gets_the_list(varnum, tmp_path):
    with np.load(DATA / "a_var_state.npz") as archive:
        state = dict(archive)
    state["head.weight"] = state["head.weight"][:, :-1]
    np.savez(tmp_path / "odd.npz", **state)
    options = ["--var", tmp_path / "odd.npz", "--vae", DATA / "a_vae_state.npz"]
    code, out, err = varnum("audit", *options, "--config", DATA / "a_config.json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    rows, width = state["head.weight"].shape
    for part in (
        f"found {len(state)} keys, 2 blocks",
        f"head.weight {rows}x{width}",
        "released shapes: var-d16 (depth 16, width 1024, 16 heads, L 680",
        "var-d36",
    ):
        assert part in err
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    options = ["--var", tmp_path / "broken.npz", "--vae", DATA / "a_vae_state.npz"]
    code, _, err = varnum("audit", *options)
    assert (code, "released" in err) == (2, False)
