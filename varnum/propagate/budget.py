"""Backwards: from the error a model may have to the kernel error its attention may have.

The composition increases in eps, so bisection on exact numbers finds the largest eps whose bound
certainly meets the target. Degree and rank then follow for the widened kernel domain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import comb

from varnum._plan import least_degree
from varnum.approx.degree import LeastDegree
from varnum.approx.target import relative
from varnum.balls.exact import parse, round_decimal
from varnum.errors import InputError
from varnum.propagate.transfer import solve_down
from varnum.propagate.var_model import Composition
from varnum.verdict import Unknown


@dataclass(frozen=True)
class Budget:
    """What a model error allows: kernel error, half width of the kernel's domain, degree, rank.

    composition: the walk at this eps (amplification per layer); rank: C(d + degree, degree).
    """

    model_error: Fraction
    eps: Fraction
    domain: Fraction
    least: LeastDegree | Unknown
    rank: int | None
    composition: Composition


def certify_budget(
    model_error: str | Fraction,
    compose: Callable[[Fraction], Composition],
    head_dim: int,
    with_degree: bool = True,
) -> Budget | Unknown:
    """Largest eps <= 1/2 (to 1e-6 of itself) with compose(eps) within model_error, and the rest.

    compose: eps -> Composition, e.g. partial(certify_composition, ...). Unknown if no eps above
    2^-400 is small enough.
    """
    target = parse(model_error, "--model-error")
    if target <= 0:
        raise InputError(f"--model-error: {model_error} is not above 0")
    eps = solve_down(lambda e: compose(e).reach.error, target, Fraction(1, 2))
    if eps is None:
        return Unknown("no kernel error above 2^-400 meets this model error")
    eps = parse(round_decimal(eps, 6, up=False))
    composition = compose(eps)
    domain = parse(round_decimal(composition.domain, 6, up=True))
    least: LeastDegree | Unknown = Unknown("not asked for")
    if with_degree:
        least = least_degree(relative(domain), eps, relative(domain))
    rank = comb(head_dim + least.degree, least.degree) if isinstance(least, LeastDegree) else None
    return Budget(target, eps, domain, least, rank, composition)
