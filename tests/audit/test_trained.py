"""Trained against random against capped: what the audit's page says of three models of one size."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from varnum.audit.head_audit import audit_head
from varnum.audit.layer_run import run_layers
from varnum.audit.row_file import RowFile
from varnum.audit.run import Asked, Subject, _tasks
from varnum.audit.task import Target
from varnum.cli.sources import load_model

DATA = Path(__file__).parents[1] / "data" / "trained"
CONFIG = str(DATA / "config.json")
HEADS = [(0, 1), (2, 3)]  # layer, head


def rows_of(weights):
    """At 1e-1, of some heads, on the first held-out digit."""
    files = (None, None) if weights is None else (str(DATA / weights), str(DATA / "vae.npz"))
    random = "var-tiny" if weights is None else None
    model = load_model(*files, CONFIG, random, 0)
    with np.load(DATA / "tokens.npz") as file:
        tokens, labels = file["tokens"][:1].astype(np.int64), file["labels"][:1].astype(np.int64)
    subject = Subject("m", model.var, (int(labels[0]),), lambda say: (model, labels, tokens))
    asked = Asked((Target.of(Fraction(1, 10)),))
    found = []
    for layer in run_layers(model, labels, tokens):
        for task in _tasks(subject, layer, asked, RowFile(None, {})):
            if (task.names["layer"], task.names["head"]) in HEADS:
                found += audit_head(task)
    return found


@pytest.mark.parametrize(
    ("weights", "apriori", "compared", "rank"),
    [
        ("var.npz", False, False, 20349),
        (None, False, True, 4845),
        ("var-capped.npz", True, True, 17),
    ],
    ids=["trained", "random", "capped"],
)
def test_what_pays(weights, apriori, compared, rank):
    rows = rows_of(weights)
    assert len(rows) == len(HEADS)
    for row in rows:
        assert (row["pays_apriori"], row["pays_output"]) == (apriori, compared)
        assert row["M"][1] <= row["M_apriori"]
    assert min(row["rank_apriori"] for row in rows) >= rank
    assert (max(row["rank_apriori"] for row in rows) == 17) == (weights == "var-capped.npz")


def test_the_cap_is_in_the_weights():
    with np.load(DATA / "var-capped.npz") as file:
        levels = [file[n] for n in file.files if n.endswith("scale_mul_1H11")]
    assert len(levels) == 4
    assert max(float(np.exp(x.astype(float)).max()) for x in levels) <= 0.7901
