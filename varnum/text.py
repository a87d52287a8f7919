"""Text for people: sentences that fold, tables, integers of any size, exact numbers in short."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from fractions import Fraction

from varnum.balls.exact import round_decimal, to_text

WIDTH = 80  # of text for people, on a terminal or not: the same output everywhere


_KEPT = re.compile(r"(?<=\d) (?=\d{3}\b)|(?<= <=) | (?=<= )|(?<= =) | (?== )")


def filled(text: str, indent: str = "  ") -> str:
    """A sentence on lines of at most WIDTH columns; all but the first start with `indent`.

    No line ends inside a number of several groups, or next to its sign of equality.
    """
    lines = textwrap.fill(
        _KEPT.sub("\N{NO-BREAK SPACE}", text), WIDTH, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table: each column as wide as its widest cell, two spaces between."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def big(number: int) -> str:
    """An integer in full up to 12 digits, else rounded up to four figures and a power of ten.

    >>> big(495), big(36949986), big(1395796171061794618386151)
    ('495', '36 949 986', '1.396e24')
    """
    text = to_text(number)
    if len(text) <= 12:
        return f"{number:,}".replace(",", " ") if len(text) > 4 else text
    figures = int(text[:4]) + (text[4:].strip("0") != "")
    power = len(text) - 1 + (figures == 10_000)
    shown = str(min(figures, 10_000))
    return f"{shown[0]}.{shown[1:4]}e{power}"


def short(number: Fraction) -> str:
    """An exact number if it is short, else with about ten digits and a sign of it."""
    text = to_text(number)
    return text if len(text) <= 16 else f"~{round_decimal(number, 10, up=True)}"
