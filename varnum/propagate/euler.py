"""Claims euler-gronwall and flowar-end-to-end: what an error of velocities does to sampled maps.

Exact rationals on the released sampler's own grid. Errors are in any one norm of the latents of a
map; the entrywise one where resampling enters. The statements are about the sampler, not about an
ODE: the velocity is constant between two time indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from varnum.cost.sampler import Sampler, guidance_factor, steps
from varnum.errors import InputError
from varnum.formulas import flowar as forms
from varnum.propagate.resample import resample_growth

THROUGH = 16  # side on the way from one map to the next input, in the released sampler
Numbers = Sequence[Fraction] | Fraction


def certify_sampled_error(
    sizes: Sequence[Fraction],
    errors: Numbers,
    factors: Sequence[Fraction],
    start: Fraction = Fraction(0),
) -> Fraction:
    """|x~_T - x_T| after Euler steps x - h_i v_i(x), started |x~_0 - x_0| <= start apart.

    sizes: h_i; errors: |v~_i(x~_i) - v_i(x~_i)| along the approximate path, each or one for all;
    factors: Lipschitz constants of x -> x - h_i v_i(x) between x_i and x~_i, 1 + h_i Lambda_i or a
    bound of the norm of I - h_i J_i on that segment, which is sharper.

    start prod f_i + sum_i h_i errors_i prod_{j > i} f_j.
    """
    each = (errors,) * len(sizes) if isinstance(errors, Fraction) else tuple(errors)
    if not len(sizes) == len(each) == len(factors):
        raise InputError("steps, errors and factors: one each per evaluation")
    if start < 0 or min((*sizes, *each, *factors), default=Fraction(0)) < 0:
        raise InputError("steps, errors, factors, start: from 0 on")
    error = start
    for h, eps, factor in zip(sizes, each, factors, strict=True):
        error = factor * error + h * eps
    return error


def amplification(sizes: Sequence[Fraction], factors: Sequence[Fraction]) -> Fraction:
    """The factor of an error that all velocities share."""
    return certify_sampled_error(sizes, Fraction(1), factors)


def step_factors(
    sampler: Sampler, scale: int, scales: int, conditional: Fraction, null: Fraction
) -> tuple[Fraction, ...]:
    """1 + h_i Lambda_i of one scale, guided where the sampler guides.

    conditional, null: Lipschitz constants in x of v_c and v_u, in the norm of the errors.
    """
    found = []
    for h, g in zip(steps(sampler.num_steps), sampler.factors(scale, scales), strict=True):
        slope = forms.guided_lipschitz.exact(g=g, Lambda_c=conditional, Lambda_u=null)
        found.append(forms.step_factor.exact(h=h, Lambda=slope))
    return tuple(found)


def velocity_factors(sampler: Sampler, scale: int, scales: int) -> tuple[Fraction, ...]:
    """2 g_i - 1: what guidance makes of an error that both velocities may have."""
    return tuple(
        forms.guided_error.exact(g=g, eps=Fraction(1)) for g in sampler.factors(scale, scales)
    )


def scale_gain(
    sampler: Sampler, scale: int, scales: int, conditional: Fraction, null: Fraction
) -> Fraction:
    """G_k: error of the map of one scale over the error of both velocities, guidance included."""
    factors = step_factors(sampler, scale, scales, conditional, null)
    return certify_sampled_error(
        steps(sampler.num_steps), velocity_factors(sampler, scale, scales), factors
    )


@dataclass(frozen=True)
class ScaleError:
    """One scale: its side, g, G, rho to the next input (None at the last), E per unit of eps."""

    side: int
    guidance: Fraction
    gain: Fraction
    resample: Fraction | None
    error: Fraction


def certify_maps_error(
    sides: Sequence[int],
    sampler: Sampler,
    *,
    velocity_error: Fraction = Fraction(1),
    lipschitz: tuple[Fraction, Fraction] = (Fraction(1), Fraction(1)),
    input_gain: Fraction = Fraction(1),
    through: int = THROUGH,
) -> tuple[ScaleError, ...]:
    """E_k <= G_k (eps + B A max_{j < k} rho_j E_j), entrywise, the same noise on both sides.

    velocity_error: eps, how far approximate attention alone moves v_c and v_u at equal inputs.
    lipschitz: of v_c and v_u in x. input_gain: B A, entrywise: how far v moves per move of any of
    the inputs so far (class token apart), through z_proj, the transformer and its cached keys and
    values (A) and the flow net's condition z (B). Holds for the weights that these bound.
    """
    if not velocity_error >= 0 or min(*lipschitz, input_gain) < 0:
        raise InputError("velocity_error, lipschitz, input_gain: from 0 on")
    found: list[ScaleError] = []
    fed = Fraction(0)
    for k, side in enumerate(sides):
        gain = scale_gain(sampler, k, len(sides), *lipschitz)
        error = gain * (velocity_error + input_gain * fed)
        last = k + 1 == len(sides)
        rho = None if last else resample_growth(side, through, sides[k + 1])
        if rho is not None:
            fed = max(fed, rho * error)
        found.append(
            ScaleError(side, guidance_factor(sampler.cfg, k, len(sides)), gain, rho, error)
        )
    return tuple(found)


def certify_velocity_budget(
    model_error: Fraction, sides: Sequence[int], sampler: Sampler, **constants: object
) -> tuple[Fraction, tuple[ScaleError, ...]]:
    """The largest eps whose bound keeps the last map within model_error: E is linear in eps."""
    if model_error <= 0:
        raise InputError("model_error: must be above 0")
    unit = certify_maps_error(sides, sampler, **constants)  # type: ignore[arg-type]
    eps = model_error / unit[-1].error
    return eps, tuple(
        ScaleError(s.side, s.guidance, s.gain, s.resample, eps * s.error) for s in unit
    )
