"""A share tested while the sample grows: stop whenever the evidence is enough."""

from __future__ import annotations

from fractions import Fraction

from varnum.balls.scalar import arb, ball, certainly_less, precision

_BETTER = 4  # the bet is on a share this many times smaller


def certainly_rare(bad: int, good: int, share: Fraction, chance: Fraction) -> bool:
    """Whether `bad` of bad + good draws so far show that the true share is below `share`.

    Asked after every draw, it is ever wrong with probability at most `chance`: each factor q/share
    (bad) or (1 - q)/(1 - share) (good), q = share/4, has expectation at most 1 for every true share
    from `share` on, so the product passes 1/chance with that probability (Ville; claim
    error-over-inputs).

    >>> certainly_rare(0, 20, Fraction(1, 2), Fraction(1, 1000))
    True
    >>> certainly_rare(15, 20, Fraction(1, 2), Fraction(1, 1000))
    False
    """
    with precision(96):
        return certainly_less(1 / ball(chance), capital(bad, good, share))


def capital(bad: int, good: int, share: Fraction) -> arb:
    """What a capital of 1 has become by the bet against `share`."""
    smaller = share / _BETTER
    lost, won = ball(smaller / share), ball((1 - smaller) / (1 - share))
    return lost**bad * won**good
