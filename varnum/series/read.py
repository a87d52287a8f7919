"""A column of a CSV file as exact numbers."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from varnum.balls import parse
from varnum.errors import InputError

MAX_VALUES = 10**6
SMALLEST, LARGEST = Fraction(1, 10**100), 10**100  # so that every figure fits a double


class Column(NamedTuple):
    """Its name, its values, and the cell of the first row where that was taken as the header."""

    name: str
    values: list[Fraction]
    header: str | None


def read_column(path: Path, column: str | None = None) -> Column:
    """One column: the last, the one named in the header, or number 1, 2, ..

    A first row whose cell in that column is no number is the header. Values are read as exact
    decimals. Raises InputError with the line of the first cell that is missing or no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV text file ({error})") from None
    if not rows:
        raise InputError(f"{path}: empty; a column of numbers is needed")
    if len(rows) > MAX_VALUES:
        raise InputError(f"{path}: {len(rows)} rows; at most {MAX_VALUES}")
    first = [cell.strip() for cell in rows[0][1]]
    index = _index(first, column, path)
    name, header = f"column {index + 1}", None
    if not _is_number(first[index]):
        header = first[index]
        name = header or name
        rows = rows[1:]
    return Column(name, [_cell(path, line, row, index) for line, row in rows], header)


def _index(first: list[str], column: str | None, path: Path) -> int:
    if column is None:
        return len(first) - 1
    if column in first and not _is_number(column):
        return first.index(column)
    if column.isdecimal() and 1 <= int(column) <= len(first):
        return int(column) - 1
    header = ", ".join(first) if not all(map(_is_number, first)) else "no header"
    raise InputError(
        f"column: no {column!r} in {path}; a name of the header ({header}) or 1 to {len(first)}"
    )


def _is_number(cell: str) -> bool:
    try:
        parse(cell)
    except InputError:
        return False
    return True


def _cell(path: Path, line: int, row: list[str], index: int) -> Fraction:
    if index >= len(row) or not row[index].strip():
        raise InputError(
            f"{path}: line {line}: no value in column {index + 1}; fill or drop missing values"
        )
    try:
        value = parse(row[index].strip())
    except InputError as error:
        raise InputError(f"{path}: line {line}: {error}") from None
    if value and not SMALLEST < abs(value) < LARGEST:
        raise InputError(f"{path}: line {line}: sizes between 1e-100 and 1e100 are allowed, and 0")
    return value
