"""Two sides of 0/1 words from a text file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from varnum.errors import InputError
from varnum.hardness.cnf import read_text, split_lines
from varnum.hardness.reduce import MAX_ENTRIES, MAX_SIDE, Bits


def read_words(path: Path) -> tuple[Bits, Bits]:
    """Words of one length, one a line, `#` starts a comment, a blank line between the two sides.

    Raises InputError naming file, line and what is allowed.
    """
    sides: list[list[str]] = [[]]
    width = None
    for number, line in enumerate(split_lines(read_text(path)), start=1):
        word = "".join(line.partition("#")[0].split())
        if not word:
            if not line.strip() and sides[-1]:
                sides.append([])
            continue
        width = len(word) if width is None else width
        if set(word) - {"0", "1"} or len(word) != width:
            raise InputError(f"{path}: line {number}: need {width} digits, each 0 or 1")
        sides[-1].append(word)
    sides = [side for side in sides if side]
    if len(sides) != 2:
        raise InputError(f"{path}: {len(sides)} sides; two are needed, a blank line between them")
    if max(map(len, sides)) > MAX_SIDE or max(map(len, sides)) * (width or 0) > MAX_ENTRIES:
        raise InputError(f"{path}: at most {MAX_SIDE} words and {MAX_ENTRIES} digits a side")
    first, second = (
        np.array([[int(digit) for digit in word] for word in side], dtype=np.int8) for side in sides
    )
    return first, second
