"""Files of Hamming words."""

import pytest

from varnum.errors import InputError
from varnum.hardness.words import read_words


def test_two_sides(tmp_path):
    path = tmp_path / "w"
    path.write_text("# first side\n0 1\n10\n\n\n11 # second\n")
    x, y = read_words(path)
    assert x.tolist() == [[0, 1], [1, 0]]
    assert y.tolist() == [[1, 1]]


def test_a_form_feed_does_not_end_a_comment(tmp_path):
    path = tmp_path / "w"
    path.write_text("01 # far\x0c11\n\n11\n")
    assert read_words(path)[0].tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "0 sides"),
        ("01\n", "1 sides"),
        ("01\n\n1\n", "line 3"),
        ("01\n\n12\n", "line 3"),
        ("0\n\n1\n\n1\n", "3 sides"),
    ],
)
def test_bad_words(tmp_path, text, says):
    path = tmp_path / "w"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        read_words(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_words(tmp_path)
