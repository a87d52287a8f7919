"""Backwards: from the error a model may have to the kernel error its attention may have.

The composition increases in eps, so bisection on exact numbers finds the largest eps whose bound
certainly meets the target. Degree and rank then follow for the widened kernel domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np

from varnum._plan import least_degree
from varnum.approx.degree import LeastDegree
from varnum.approx.target import relative
from varnum.balls.exact import parse, round_decimal
from varnum.errors import InputError
from varnum.model.backend import Ints
from varnum.model.generate import Model
from varnum.model.layers import linear, silu
from varnum.model.quantizer import teacher_maps
from varnum.model.transformer import class_vector, conditions, embed_map, embed_start
from varnum.propagate.exact import certify_ranges
from varnum.propagate.forms import UP, Floats
from varnum.propagate.transfer import Reach, solve_down
from varnum.propagate.var_model import (
    Composition,
    block_norms,
    certify_composition,
    head_norms,
)
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


def teacher_forced_setting(
    model: Model, label: int, tokens: Ints
) -> tuple[Floats, list[tuple[Floats, ...]]]:
    """One sequence of a NumPy model as blocks and head see it: x (L, C), AdaLN vectors per block.

    tokens (L): teacher forcing. The last element of the list is the head's (scale, shift). x and
    the vectors are float64 and taken as exact from here on.
    """
    var, w = model.var, model.var_weights
    maps = teacher_maps(model.vae_weights, model.vae, np.asarray(tokens)[None])
    c = class_vector(w, var, np.array([label]))
    parts = [embed_start(w, var, c)]
    parts += [embed_map(w, var, s, m) for s, m in enumerate(maps, start=1)]
    six = [tuple(v[0, 0] for v in vectors) for vectors in conditions(w, var, c)]
    name = "head_nm.ada_lin.1"
    two = linear(silu(c), w[f"{name}.weight"], w[f"{name}.bias"]).reshape(2, -1)
    return np.concatenate(parts, axis=1)[0], [*six, (two[0], two[1])]


def compose_run(
    model: Model, x: Floats, vectors: Sequence[tuple[Floats, ...]]
) -> Callable[[Fraction], Composition]:
    """eps -> Composition of the logits of one run (ranges enclosed on that run)."""
    w, var = model.var_weights, model.var
    _, ranges = certify_ranges(w, var, x, vectors, var.lengths)
    blocks = [block_norms(w, var, i, six) for i, six in enumerate(vectors[:-1])]
    head = head_norms(w, vectors[-1])
    token = Fraction(float(np.sqrt((x**2).sum(-1).max()) * UP))
    start = Reach.of(var.embed_dim, Fraction(float(np.abs(x).max())), 0, token)

    def compose(eps: Fraction) -> Composition:
        return certify_composition(blocks, head, start, eps, Fraction(str(var.norm_eps)), ranges)

    return compose
