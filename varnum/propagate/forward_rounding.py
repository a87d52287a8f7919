"""Claim `float-forward`: what a floating-point evaluation adds, layer by layer.

gamma_k |A||B| per product of inner length k, in any order of summation; elementwise functions with
a stated error in units in the last place; an absolute term for results that underflow. Kernels
without a documented rounding (Winograd convolution, one-pass variance) are "tested only".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from varnum.balls.scalar import Number, arb, ball, upper
from varnum.errors import InputError
from varnum.floats.rounding import EXACT_TINY as TINY
from varnum.floats.rounding import EXACT_UNIT as UNIT
from varnum.formulas.layers import gamma, layernorm_l2
from varnum.outward import float_up
from varnum.propagate import transfer as t
from varnum.propagate.checked import exact_floats
from varnum.propagate.forms import UP, Floats
from varnum.propagate.transfer import Operator, Reach

GELU_ARGUMENT = 9  # roundings before tanh: constants 4, cube 2, two products and a sum


@dataclass(frozen=True)
class Arithmetic:
    """unit roundoff mu; ulps: error of exp, tanh, sqrt in units in the last place (stated).

    tiny: what underflow adds to one result; 0 assumes that nothing underflows.
    """

    mu: Fraction
    ulps: int = 4
    tiny: Fraction = Fraction(0)

    @classmethod
    def of(cls, dtype: str, ulps: int = 4) -> Arithmetic:
        """By name; raises InputError for an unknown one."""
        if dtype not in UNIT:
            raise InputError(f"dtype: {dtype!r} is not one of {', '.join(UNIT)}")
        return cls(UNIT[dtype], ulps, TINY[dtype])

    def gamma(self, k: int) -> arb:
        """gamma_k as a ball; raises InputError where k mu >= 1 (no bound)."""
        if k * self.mu >= 1:
            raise InputError(f"float-forward: {k} roundings of {self.mu} each have no bound")
        return gamma.ball(k=k, mu=self.mu)

    def loss(self, k: int, size: arb | int) -> arb:
        """k roundings of terms that sum to at most `size`, in at most 2k operations."""
        g = self.gamma(k)
        return g * size + (1 + g) * 2 * k * ball(self.tiny)


def certify_product_rounding(a: Floats, b: Floats, arithmetic: Arithmetic) -> Floats:
    """Upper bound of |fl(A B) - A B|, entrywise: gamma_k |A||B|, (m, k), (k, n) -> (m, n)."""
    a, b = exact_floats(a, "A"), exact_floats(b, "B")
    factor = float_up(upper(arithmetic.gamma(a.shape[-1]))) * UP
    return np.asarray(factor * (np.abs(a) @ np.abs(b)) * UP)


def _more(out: Reach, error: arb, norm_error: arb | None = None) -> Reach:
    """`out` with this much more error; in l2 sqrt(width) times as much where nothing is known."""
    norm_error = error * ball(out.width).sqrt() if norm_error is None else norm_error
    return replace(out, error=out.error + error, norm_error=out.norm_error + norm_error).tidy()


def rounded(x: Reach, roundings: int, arithmetic: Arithmetic) -> Reach:
    """Every entry of x' rounded `roundings` times more; nothing underflows."""
    g = arithmetic.gamma(roundings)
    return _more(x, g * (x.size + x.error), g * (x.norm + x.norm_error))


def linear(x: Reach, w: Operator, arithmetic: Arithmetic) -> Reach:
    """Claim `linear` evaluated in floating point: gamma_{n+1} (||W|| |x'| + |b|) more."""
    size = w.rows * (x.size + x.error) + w.bias
    return _more(t.linear(x, w), arithmetic.loss(x.width + 1, size))


def conv(x: Reach, w: Operator, kernel: int, arithmetic: Arithmetic) -> Reach:
    """Claim `conv` in floating point: a linear map of c kernel^2 terms, summed in any order.

    w is a plain convolution of x.width channels; phi-conv rounds its blend as well (`add`).
    """
    size = w.rows * (x.size + x.error) + w.bias
    return _more(t.conv(x, w), arithmetic.loss(x.width * kernel**2 + 1, size))


def add(x: Reach, y: Reach, arithmetic: Arithmetic) -> Reach:
    """Claim `residual` in floating point: one rounding."""
    return _more(t.add(x, y), arithmetic.loss(1, x.size + x.error + y.size + y.error))


def modulate(x: Reach, factor: Number, shift: Number, arithmetic: Arithmetic) -> Reach:
    """Claim `adaln`, x (1 + scale) + shift in floating point: three roundings.

    factor bounds |1 + scale|; scale and shift are the same numbers in both runs.
    """
    size = ball(factor) * (x.size + x.error) + ball(shift)
    return _more(t.modulate(x, factor, shift), arithmetic.loss(3, size))


def product(x: Reach, g: Reach, arithmetic: Arithmetic) -> Reach:
    """Claim `adaln` with a moving gate in floating point: one rounding."""
    return _more(t.product(x, g), arithmetic.loss(1, (x.size + x.error) * (g.size + g.error)))


def layer_norm(x: Reach, s_min: Number, arithmetic: Arithmetic) -> Reach:
    """Claims `layernorm-range`, `layernorm-lipschitz` in floating point, mean before variance.

    The mean and the differences move the centred token by `step` an entry, a chord of the sphere;
    variance, root (`ulps`) and quotient are relative. GroupNorm alike, with c entries a group.
    Raises InputError where errors or underflow reach s_min: the quotient may then be anything.
    """
    c, root = x.width, ball(x.width).sqrt()
    step = arithmetic.loss(c + 2, x.size + x.error)
    roundings = c + 4 + 2 * arithmetic.ulps
    g = arithmetic.gamma(roundings)
    out = t.layer_norm(x, s_min)
    s = ball(s_min) - t.smaller(x.error, x.norm_error / root)  # of the perturbed token
    low = s - step
    if not (low > 0 and g < 0.5 and (flushed := 16 * ball(arithmetic.tiny) / low**2) < 0.5):
        raise InputError("float-forward: s_min is not above the errors it is computed with")
    chord = root * layernorm_l2.ball(h=ball(upper(step / s)))
    more = chord + arithmetic.loss(roundings, root) + (1 + g) * flushed * root
    # the relative part scales a token of l2 norm at most sqrt(c); loss adds tiny to each entry
    token = more + root * arithmetic.loss(roundings, 0)
    return _more(out, more, token)


def gelu(x: Reach, arithmetic: Arithmetic) -> Reach:
    """Claim `gelu-lipschitz` (tanh form) in floating point; tanh within `ulps`."""
    return _activation(t.activation(x, t.GELU_SLOPE), x, GELU_ARGUMENT, arithmetic)


def silu(x: Reach, arithmetic: Arithmetic) -> Reach:
    """Claim `silu-lipschitz` in floating point, by tanh(x/2) or by exp(-x), within `ulps`."""
    return _activation(t.activation(x, t.SILU_SLOPE), x, 0, arithmetic)


def _activation(out: Reach, x: Reach, argument: int, arithmetic: Arithmetic) -> Reach:
    """x/2 (1 + tanh u), u rounded `argument` times: |u| sech(u)^2 <= 1/2 carries it through."""
    g, last = arithmetic.gamma(argument), arithmetic.gamma(3)
    bent = g / (2 * (1 - g))
    bent = bent + arithmetic.gamma(2 * arithmetic.ulps)
    factor = (bent + last * (2 + bent)) / 2
    size = x.size + x.error
    flushed = 8 * ball(arithmetic.tiny) * (1 + size) ** 2
    token = factor * (x.norm + x.norm_error) + flushed * ball(x.width).sqrt()
    return _more(out, factor * size + flushed, token)


def attention(
    q: Reach, k: Reach, v: Reach, scale: Number, eps: Number, keys: int, arithmetic: Arithmetic
) -> Reach:
    """Claim `attention-lipschitz` in floating point, at most `keys` keys a row.

    Logits take d + 1 roundings, then the shift by the maximum one; exp `ulps`; sums, quotient and
    the product with v at most 2 keys + 2, all relative to nonnegative weights. Weights below the
    smallest normal number (float32: logits 87 below the maximum) may be flushed: absolute terms.
    """
    sides = (q.size + q.error), (k.size + k.error)
    size = abs(ball(scale)) * q.width * sides[0] * sides[1]
    tiny = ball(arithmetic.tiny)
    flushed = q.width * (abs(ball(scale)) + sides[0] + sides[1] + 1) * tiny
    g = arithmetic.gamma(q.width + 2)
    # logit, maximum, difference; q.k has 2d results, either side may be scaled first
    logits = 3 * (g * size + 2 * (1 + g) * flushed)
    zeta = t.logit_error(q, k, scale) + logits
    kernel = arithmetic.gamma(2 * arithmetic.ulps)
    together = (ball(eps) + kernel) / (1 + ball(eps) * kernel)  # artanh adds up
    out = t.attention(v, zeta, together)
    g = arithmetic.gamma(2 * keys + 2)
    # the largest weight is at least (1 - eps)(1 - kernel), and is not flushed
    largest = (1 - ball(eps)) * (1 - kernel)
    top = v.size + v.error
    return _more(out, g * top + (1 + g) * 4 * keys * tiny * (top + 1) / largest)
