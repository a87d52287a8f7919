"""Thousands of changed certificates: refused, or still true according to a second oracle."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.checker import Malformed, NotProved, check, serialise

Content = dict[str, Any]
Path = tuple[Any, ...]
NONSENSE: list[Any] = [None, True, 1.5, float("nan"), "x", "", [], {}, 10**4000, "9" * 5000, "0xg"]
NUMBERS = [
    "0", "-0", "1", "2", "-1", "0.5", "-0.5", "0.25", "0.002", "0.00099", "0.005", "0.0009", "0.4",
    "-2", "-3", "-4", "-3.0000001", "-2.9999999", "1.0000001", "0.9999999", "-1.0000001", "1/3",
    "399", "-399", "2001", "1e-3", "1/0", " 1", "+1", "1_0", "٣", "0." + "0" * 99 + "1", "0.999",
]  # fmt: skip


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of the content with the way to it, inner nodes included."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*path, i))


def replaced(content: Content, path: Path, value: Any) -> Content:
    changed = copy.deepcopy(content)
    node: Any = changed
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return changed


def alternatives(path: Path, value: Any) -> Iterator[Any]:
    """Other values for one leaf: every bit of an integer flipped, other numbers, lists cut."""
    yield from NONSENSE
    if isinstance(value, str) and re.fullmatch("-?0x[0-9a-f]+", value):
        n = int(value, 16)
        yield from (hex(n ^ (1 << k)) for k in range(abs(n).bit_length() + 2))
        yield from map(hex, (-n, 0, 2 * n, n // 2, n - 1, n + 1, n * 9 // 8))
    elif path[0] in ("interval", "eps"):
        yield from NUMBERS
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + k for k in (-64, -8, -2, -1, 1, 2, 8, 64) if value + k != value)
        yield from (0, -value, -16384, -16385, 400, 401)
    elif isinstance(value, list):
        yield value[::-1]
        yield from ([*value[:i], *value[i + 1 :]] for i in range(len(value)))
        yield from ([*value[:i], value[i], *value[i:]] for i in range(len(value)))
        for i, j in combinations(range(len(value)), 2):
            swapped = list(value)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            yield swapped
    elif isinstance(value, dict):
        yield from ({k: v for k, v in value.items() if k != key} for key in value)
        yield {**value, "more": 1}
    elif path == ("error",):
        yield from ("relative", "additive", "absolute", "RELATIVE")


def mutants(content: Content) -> Iterator[Content]:
    for path, value in leaves(content):
        for other in alternatives(path, value):
            if not (type(other) is type(value) and other == value):
                yield replaced(content, path, other)


def verdict(content: Content, holds: Callable[[Content], None]) -> str:
    """Which way the checker goes; a traceback or a false statement accepted fails the test."""
    try:
        data = serialise(content)
    except ValueError:  # 10^4000 has no JSON: such a file cannot exist
        return "malformed"
    try:
        check(data)
    except Malformed:
        return "malformed"
    except NotProved:
        return "not proved"
    holds(content)
    return "accepted"


def test_one_change_with_the_digest_recomputed(case: Content, holds: Callable[..., None]) -> None:
    counts = {"malformed": 0, "not proved": 0, "accepted": 0}
    for mutant in mutants(case):
        counts[verdict(mutant, holds)] += 1
    assert counts["malformed"] > 100
    if case["degree"] > 0:
        assert counts["not proved"] > 200
        assert counts["accepted"] > 100  # low bits of a coefficient: harmless, and shown to be so


@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_several_changes_at_once(
    contents: dict[str, Content], holds: Callable[..., None], data: st.DataObject
) -> None:
    content = contents[data.draw(st.sampled_from(sorted(contents)))]
    rng = random.Random(data.draw(st.integers(0, 2**64)))
    for _ in range(data.draw(st.integers(1, 4))):
        path, value = rng.choice(
            [leaf for leaf in leaves(content) if not isinstance(leaf[1], dict)]
        )
        options = [x for x in alternatives(path, value) if type(x) is type(value)]
        content = replaced(content, path, rng.choice(options))
    verdict(content, holds)


@settings(max_examples=500, deadline=None)
@given(
    coefficients=st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=7),
    brackets=st.lists(st.integers(-(2**40), 2**40), min_size=12, max_size=12, unique=True),
    points=st.lists(st.integers(-64, 64), min_size=2, max_size=7, unique=True),
    eps=st.fractions(0, 1),
    additive=st.booleans(),
)
def test_random_statements(
    coefficients: list[int], brackets: list[int], points: list[int], eps: Any, additive: bool,
    holds: Callable[..., None],
) -> None:  # fmt: skip
    """Certificates out of the blue: nearly all are refused, an accepted one must be true."""
    g, cuts = len(coefficients) - 1, sorted(brackets)
    content = {
        "schema": "varnum/certificate/1",
        "error": "additive" if additive else "relative",
        "interval": ["-1", "1"],
        "eps": f"{eps.numerator}/{eps.denominator}",
        "degree": g,
        "upper": {
            "exponent": -64,
            "numerators": [hex(c) for c in coefficients],
            "brackets_exponent": -40,
            "brackets": [[hex(cuts[2 * i]), hex(cuts[2 * i + 1])] for i in range(g)],
        },
        "lower": {
            "degree": len(points) - 2,
            "points_exponent": -6,
            "points": [hex(x) for x in sorted(points)],
        },
        "minimal": g == len(points) - 1,
    }
    verdict(content, holds)


def test_every_bit_and_every_byte_counts(case: Content) -> None:
    """The file passes; with any bit flipped or any byte dropped, doubled or put in, it does not."""
    data = serialise(case)
    check(data)
    changed = 0
    for i in range(len(data)):
        flips = (data[:i] + bytes([data[i] ^ (1 << k)]) + data[i + 1 :] for k in range(8))
        moves = (
            data[:i] + data[i + 1 :],
            data[:i] + b" " + data[i:],
            data[:i] + data[i:][:1] + data[i:],
        )
        for other in (*flips, *moves):
            if other != data:
                changed += 1
                with pytest.raises(Malformed):
                    check(other)
    assert changed > 10 * len(data)


@settings(max_examples=500)
@given(cut=st.integers(0, 10**6), length=st.integers(0, 40), new=st.binary(max_size=40))
def test_any_piece_replaced(
    contents: dict[str, Content], cut: int, length: int, new: bytes
) -> None:
    data = serialise(contents["relative"])
    cut %= len(data) + 1
    other = data[:cut] + new + data[cut + length :]
    if other != data:
        with pytest.raises(Malformed):
            check(other)


def test_a_lower_degree_hidden_in_the_file_is_seen_by_the_oracle(
    contents: dict[str, Content], holds: Callable[..., None]
) -> None:
    """The oracle itself can fail: on a false eps, on a false polynomial, on a false lower bound."""
    good = contents["relative"]
    numerators = good["upper"]["numerators"]
    false = [
        replaced(good, ("eps",), "0.0005"),
        replaced(good, ("upper", "numerators", 0), hex(int(numerators[0], 16) * 1001 // 1000)),
        replaced(good, ("eps",), "0.0051"),
    ]
    for content in false:
        with pytest.raises(AssertionError):
            holds(content)
