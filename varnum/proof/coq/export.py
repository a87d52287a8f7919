"""A certificate as a Coq file: two theorems a mathematician can read, proved by computation.

The file states what the certificate states (docs/reference/certificate.md) and hands its integers
to the check of proofs/coq/Certificate.v, whose soundness is proved there. The precisions chosen
here decide whether that check succeeds, never whether it is right.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from fractions import Fraction
from math import ceil, lcm
from typing import Protocol

MODULES = {False: "Fast", True: "Pure"}  # minimal axioms?


class Held(Protocol):
    """What is needed of a certificate that was read (checker.Certificate)."""

    @property
    def relative(self) -> bool: ...  # noqa: D102
    @property
    def low(self) -> Fraction: ...  # noqa: D102
    @property
    def high(self) -> Fraction: ...  # noqa: D102
    @property
    def eps(self) -> Fraction: ...  # noqa: D102
    @property
    def numerators(self) -> list[int]: ...  # noqa: D102
    @property
    def unit(self) -> Fraction: ...  # noqa: D102
    @property
    def brackets(self) -> list[tuple[Fraction, Fraction]]: ...  # noqa: D102
    @property
    def points(self) -> list[int]: ...  # noqa: D102
    @property
    def step(self) -> Fraction: ...  # noqa: D102
    @property
    def text(self) -> dict[str, object]: ...  # noqa: D102


def coq_file(held: Held, minimal_axioms: bool = False) -> str:
    """The .v text whose theorems `reached` and, where points are held, `excluded` it proves.

    minimal_axioms: compute with integers that Coq defines itself, not with its primitive ones.
    """
    kind, module = "relative" if held.relative else "additive", MODULES[minimal_axioms]
    statements = [_upper(held, f"{module}.upper_sound {kind}")]
    if held.points:
        statements.append(_lower(held, f"{module}.lower_sound {kind}"))
    return "\n".join([_title(held), _IMPORTS % module, _data(held), *statements])


_IMPORTS = """\
From Coq Require Import Reals QArith List.
From Varnum Require Import Polynomial Statement Certificate %s.
Import ListNotations.
Open Scope R_scope.
"""


def _title(held: Held) -> str:
    return f"""\
(* Certificate {held.text["digest"]}.
   Pol p x is p_0 + p_1 x + p_2 x^2 + .., and peval q x the same for real coefficients.
   Compile: varnum certify --coq-prelude DIR && coqc -R DIR Varnum THIS_FILE.v *)
"""


def _upper(held: Held, sound: str) -> str:
    return f"""\
Theorem reached : exists p : list Q, length p = {len(held.numerators)}%nat /\\ forall x : R,
  {_inside(held)} -> {_error(held, "Pol p x")} <= {_real(held.eps)}.
Proof. refine ({sound} held _). vm_cast_no_check (eq_refl true). Qed.
"""


def _lower(held: Held, sound: str) -> str:
    return f"""\
Theorem excluded : forall q : list R, (length q < {len(held.points)})%nat -> exists x : R,
  {_inside(held)} /\\ {_error(held, "peval q x")} > {_real(held.eps)}.
Proof. refine ({sound} held _). vm_cast_no_check (eq_refl true). Qed.
"""


def _inside(held: Held) -> str:
    return f"{_real(held.low)} <= x <= {_real(held.high)}"


def _error(held: Held, value: str) -> str:
    return f"Rabs ({value} * exp (- x) - 1)" if held.relative else f"Rabs ({value} - exp x)"


def _real(x: Fraction) -> str:
    return f"{x.numerator}" if x.denominator == 1 else f"{x.numerator} / {x.denominator}"


def _data(held: Held) -> str:
    unit, ends = lcm(*(x.denominator for b in held.brackets for x in b)), held.brackets
    pairs = [f"({_hex(a * unit)}, {_hex(b * unit)})" for a, b in ends]
    main, exp, curve, low = precisions(held)
    fields = {
        "low": _rational(held.low),
        "high": _rational(held.high),
        "eps": _rational(held.eps),
        "unit": _power(held.unit.denominator),
        "numerators": _list(_hex(Fraction(n)) for n in held.numerators),
        "bracket_unit": _power(unit),
        "brackets": _list(pairs),
        "point_unit": _power(held.step.denominator),
        "points": _list(_hex(Fraction(n)) for n in held.points),
        "bits_main": f"{main}%positive",
        "bits_exp": f"{exp}%positive",
        "bits_curve": f"{curve}%positive",
        "bits_low": f"{low}%positive",
    }
    body = ";\n".join(f"  {key} := {value}" for key, value in fields.items())
    return f"Definition held : certificate := {{|\n{body}\n|}}.\n"


def _rational(x: Fraction) -> str:
    return f"({x.numerator} # {x.denominator})%Q"


def _power(two_to_the: int) -> str:
    return f"(2 ^ {two_to_the.bit_length() - 1})%positive" if two_to_the > 1 else "1%positive"


def _hex(n: Fraction) -> str:
    if n.denominator != 1:
        raise ArithmeticError(f"{n} is not an integer")
    return hex(n.numerator)


def _list(items: Iterable[str]) -> str:
    """A list of integers, folded; a term is never broken."""
    wide = textwrap.fill(
        "; ".join(items), 96, initial_indent="    ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return f"[\n{wide}]%Z" if wide.strip() else "[]"


def precisions(held: Held) -> tuple[int, int, int, int]:
    """Bits for P and its slope, for exp there, for the curvature, and for the points.

    Horner's terms reach e^|x| where P is about e^x, and the slope at the end of a bracket of width
    w is about eps w: so many bits go before the first that counts. exp is only needed to the
    digits of eps, except beside an additive slope.
    """
    small = held.eps.denominator.bit_length()
    narrow = max((ceil(1 / (b - a)).bit_length() for a, b in held.brackets if a < b), default=0)
    left, right = (_log2_exp(max(x, Fraction(0))) for x in (-held.low, held.high))
    main = max(left, right) + (left if held.relative else 0) + small + narrow + 48
    exp = small + 48 if held.relative else right + small + narrow + 48
    longest = max((abs(n).bit_length() for n in held.points), default=0)
    return main, exp, 64, max(longest, small + 32) + 32


def _log2_exp(x: Fraction) -> int:
    """At least log2(e^x), x >= 0."""
    return ceil(x * Fraction(1443, 1000))
