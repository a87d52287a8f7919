"""Obligations of what is said about attention outputs: the rational steps of their proofs."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.proof.obligation import Obligation, Twin

_99 = sp.Rational(99, 100)
e, s, computed, x = sp.symbols("e s computed x", real=True)
bet, mean, error = sp.symbols("bet mean error", real=True)
r, p, q, kept, other = sp.symbols("r p q kept other", real=True)

_in_unit = [sp.Ge(t, 0) for t in (bet, mean, error)] + [sp.Le(t, 1) for t in (bet, mean, error)]

ATTENTION = (
    Obligation(
        name="sampled-guarantee",
        claim="sampled-guarantee",
        says="a bet of at most the whole capital never loses more than it",
        assume=tuple(_in_unit),
        conclude=sp.Ge(1 + bet * (mean - error), 0),
        twin=Twin(
            conclude=sp.Ge(1 + bet * (mean - error), sp.Rational(1, 100)),
            witness={"bet": 1, "mean": 0, "error": 1},
            says="all of it is lost where the mean is 0 and an error of 1 is drawn",
        ),
    ),
    Obligation(
        name="output-spread",
        claim="output-spread",
        says="an entry off by e, in units of a deviation that is at least s~ - e",
        assume=(sp.Ge(e, 0), sp.Gt(computed, e), sp.Ge(s, computed - e), sp.Le(x, e)),
        conclude=sp.Le(x * (computed - e), e * s),
        twin=Twin(
            conclude=sp.Le(x * (computed - e), _99 * e * s),
            witness={"e": 1, "computed": 2, "s": 1, "x": 1},
            says="attained by +-2 against +-1",
        ),
    ),
    Obligation(
        name="error-over-inputs",
        claim="error-over-inputs",
        says="the bet on q against a share p gains nothing where the true share r is at least p",
        assume=(sp.Gt(q, 0), sp.Lt(q, p), sp.Lt(p, 1), sp.Ge(r, p), sp.Le(r, 1)),
        conclude=sp.Le(r * q * (1 - p) + (1 - r) * (1 - q) * p, p * (1 - p)),
        twin=Twin(
            conclude=sp.Le(r * q * (1 - p) + (1 - r) * (1 - q) * p, _99 * p * (1 - p)),
            witness={"r": Fraction(1, 2), "p": Fraction(1, 2), "q": Fraction(1, 8)},
            says="fair where the true share is p",
        ),
    ),
    Obligation(
        name="generation-tv",
        claim="generation-tv",
        says="one of two copies parts with at most the sum of the two probabilities",
        assume=(sp.Ge(kept, 0), sp.Le(kept, 1), sp.Ge(other, 0), sp.Le(other, 1)),
        conclude=sp.Le(1 - kept * other, 2 - kept - other),
        twin=Twin(
            conclude=sp.Le(1 - kept * other, _99 * (2 - kept - other)),
            witness={"kept": 1, "other": 0},
            says="attained where one of them never parts",
        ),
    ),
)
