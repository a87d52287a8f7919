"""The limits of the certificate file, as docs/reference/certificate.md gives them, both sides."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from varnum.checker import Malformed, load, serialise
from varnum.checker.certificate import read

Content = dict[str, Any]


@pytest.fixture
def plain(contents: dict[str, Content]) -> Content:
    return deepcopy(contents["relative"])


def accepted(content: Content) -> bool:
    """Is the form allowed? Whether the statement follows is another question."""
    try:
        read(serialise(content))
    except Malformed:
        return False
    return True


def of_degree(content: Content, degree: int) -> Content:
    content |= {"degree": degree, "lower": None, "minimal": False}
    content["upper"] = {
        "exponent": 0,
        "numerators": ["0x1"] * (degree + 1),
        "brackets_exponent": 0,
        "brackets": [["0x0", "0x1"]] * degree,
    }
    return content


@pytest.mark.parametrize(("degree", "fine"), [(0, True), (400, True), (401, False)])
def test_degree(plain: Content, degree: int, fine: bool) -> None:
    assert accepted(of_degree(plain, degree)) == fine


@pytest.mark.parametrize(("degree", "fine"), [(0, True), (400, True), (401, False), (-1, False)])
def test_lower_degree(plain: Content, degree: int, fine: bool) -> None:
    content = of_degree(plain, 1)
    points = [hex(k) for k in range(degree + 2)]
    content["lower"] = {"degree": degree, "points_exponent": 0, "points": points}
    assert accepted(content) == fine


@pytest.mark.parametrize(
    ("interval", "fine"),
    [
        (["-2000", "2000"], True),
        (["-2000.0001", "0"], False),
        (["0", "2000.0001"], False),
        (["1", "1"], True),
        (["1", "0.9999"], False),
    ],
)
def test_interval(plain: Content, interval: list[str], fine: bool) -> None:
    content = of_degree(plain, 1)
    content["interval"] = interval
    assert accepted(content) == fine


@pytest.mark.parametrize("where", ["exponent", "brackets_exponent"])
def test_places(plain: Content, where: str) -> None:
    content = of_degree(plain, 1)
    for exponent, fine in ((-16384, True), (-16385, False), (0, True), (1, False)):
        content["upper"][where] = exponent
        assert accepted(content) == fine, exponent


@pytest.mark.parametrize(("digits", "fine"), [(4096, True), (4097, False)])
def test_digits_of_an_integer(plain: Content, digits: int, fine: bool) -> None:
    content = of_degree(plain, 1)
    content["upper"]["numerators"][0] = "0x" + "f" * digits
    assert accepted(content) == fine


@pytest.mark.parametrize(("digits", "fine"), [(700, True), (701, False)])
def test_digits_of_a_number(plain: Content, digits: int, fine: bool) -> None:
    for eps in ("0." + "1" * digits, "1/" + "9" * digits, "0" * digits + ".5"):
        assert accepted({**of_degree(deepcopy(plain), 1), "eps": eps}) == fine


def test_bytes(plain: Content, tmp_path: Path) -> None:
    """A file is read up to one byte past the limit, which is then refused by its size alone."""
    path = tmp_path / "c.json"
    for size, said in ((1 << 21, "expected JSON"), ((1 << 21) + 1, "at most 2097152 bytes")):
        path.write_bytes(b" " * size)
        data = load(str(path))
        assert len(data) == size
        with pytest.raises(Malformed, match=said):
            read(data)
    path.write_bytes(b" " * (3 << 20))
    assert len(load(str(path))) == (1 << 21) + 1


def test_work() -> None:
    """About count^2 places (count places + long) bit operations; the limit is 2^45."""

    def work(count: int, places: int, long: int) -> int:
        return count**2 * places * (count * places + long)

    def content(degree: int, places: int, long: int, lower: int | None = None) -> Content:
        base: Content = {
            "schema": "varnum/certificate/1", "error": "relative", "interval": ["-1", "1"],
            "eps": "1/2",
        }  # fmt: skip
        c = of_degree(base, degree)
        c["upper"]["brackets_exponent"] = -places
        c["upper"]["numerators"][0] = "0x" + "f" * (long // 4)
        if lower is not None:
            c["lower"] = {"degree": lower, "points_exponent": -places, "points": []}
            c["lower"]["points"] = [hex(k) for k in range(lower + 2)]
        return c

    for degree, long in ((30, 4), (100, 4), (100, 16384), (400, 4)):
        least = max(p for p in range(16384) if work(degree + 2, p + 1 + 64 + 1, long) <= 1 << 45)
        assert accepted(content(degree, least, long)), (degree, long)
        assert not accepted(content(degree, least + 2, long)), (degree, long)
    # the points of the lower bound count as well: 252 of them, places added up
    both = max(p for p in range(8192) if work(252, 2 * p + 1 + 64 + 1, 4) <= 1 << 45)
    assert accepted(content(3, both, 4, lower=250))
    assert not accepted(content(3, both + 2, 4, lower=250))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("more",), 1),
        (("upper", "more"), 1),
        (("lower", "more"), 1),
        (("schema",), "varnum/certificate/2"),
        (("error",), "absolute"),
        (("minimal",), 1),
        (("minimal",), "true"),
        (("degree",), True),
        (("degree",), 1.0),
        (("degree",), "1"),
        (("eps",), 0.5),
        (("eps",), None),
        (("eps",), ["0.5"]),
        (("upper",), []),
        (("upper",), None),
        (("lower",), []),
        (("lower",), "degree"),
        (("interval",), "01"),
        (("interval",), {"0": 1, "1": 2}),
        (("upper", "numerators"), [1, 1]),
        (("upper", "numerators"), [None, "0x1"]),
        (("upper", "brackets"), ["ab"]),
        (("upper", "brackets"), [{"a": 1, "b": 2}]),
        (("upper", "exponent"), False),
        (("upper", "exponent"), "0"),
    ],
)
def test_kinds_and_keys(plain: Content, where: tuple[str, ...], value: Any) -> None:
    """Each wrong kind or further key is one line; so is each missing key."""
    content = of_degree(plain, 1)
    points = ["0x0", "0x1"]
    content["lower"] = {"degree": 0, "points_exponent": 0, "points": points}
    assert accepted(content)
    inner = content
    for key in where[:-1]:
        inner = inner[key]
    known = where[-1] in inner
    before = inner.get(where[-1])
    inner[where[-1]] = value
    assert not accepted(content)
    if known:
        del inner[where[-1]]
        assert not accepted(content)
        inner[where[-1]] = before
        assert accepted(content)
