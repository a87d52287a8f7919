"""Rigorous arithmetic: exact numbers in and out, balls that fail closed. flint lives here."""

from varnum.balls.exact import parse, round_decimal, to_text

__all__ = ["parse", "round_decimal", "to_text"]
