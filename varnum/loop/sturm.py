"""A second method for polynomial networks of two dimensions: Sturm's theorem in exact rationals.

Independent of `count`: no interval, no box, no float.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from varnum.loop.net import Net

Poly = list[Fraction]  # coefficients from the constant on


def fixed_points_of_the_plane(net: Net) -> int | None:
    """How many fixed points f(x) = g(W x + b) has in R^2; None where this method does not apply.

    For d = 2, a polynomial g and W_12 or W_21 not 0. With u = W x + b, x = g(u): row 1 gives
    g(u_2) = P(u_1), row 2 then u_2 = Q(u_1), so fixed points are the real roots of g(Q) - P.
    """
    if net.d != 2 or not net.g.powers:
        return None
    W = [[Fraction(float(x)) for x in row] for row in net.W]
    b = [Fraction(float(x)) for x in net.b]
    if W[0][1] == 0:
        W, b = [row[::-1] for row in W[::-1]], b[::-1]
    if W[0][1] == 0:
        return None
    g = list(net.g.powers)
    P = _scaled(_sum([-b[0], Fraction(1)], _scaled(g, -W[0][0])), 1 / W[0][1])
    Q = _sum(_sum(_scaled(g, W[1][0]), _scaled(P, W[1][1])), [b[1]])
    gap = _sum(_composed(g, Q), _scaled(P, Fraction(-1)))
    return None if len(gap) < 2 else real_roots(gap)


def real_roots(p: Poly) -> int:
    """The number of distinct real roots of a polynomial of positive degree."""
    chain = [p, _derivative(p)]
    while chain[-1] != [0]:
        rest = _scaled(_remainder(chain[-2], chain[-1]), Fraction(-1))
        if rest == [0]:
            break
        # a positive factor changes no sign and keeps the numbers small
        chain.append(_scaled(rest, 1 / abs(rest[-1])))
    return _changes([q[-1] * (-1) ** (len(q) - 1) for q in chain]) - _changes(
        [q[-1] for q in chain]
    )


def _changes(signs: Poly) -> int:
    kept = [x > 0 for x in signs if x != 0]
    return sum(a != b for a, b in pairwise(kept))


def _trim(p: Poly) -> Poly:
    while len(p) > 1 and p[-1] == 0:
        p = p[:-1]
    return p


def _sum(a: Poly, b: Poly) -> Poly:
    n = max(len(a), len(b))
    padded = [x + [Fraction(0)] * (n - len(x)) for x in (a, b)]
    return _trim([x + y for x, y in zip(*padded, strict=True)])


def _scaled(a: Poly, factor: Fraction) -> Poly:
    return _trim([x * factor for x in a])


def _product(a: Poly, b: Poly) -> Poly:
    out = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i + j] += x * y
    return _trim(out)


def _composed(a: Poly, b: Poly) -> Poly:
    out = [Fraction(0)]
    for x in reversed(a):
        out = _sum(_product(out, b), [x])
    return out


def _derivative(a: Poly) -> Poly:
    return _trim([k * x for k, x in enumerate(a)][1:] or [Fraction(0)])


def _remainder(a: Poly, b: Poly) -> Poly:
    a = list(a)
    while len(a) >= len(b) and a != [0]:
        factor = a[-1] / b[-1]
        shift = len(a) - len(b)
        for i, x in enumerate(b):
            a[shift + i] -= factor * x
        a = _trim(a[:-1] or [Fraction(0)])
    return a
