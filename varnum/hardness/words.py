"""Two sides of 0/1 words from a text file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from varnum.errors import InputError
from varnum.hardness.cnf import MAX_BYTES
from varnum.hardness.reduce import MAX_ENTRIES, MAX_SIDE, Bits


def read_words(path: Path) -> tuple[Bits, Bits]:
    """Words of one length, one a line, `#` starts a comment, a blank line between the two sides.

    Raises InputError naming file, line and what is allowed.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES} bytes")
        lines = path.read_bytes().decode("ascii", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    sides: list[list[str]] = [[]]
    width = None
    for number, line in enumerate(lines, start=1):
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
