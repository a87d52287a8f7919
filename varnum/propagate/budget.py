"""Backwards: from the error a model may have to the kernel error its attention may have.

The composition increases in eps, so bisection on exact numbers finds the largest eps whose bound
certainly meets the target. Degree and rank then follow for the widened kernel domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb

import numpy as np

from varnum._plan import least_degree
from varnum.approx.degree_certificate import ProvedDegree
from varnum.approx.target import relative
from varnum.balls.exact import parse, round_decimal, to_text
from varnum.envelope import plain
from varnum.errors import InputError
from varnum.model.backend import Ints
from varnum.model.generate import Model
from varnum.model.layers import linear, silu
from varnum.model.quantizer import teacher_maps
from varnum.model.transformer import class_vector, conditions, embed_map, embed_start
from varnum.outward import at_least
from varnum.propagate.affine import AffineBound, certify_blocks, estimate_first_order
from varnum.propagate.forms import UP, Floats
from varnum.propagate.run_enclosure import certify_ranges
from varnum.propagate.transfer import Reach, solve_down
from varnum.propagate.var_model import (
    Composition,
    Step,
    block_norms,
    certify_composition,
    head_norms,
)
from varnum.text import short
from varnum.value import Value
from varnum.verdict import Unknown


@dataclass(frozen=True, repr=False)
class Budget(Value):
    """What a model error allows: kernel error, half width of the kernel's domain, degree, rank.

    steps, error: the walk at this eps by layer, and its end; rank: C(d + degree, degree).
    affine: the bound that meets the model error, where it is not the composition's own.
    """

    model_error: Fraction
    eps: Fraction
    domain: Fraction
    least: ProvedDegree | Unknown
    rank: int | None
    steps: tuple[Step, ...]
    error: Fraction
    affine: AffineBound | None = field(default=None, compare=False)

    def summary(self) -> str:
        """Model error, kernel error, degree."""
        degree = f", degree {self.least.degree}" if isinstance(self.least, ProvedDegree) else ""
        return f"model error {short(self.model_error)}: eps {at_least(self.eps)}{degree}"

    def __str__(self) -> str:
        return self.summary()

    def to_dict(self) -> dict[str, object]:
        """The figures as `varnum bound --model-error --json` names them."""
        return {
            "eps": to_text(self.eps),
            "kernel_domain": to_text(self.domain),
            "degree": self.least.degree if isinstance(self.least, ProvedDegree) else None,
            "rank": plain(self.rank),
        }


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
    target = parse(model_error, "model_error")
    if target <= 0:
        raise InputError(f"model_error: {model_error} is not above 0")
    eps = solve_down(lambda e: compose(e).reach.error, target, Fraction(1, 2))
    if eps is None:
        return Unknown("no kernel error above 2^-400 meets this model error")
    eps = parse(round_decimal(eps, 6, up=False))
    return _at(target, eps, compose(eps), head_dim, with_degree)


def _at(
    target: Fraction,
    eps: Fraction,
    composition: Composition,
    head_dim: int,
    with_degree: bool,
    affine: AffineBound | None = None,
) -> Budget:
    domain = parse(round_decimal(composition.domain, 6, up=True))
    least: ProvedDegree | Unknown = Unknown("not asked for")
    if with_degree:
        least = least_degree(relative(domain), eps, relative(domain))
    rank = comb(head_dim + least.degree, least.degree) if isinstance(least, ProvedDegree) else None
    error = composition.reach.bound()
    return Budget(target, eps, domain, least, rank, composition.steps, error, affine)


def certify_affine_budget(
    model_error: str | Fraction,
    model: Model,
    x: Floats,
    vectors: Sequence[tuple[Floats, ...]],
    with_degree: bool = True,
) -> Budget | Unknown:
    """The same for one run, with the affine bound in place of norms: far larger eps, more work.

    A few trials from the first-order estimate down; the last one's certified bound is within
    model_error. The kernel's domain M + zeta is still that of the norm composition at this eps.
    """
    target = parse(model_error, "model_error")
    if target <= 0:
        raise InputError(f"model_error: {model_error} is not above 0")
    try:
        return _affine(target, model, x, vectors, with_degree)
    except (ArithmeticError, np.linalg.LinAlgError) as error:  # no finite number in it
        return Unknown(f"the affine bound is not finite on this run ({error})")


def _affine(
    target: Fraction,
    model: Model,
    x: Floats,
    vectors: Sequence[tuple[Floats, ...]],
    with_degree: bool,
) -> Budget | Unknown:
    w, config = model.var_weights, model.var
    slope = float(estimate_first_order(w, config, x, vectors, 0.01, config.lengths).max()) / 0.01
    if not np.isfinite(slope):
        raise ArithmeticError("the first-order estimate overflows")
    half = Fraction(1, 2)
    trial = float(min(half, Fraction(97, 100) * target / Fraction(slope) if slope > 0 else half))
    compose = compose_run(model, x, vectors)
    for _ in range(6):
        eps = parse(f"{trial:.5e}", "eps")
        if eps == 0:
            break
        try:
            found = certify_blocks(w, config, x, vectors, eps, config.lengths)
        except (ArithmeticError, np.linalg.LinAlgError):  # does not hold this far out
            trial /= 4
            continue
        reached = float(found.bound.max())
        if reached <= target:
            return _at(target, eps, compose(eps), config.head_dim, with_degree, found)
        trial *= 0.95 * float(target) / reached
    return Unknown("the affine bound does not meet this model error in six trials")


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
