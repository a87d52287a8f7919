"""Rigorous arithmetic: exact numbers in and out, balls that fail closed. flint lives here.

`exact`: decimals and fractions; `scalar`: one ball; `array` and `namespace`: arrays of balls as an
Array API namespace; `questions`: what one may ask of them.
"""

from varnum.balls.exact import parse, round_decimal, to_text

__all__ = ["parse", "round_decimal", "to_text"]
