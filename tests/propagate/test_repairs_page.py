"""The page about repairs: every example runs, every claim it names is in the ledger."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from varnum.proof import ledger

PAGE = Path(__file__).parents[2] / "docs/explanation/what-the-paper-says-and-what-was-repaired.md"


HOW_TO = PAGE.parents[1] / "how-to" / "verify-the-claims.md"


@pytest.mark.parametrize(("page", "least"), [(PAGE, 10), (HOW_TO, 5)])
def test_examples(page, least):
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted > least
    assert result.failed == 0


def test_ids_exist_and_every_repair_is_told():
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"\*\*([a-z][a-z0-9_-]+)\*\*", text))
    assert named <= set(ledger.claims())
    sections = ("3-", "4-", "5-")
    of_the_model = {
        c.id for c in ledger.claims().values() if c.repaired and c.section.startswith(sections)
    }
    assert of_the_model <= named
