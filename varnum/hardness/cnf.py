"""Formulas in conjunctive normal form, from DIMACS text; nothing doubtful is let through.

Duplicated literals, tautologies, empty clauses and empty formulas are legal and mean what they say.
Wrong counts, unknown variables, unended clauses and stray words raise InputError with the line.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from varnum.errors import InputError

MAX_BYTES = 32 << 20
MAX_VARIABLES = 10**6  # an assignment lists them all
_LITERAL = re.compile(r"0|-?[1-9][0-9]{0,17}")
_COUNT = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Cnf:
    """A formula over variables 1..variables; a clause is a set of non-zero signed integers."""

    variables: int
    clauses: tuple[frozenset[int], ...]

    def satisfied_by(self, true_literals: set[int]) -> bool:
        """Exactly: does every clause contain one of the literals (v or -v per variable)?

        Raises ValueError where a variable is set both ways.
        """
        if any(-literal in true_literals for literal in true_literals):
            raise ValueError("an assignment sets a variable both ways")
        return all(not clause.isdisjoint(true_literals) for clause in self.clauses)


def read_cnf(path: Path) -> Cnf:
    """Parse a DIMACS file; raises InputError naming file, line and what is allowed."""
    return parse_cnf(read_text(path), str(path))


def read_text(path: Path) -> str:
    """A small ASCII file, also gzipped, `-` for stdin; a byte order mark is skipped.

    Raises InputError where it cannot be read or has no early end.
    """
    try:
        with open(0 if str(path) == "-" else path, "rb", closefd=str(path) != "-") as file:
            content = file.read(MAX_BYTES + 1)  # a device says 0 bytes and never ends
        if content.startswith(_GZIP):
            if len(content) > MAX_BYTES:
                raise InputError(f"{path}: more than {MAX_BYTES} bytes; no more are read")
            with gzip.open(BytesIO(content)) as packed:
                content = packed.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: no whole gzip file ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: more than {MAX_BYTES} bytes; no more are read")
    return content.removeprefix(codecs.BOM_UTF8).decode("ascii", errors="replace")


_GZIP = b"\x1f\x8b"


def split_lines(text: str) -> list[str]:
    """Lines of a text; str.splitlines would also end a comment at a form feed."""
    return re.split(r"\r\n|\r|\n", text)


def parse_cnf(text: str, name: str = "cnf") -> Cnf:
    """Parse DIMACS text.

    >>> parse_cnf("c hello\\np cnf 2 2\\n1 -2 0\\n2 0\\n").clauses == ({1, -2}, {2})
    True
    """
    header: tuple[int, int] | None = None
    clauses: list[frozenset[int]] = []
    literals: list[int] = []
    for number, words in _lines(text, name):
        where = f"{name}: line {number}"
        if words[0] == "p":
            if header is not None:
                raise InputError(f"{where}: a second header; one 'p cnf VARIABLES CLAUSES' only")
            header = _header(words, where)
            continue
        if header is None:
            raise InputError(f"{where}: {_shown(words[0])} before the header 'p cnf ...'")
        for word in words:
            literal = _literal(word, header[0], where)
            if literal:
                literals.append(literal)
            else:
                clauses.append(frozenset(literals))
                literals = []
    if header is None:
        raise InputError(f"{name}: no header line 'p cnf VARIABLES CLAUSES'")
    if literals:
        raise InputError(f"{name}: the last clause has no 0 at its end")
    if len(clauses) != header[1]:
        raise InputError(f"{name}: {len(clauses)} clauses, but the header promises {header[1]}")
    return Cnf(header[0], tuple(clauses))


def _lines(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Numbered lines as words, without blanks and comments, up to SATLIB's '%' end mark."""
    lines = enumerate(split_lines(text), start=1)
    for number, line in lines:
        words = line.split()
        if words == ["%"]:
            if any(rest.split() not in ([], ["0"]) for _, rest in lines):
                raise InputError(f"{name}: line {number}: only '0' may follow the end mark '%'")
            return
        if words and not words[0].startswith("c"):
            yield number, words


def _header(words: list[str], where: str) -> tuple[int, int]:
    counts = words[2:]
    if words[:2] != ["p", "cnf"] or len(counts) != 2 or not all(map(_COUNT.fullmatch, counts)):
        raise InputError(f"{where}: {_shown(' '.join(words))} is not 'p cnf VARIABLES CLAUSES'")
    variables = int(counts[0])
    if variables > MAX_VARIABLES:
        raise InputError(f"{where}: {variables} variables; at most {MAX_VARIABLES} are allowed")
    return variables, int(counts[1])


def _literal(word: str, variables: int, where: str) -> int:
    if not _LITERAL.fullmatch(word):
        raise InputError(f"{where}: {_shown(word)} is not a literal; allowed: whole numbers")
    literal = int(word)
    if abs(literal) > variables:
        raise InputError(f"{where}: literal {literal} is unknown; variables are 1 to {variables}")
    return literal


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
