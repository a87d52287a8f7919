"""Every mutant of a file: one operator, number, comparison, call or statement changed.

Beside the usual swaps, terms and roundings are dropped (`a + b` to `a`, `up(a)` to `a`): that is
how a bound goes wrong. Docstrings, annotations, messages (f-strings) and text are left alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SWAPPED = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "//",
    ast.Pow: "*", ast.LShift: ">>", ast.RShift: "<<", ast.BitAnd: "|", ast.BitOr: "&",
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
    ast.And: "or", ast.Or: "and",
}  # fmt: skip
RENAMED = {
    "min": "max", "minimum": "maximum", "lower": "upper", "ceil": "floor", "any": "all",
    "amin": "amax", "abs_lower": "abs_upper", "float_down": "float_up", "at_least": "at_most",
}  # fmt: skip
RENAMED |= {new: old for old, new in RENAMED.items()}
DROPPED = ("abs", "up", "sqrt", "ball", "upper", "lower", "raise_diagonal", "tidy")


@dataclass(frozen=True)
class Mutant:
    """One changed place: the line before and after, in `where` (file::function)."""

    file: str
    line: int
    where: str
    old: str
    new: str
    nth: int  # of equal changes in the same function
    source: str  # the whole changed file

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What names a mutant also when lines have moved."""
        return self.where, self.old, self.new, self.nth


def edits(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """(part of the source, its replacement) for one node."""
    text = ast.unparse
    match node:
        case ast.BinOp(left=a, op=op, right=b):
            if type(op) in SWAPPED:
                yield node, f"(({text(a)}) {SWAPPED[type(op)]} ({text(b)}))"
            if isinstance(op, ast.Add | ast.Sub):
                yield node, f"({text(a)})"
            if isinstance(op, ast.Mult):
                yield node, f"({text(b)})" if isinstance(a, ast.Constant) else f"({text(a)})"
        case ast.AugAssign(op=op) if type(op) in SWAPPED:
            yield node, f"{text(node.target)} {SWAPPED[type(op)]}= {text(node.value)}"
            yield node, "pass"
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                if type(op) in SWAPPED:
                    parts = [f"({text(node.left)})"]
                    for j, (o, c) in enumerate(zip(ops, node.comparators, strict=True)):
                        sign = text(ast.Compare(ast.Name("x"), [o], [ast.Name("y")]))[2:-2]
                        parts += [SWAPPED[type(op)] if i == j else sign, f"({text(c)})"]
                    yield node, f"({' '.join(parts)})"
        case ast.BoolOp(op=op, values=values):
            yield node, "(" + f" {SWAPPED[type(op)]} ".join(f"({text(v)})" for v in values) + ")"
            for i in range(len(values)):
                sign = "and" if isinstance(op, ast.And) else "or"
                kept = [f"({text(v)})" for j, v in enumerate(values) if i != j]
                yield node, "(" + f" {sign} ".join(kept) + ")"
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=x):
            yield node, f"({text(x)})"
        case ast.Constant(value=bool() as value):
            yield node, str(not value)
        case ast.Constant(value=int() as value):
            yield node, str(value + 1)
            if value > 1:
                yield node, str(value - 1)
        case ast.Constant(value=float() as value):
            yield node, repr(value * 2 if value else 1.0)
            yield node, repr(value / 2 if value else -1.0)
        case ast.IfExp(test=test, body=a, orelse=b):
            yield node, f"({text(b)} if {text(test)} else {text(a)})"
        case ast.If(test=test) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield test, f"(not {text(test)})"
        case ast.Raise():
            yield node, "pass"
        case ast.Break():
            yield node, "pass"
        case ast.Continue():
            yield node, "pass"
        case ast.Expr(value=ast.Call()):
            yield node, "pass"
        case ast.Call(func=func, args=[first, *_]):
            name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            if name in DROPPED and isinstance(func, ast.Name):
                yield node, f"({text(first)})"
            if name in RENAMED:
                yield func, text(func)[: -len(name)] + RENAMED[name]
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=[]):
            if name in RENAMED:
                yield node, f"{text(value)}.{RENAMED[name]}()"
            elif name in ("upper", "lower", "abs_upper", "abs_lower", "tidy", "mid"):
                yield node, f"({text(value)})"


def mutants(root: Path, file: str) -> list[Mutant]:
    """Every mutant of one file; docstrings, annotations and f-strings are left alone."""
    source = (root / file).read_text("utf-8")
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    found: list[Mutant] = []
    seen: dict[tuple[str, str, str], int] = {}

    def visit(node: ast.AST, where: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            where = f"{where}.{node.name}" if "::" in where[:-2] else f"{where}{node.name}"
        for part, new in edits(node):
            at = (part.lineno - 1, part.col_offset), (part.end_lineno - 1, part.end_col_offset)
            changed = replaced(lines, *at, new)
            old = ast.unparse(part)
            nth = seen[where, old, new] = seen.get((where, old, new), -1) + 1
            found.append(Mutant(file, part.lineno, where, old, new, nth, changed))
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                    visit(child, where)

    visit(ast.parse(source), f"{file}::")
    return found


def replaced(lines: list[bytes], start: tuple[int, int], end: tuple[int, int], new: str) -> str:
    head, tail = lines[start[0]][: start[1]], lines[end[0]][end[1] :]
    middle = [head, new.encode(), tail]
    return b"".join([*lines[: start[0]], *middle, *lines[end[0] + 1 :]]).decode()
