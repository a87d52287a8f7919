"""Claim `end-to-end` for the continuous model of the paper: a priori, in norms alone.

The recurrence follows varnum.model.paper layer by layer; the closed form is in
varnum.formulas.paper_model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from varnum.balls.scalar import Number, arb, ball, lower, precision, upper
from varnum.errors import InputError
from varnum.formulas import paper_model as closed
from varnum.model.paper import PaperConfig
from varnum.outward import at_most, float_up
from varnum.propagate import transfer as t
from varnum.propagate.interpolation_growth import growth, supremum
from varnum.propagate.transfer import Operator, Reach
from varnum.propagate.var_model import Composition, Step
from varnum.tensor import Doubles, Tensor

_BITS = 256
FAR = Fraction(10**100)  # what lies beyond says nothing of a model
MOST_SCALES = Fraction(1000)


@dataclass(frozen=True)
class PaperNorms:
    """Norm bounds: per attention layer (q, k, v), positions, per scale the convolution, decoder."""

    attention: dict[str, tuple[Operator, Operator, Operator]]
    positions: tuple[arb, ...]
    convs: tuple[Operator, ...]
    conv_in: Operator
    conv_out: Operator


def norms_of(weights: Mapping[str, Tensor], config: PaperConfig) -> PaperNorms:
    """Norms of given weights, rounded up."""

    def array(name: str) -> Doubles:
        return np.asarray(weights[name], dtype=np.float64)

    def conv(name: str) -> Operator:
        return t.conv_operator(array(f"{name}.weight"), array(f"{name}.bias"))

    layers = [str(k) for k in range(1, len(config.sides) + 1)]
    heads = {}
    for name in (*layers, "decoder"):
        q, k, v = (t.operator(array(f"attn.{name}.{part}.weight")) for part in "qkv")
        heads[name] = (q, k, v)
    positions = tuple(ball(Fraction(float(np.abs(array(f"pos.{n}")).max()))) for n in layers)
    return PaperNorms(
        heads,
        positions,
        tuple(conv(f"conv.{n}") for n in layers),
        conv("decoder.conv_in"),
        conv("decoder.conv_out"),
    )


def certify_paper_model(
    norms: PaperNorms, config: PaperConfig, start: Fraction, eps: Fraction
) -> tuple[Composition, Composition]:
    """(features F, image): entrywise error of the whole model for a kernel error eps.

    start: entry bound R of the start map. A priori: holds for all weights within `norms` and every
    input within R. Without LayerNorm no epsilon is needed; with it s >= sqrt(norm_eps).
    """
    if not 0 <= eps < 1 or start < 0:
        raise InputError(f"eps: {eps} and start {start} are not allowed; 0 <= eps < 1, start >= 0")
    with precision(_BITS):
        return _walk(norms, config, start, eps)


def _walk(
    norms: PaperNorms, config: PaperConfig, start: Fraction, eps: Fraction
) -> tuple[Composition, Composition]:
    steps: list[Step] = []
    scale = 1 / ball(config.sigma_squared).sqrt()
    x = Reach.of(config.channels, start)
    sides = config.sides
    for k in range(1, len(sides) + 1):
        old = x
        x = t.shift(x, norms.positions[k - 1])
        x = _attention(x, norms.attention[str(k)], config, scale, eps, f"attention {k}", steps)
        if k < len(sides):
            grown = max(growth(a, b, config.keys_a) for a, b in pairwise(sides[: k + 1]))
            x = t.interpolate(x, grown)
            x = replace(x, size=x.size.max(ball(start)), norm=x.norm.max(old.norm)).tidy()
            steps.append(_step(f"interpolation {k}", x, steps))
    total = None
    for side, conv in zip(sides, norms.convs, strict=True):
        up = t.interpolate(x, growth(side, sides[-1], config.keys_a)) if side < sides[-1] else x
        term = t.conv(up, conv)
        total = term if total is None else t.add(total, term)
    assert total is not None
    steps.append(_step("reconstruction", total, steps))
    features = Composition(total, tuple(steps))
    x = t.conv(total, norms.conv_in)
    steps.append(_step("decoder conv", x, steps))
    x = _attention(x, norms.attention["decoder"], config, scale, eps, "decoder attention", steps)
    x = t.interpolate(x, growth(sides[-1], 2 * sides[-1], config.keys_a))
    x = t.conv(x, norms.conv_out)
    steps.append(_step("image", x, steps))
    return features, Composition(x, tuple(steps))


def _attention(
    x: Reach,
    maps: tuple[Operator, Operator, Operator],
    config: PaperConfig,
    scale: arb,
    eps: Fraction,
    layer: str,
    steps: list[Step],
) -> Reach:
    y = x if config.norm_eps is None else t.layer_norm(x, ball(config.norm_eps).sqrt())
    q, k, v = (t.linear(y, m) for m in maps)
    zeta, logits = upper(t.logit_error(q, k, scale)), upper(t.logit_size(q, k, scale))
    out = t.attention(v, zeta, eps)
    new = t.add(x, out) if config.residual else out
    step = _step(layer, new, steps)
    steps.append(replace(step, zeta=zeta, logits=logits, domain=logits + zeta))
    return new


def _step(layer: str, new: Reach, steps: list[Step]) -> Step:
    error = upper(new.error)
    before = steps[-1].error if steps else Fraction(0)
    return Step(layer, error, float_up(error / before) if before else float("inf"))


@dataclass(frozen=True)
class ClosedForm:
    """The closed form in (R, d, sigma, K, norms): error, amplification per scale, validity.

    holds: whether every eta_k <= R_k, which the form assumes; amplification: A_1 .. A_K.
    """

    error: Fraction
    amplification: tuple[Fraction, ...]
    holds: bool


def certify_closed_form(
    R: Fraction,
    d: int,
    sigma: Fraction,
    K: int,
    norms: tuple[Fraction, Fraction, Fraction],
    eps: Fraction,
    residual: bool = False,
    b: Fraction | None = None,
) -> ClosedForm:
    """Error after K scales (attention, then interpolation) for norms (w_Q, w_K, w_V).

    b: growth of one interpolation, 121/64 by default. Requires b (w_V + residual) >= 1.
    """
    w_q, w_k, w_v = norms
    b = supremum() if b is None else b
    if not (0 <= eps < 1 and R > 0 and sigma > 0 and d >= 1):
        raise InputError("the closed form needs 0 <= eps < 1, R, sigma > 0 and d >= 1")
    if min(norms) < 0 or b * (w_v + residual) < 1 or K < 1:
        raise InputError("the closed form needs K >= 1, norms >= 0 and b (w_V + residual) >= 1")
    given: dict[str, Number] = {
        "R": R, "d": d, "sigma": sigma, "b": b, "w_Q": w_q, "w_K": w_k, "w_V": w_v,
        "res": int(residual),
    }  # fmt: skip
    with precision(_BITS):
        error = closed.model_error.ball(K=K, eps=eps, **given)
        gains = tuple(upper(closed.amplification.ball(k=k, **given)) for k in range(1, K + 1))
        holds = _recurrence_stays(given, K, eps)
        return ClosedForm(upper(error), gains, holds)


def _recurrence_stays(given: Mapping[str, Number], K: int, eps: Fraction) -> bool:
    eta = arb(0)
    for k in range(1, K + 1):
        size = closed.entry_range.ball(k=k, **given)
        if not eta <= size:
            return False
        gain = closed.amplification.ball(k=k, **given)
        eta = gain * eta + ball(given["b"]) * ball(given["w_V"]) * size * ball(eps).atanh()
    return True


@dataclass(frozen=True)
class NormBudget:
    """Kernel error that norm bounds allow: eps, the kernel's half width, ranges per scale."""

    eps: Fraction
    domain: Fraction
    ranges: tuple[Fraction, ...]
    closed: ClosedForm


def certify_norm_budget(
    model_error: Fraction,
    R: Fraction,
    d: int,
    sigma: Fraction,
    K: int,
    norms: tuple[Fraction, Fraction, Fraction],
    residual: bool = False,
) -> NormBudget:
    """From the model's error back to eps by the closed form; a priori, for all weights in `norms`.

    model_error: entrywise, of the maps after K scales. domain: M + zeta of the last scale, where it
    is largest. Raises InputError where an error leaves the range in which the form holds.
    """
    if model_error <= 0 or R <= 0 or sigma <= 0 or d < 1 or K < 1:
        raise InputError("model_error, R, d, sigma and scales: must be above 0")
    b = supremum()
    given_sizes = {"model_error": model_error, "R": R, "sigma": sigma}
    given_sizes |= {"norms": max(norms), "d": Fraction(d), "scales": Fraction(K)}
    for name, value in given_sizes.items():
        most = MOST_SCALES if name == "scales" else FAR
        if not 1 / FAR <= value <= most:
            raise InputError(f"{name}: {at_most(value)} is beyond use; 1e-100 to {at_most(most)}")
    if min(norms) < 0 or b * (norms[2] + residual) < 1:
        raise InputError(f"norms: needs w_Q, w_K >= 0 and w_V >= {1 / b - residual}")
    given: dict[str, Number] = {
        "R": R, "d": d, "sigma": sigma, "b": b, "w_Q": norms[0], "w_K": norms[1],
        "w_V": norms[2], "res": int(residual),
    }  # fmt: skip
    with precision(_BITS):
        eps = lower(closed.model_budget.ball(K=K, eps=model_error, **given))
        eps = Fraction(int(eps * 10**60), 10**60)
        found = certify_closed_form(R, d, sigma, K, norms, eps, residual)
        if not (found.holds and found.error <= model_error):
            raise InputError("model_error: too large for the closed form; give a smaller one")
        ranges = tuple(upper(closed.entry_range.ball(k=k, **given)) for k in range(1, K + 1))
        top, eta = ranges[-1], model_error
        weight = d * norms[0] * norms[1] / sigma
        domain = weight * top**2 + weight * (2 * top * eta + eta**2)
    return NormBudget(eps, domain, ranges, found)
