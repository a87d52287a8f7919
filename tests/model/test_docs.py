import doctest
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-the-reference-model.md"


def _run(text):
    test = doctest.DocTestParser().get_doctest(text.replace("```", ""), {}, PAGE.stem, str(PAGE), 0)
    return doctest.DocTestRunner(verbose=False).run(test)


def test_the_page_shows_what_happens():
    result = _run(PAGE.read_text())
    assert result.failed == 0
    assert result.attempted >= 15


@pytest.mark.parametrize(("old", "new"), [("[False,  True]", "[True, True]"), ("(256,", "(128,")])
def test_an_edited_page_would_be_seen(old, new, capsys):
    assert _run(PAGE.read_text().replace(old, new)).failed == 1
