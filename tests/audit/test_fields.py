"""The table of fields and what is made from it hold together."""

from __future__ import annotations

import copy
import json
import sys

import pytest

from varnum.audit import fields, schema
from varnum.audit.kinds import PAIR
from varnum.audit.row_check import wrong_field
from varnum.envelope import schema_path
from varnum.verdict import ANSWER_WORDS


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """What `varnum audit --json` prints, two targets, one prompt."""
    import subprocess

    command = [sys.executable, "-m", "varnum", "audit", "--random", "var-tiny", "--jobs", "1"]
    command += ["--output-error", "1e-1,1e-2", "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_the_shipped_schema_is_that_of_the_table():
    shipped = json.loads(schema_path(schema.NAME).read_text())
    assert shipped == schema.document(), "python -m varnum.audit.schema writes it anew"


def test_rows_hold_what_the_table_says_and_nothing_else(document):
    for row in document["rows"]:
        assert wrong_field(row) is None
    for group in document["summary"]:
        ranged = {field.name for field in (*fields.RANGED, *fields.COUNTED)}
        named = {name for name, field in fields.of("summary").items() if not field.asked}
        assert set(group) == {*named, "pays_never"} | ranged


def test_the_schema_takes_the_document_and_no_false_one(document):
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(schema.document())
    assert check.is_valid(document)
    last = len(document["rows"]) - 1  # a budget
    changes = {
        "a field of a head is missing": lambda d: d["rows"][0].pop("rank_output"),
        "of a scale": lambda d: d["rows"][0]["scales"][1].pop("M"),
        "of a budget": lambda d: d["rows"][last].pop("eps"),
        "a field too many": lambda d: d["rows"][0].update(extra=1),
        "a field of budgets in a head": lambda d: d["rows"][0].update(steps=[]),
        "a field of heads in a budget": lambda d: d["rows"][last].update(d=4),
        "another kind": lambda d: d["rows"][0].update(pays_apriori=1),
        "a head without a layer": lambda d: d["rows"][0].update(layer=None),
        "a pair of three": lambda d: d["rows"][0]["M"].append(1.0),
        "a summary with a range of two": lambda d: d["summary"][0]["M"].pop(),
        "a summary without counts": lambda d: d["summary"][0].pop("pays_output"),
    }
    for name, change in changes.items():
        wrong = copy.deepcopy(document)
        change(wrong)
        assert not check.is_valid(wrong), name


def test_every_field_is_whole():
    for scope in ("head", "scale", "summary", "budget", "step", "call"):
        named = [field.name for field in fields.FIELDS if scope in field.scope.split()]
        assert sorted(named) == sorted(set(named)), "twice in one row"
    for field in fields.FIELDS:
        assert field.text
        assert set(field.scope.split()) <= {"head", "scale", "summary", "budget", "step", "call"}
        assert field.bound in ("", "upper", "lower")
        assert field.assurance is None or field.assurance in ANSWER_WORDS
        assert field.bound != "lower" or field.down, "a lower bound is shown rounded down"
        placed = (field.heads, field.ranged, field.line)
        assert placed == (None,) * 3 or "head" in field.scope.split(), "of no head"
        assert field.scales is None or "scale" in field.scope.split(), "of no scale"
        if placed[0] is not None or field.line is not None or field.map:
            assert field.title
            assert field.assurance
        assert field.kind is not PAIR or field.ranged == 0, "pairs come first in the summary"
