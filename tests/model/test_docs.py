"""The Python shown in the how-to runs and prints what it says."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-the-reference-model.md"


def run(text):
    test = doctest.DocTestParser().get_doctest(text.replace("```", ""), {}, PAGE.stem, str(PAGE), 0)
    return doctest.DocTestRunner(verbose=False).run(test)


def test_the_page_shows_what_happens():
    result = run(PAGE.read_text())
    assert (result.failed, result.attempted) == (0, 12)


def test_an_edited_page_would_be_seen(capsys):
    assert run(PAGE.read_text().replace("scale * 0.5", "scale")).failed == 1
