"""Range and error of every layer: a Reach goes in, a Reach comes out, all in balls.

A Reach bounds a tensor of tokens of width c and its perturbation, entrywise and per token in l2.
Each function is one claim of the section "layers" and is rigorous: its fields are balls whose upper
ends are the bounds. Weights enter through their norms (`Operator`), so the same functions serve a
priori (norm bounds given) and a posteriori (norms and ranges measured).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import SupportsFloat, TypeAlias

import numpy as np

from varnum.balls.scalar import Number, arb, ball, upper
from varnum.errors import InputError
from varnum.formulas import layers, softmax
from varnum.propagate.forms import UP, Floats, largest

Ball: TypeAlias = arb

GELU_SLOPE = Fraction(1129, 1000)  # claim gelu-lipschitz: sup|f'| <= 1.1290
SILU_SLOPE = Fraction(109984, 100000)  # claim silu-lipschitz: sup|f'| <= 1.09984


@dataclass(frozen=True)
class Reach:
    """|x| <= size, ||x||_2 <= norm, |x' - x| <= error, ||x' - x||_2 <= norm_error per token."""

    width: int
    size: Ball
    norm: Ball
    error: Ball
    norm_error: Ball

    @classmethod
    def of(cls, width: int, size: Number, error: Number = 0, norm: Number | None = None) -> Reach:
        """From entrywise bounds; the l2 bounds follow with sqrt(width) where not given."""
        root = arb(width).sqrt()
        size, error = ball(size), ball(error)
        norm = size * root if norm is None else ball(norm)
        return cls(width, size, norm, error, error * root).tidy()

    def tidy(self) -> Reach:
        """The better of the two measures on each side."""
        root = arb(self.width).sqrt()
        return Reach(
            self.width,
            smaller(self.size, self.norm),
            smaller(self.norm, self.size * root),
            smaller(self.error, self.norm_error),
            smaller(self.norm_error, self.error * root),
        )

    def perturbed(self) -> Reach:
        """Bounds of the perturbed tensor in place of the unperturbed one."""
        return replace(self, size=self.size + self.error, norm=self.norm + self.norm_error)

    def bound(self) -> Fraction:
        """Rational above the entrywise error."""
        return upper(self.error)


@dataclass(frozen=True)
class Operator:
    """A linear map with fixed weights: largest l1 row sum, spectral norm, bias, rounded up."""

    out: int
    rows: Ball
    spectral: Ball
    bias: Ball
    bias_norm: Ball


def smaller(a: Ball, b: Ball) -> Ball:
    """The ball with the smaller upper end: both bound the same number from above."""
    return a if a.upper() <= b.upper() else b


def operator(weight: Floats, bias: Floats | None = None) -> Operator:
    """Norms of given weights (out, in), rounded up; the spectral norm is verified (`largest`)."""
    weight = np.asarray(weight, dtype=np.float64)
    bias = np.zeros(len(weight)) if bias is None else np.asarray(bias, dtype=np.float64)
    thin = weight if weight.shape[0] <= weight.shape[1] else weight.T
    gram = thin @ thin.T
    gram = gram + np.eye(len(gram)) * (2.0**-33 * np.trace(gram) + 1e-200)
    return Operator(
        len(weight),
        _up(np.abs(weight).sum(1).max()),
        _up(np.sqrt(largest(gram) + 1e-100)),
        _up(np.abs(bias).max()),
        _up(np.sqrt((bias**2).sum())),
    )


def conv_operator(weight: Floats, bias: Floats, residual: Fraction = Fraction(0)) -> Operator:
    """A convolution (out, in, k, k), or (1 - r) x + r conv(x) with r = 1 - residual."""
    weight, bias = np.array(weight, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    if residual:
        kept = float(residual)
        weight, bias = (1 - kept) * weight, (1 - kept) * bias
        centre = weight.shape[-1] // 2
        weight[range(len(weight)), range(len(weight)), centre, centre] += kept
    rows = _up(np.abs(weight).sum((1, 2, 3)).max())
    size = _up(np.abs(bias).max())
    spectral = rows * arb(len(weight)).sqrt()  # a token of the output, from entrywise bounds
    return Operator(len(weight), rows, spectral, size, size * arb(len(weight)).sqrt())


def _up(value: SupportsFloat) -> Ball:
    return ball(Fraction(float(value) * UP))


def linear(x: Reach, w: Operator) -> Reach:
    """Claim `linear`."""
    return Reach(
        w.out,
        w.rows * x.size + w.bias,
        w.spectral * x.norm + w.bias_norm,
        w.rows * x.error,
        w.spectral * x.norm_error,
    ).tidy()


def conv(x: Reach, w: Operator) -> Reach:
    """Claims `conv`, `phi-conv`: entrywise over the whole map (a window spans several tokens)."""
    return Reach.of(w.out, w.rows * x.size + w.bias, w.rows * x.error)


def nearest(x: Reach) -> Reach:
    """Claims `nearest` and `area-pool`: nothing grows."""
    return x


def interpolate(x: Reach, growth: Number) -> Reach:
    """Claim `bicubic-lebesgue`: entries and tokens grow by at most the sum of |weights|."""
    g = ball(growth)
    return Reach(x.width, g * x.size, g * x.norm, g * x.error, g * x.norm_error)


def add(x: Reach, y: Reach) -> Reach:
    """Claim `residual`."""
    return Reach(
        x.width,
        x.size + y.size,
        x.norm + y.norm,
        x.error + y.error,
        x.norm_error + y.norm_error,
    ).tidy()


def shift(x: Reach, size: Number) -> Reach:
    """x plus something fixed with entries of at most `size`, e.g. position embeddings."""
    return add(x, Reach.of(x.width, size))


def modulate(
    x: Reach, factor: Number, shift: Number = 0, shift_norm: Number | None = None
) -> Reach:
    """Claim `adaln` with factors and shifts that do not move: |factor|, |shift| upper bounds."""
    f, s = ball(factor), ball(shift)
    n = s * arb(x.width).sqrt() if shift_norm is None else ball(shift_norm)
    return Reach(x.width, f * x.size + s, f * x.norm + n, f * x.error, f * x.norm_error).tidy()


def product(x: Reach, g: Reach) -> Reach:
    """Claim `adaln` with a gate that moves too: |g| eta_x + |x| eta_g + eta_x eta_g."""
    error = g.size * x.error + x.size * g.error + x.error * g.error
    return Reach.of(x.width, x.size * g.size, error)


def layer_norm(x: Reach, s_min: Number) -> Reach:
    """Claims `layernorm-range` and `layernorm-lipschitz`; s_min <= sqrt(var + eps_LN) of x.

    Raises InputError for s_min <= 0: without epsilon a constant token has no value.
    """
    s = ball(s_min)
    if not s > 0:
        raise InputError("s_min: must be above 0; with eps_LN = 0 constant tokens are undefined")
    root = arb(x.width).sqrt()
    # entries of x' - x are at most `error`, tokens at most `norm_error`: eta_rms takes the better
    rms = x.norm_error / root
    norm_error = 2 * root
    if (h := rms / s) < 1:
        norm_error = smaller(norm_error, root * layers.layernorm_l2.ball(h=_point(h)))
    error = norm_error
    if (h := x.error / s) < 1:
        finite = layers.layernorm_entry_finite.ball(c=x.width, h=_point(h))
        error = smaller(error, finite)
    size = layers.layernorm_range.ball(c=x.width)
    return Reach(x.width, size, root, smaller(error, 2 * size), norm_error).tidy()


def _point(h: Ball) -> Ball:
    """The upper end alone: the forms increase in h."""
    return ball(upper(h))


def activation(x: Reach, slope: Fraction) -> Reach:
    """Claims `gelu-lipschitz`, `silu-lipschitz`: |f(x)| <= |x|, |f'| <= slope."""
    return replace(x, error=ball(slope) * x.error, norm_error=ball(slope) * x.norm_error)


def unit_vectors(x: Reach, min_norm: Number) -> Reach:
    """Normalised vectors: the chord of LayerNorm, at most 2 (claim attention-lipschitz).

    min_norm <= ||x|| of the unperturbed vectors; error over min_norm would need it of both.
    """
    low, moved = ball(min_norm), arb(2)
    if low > 0 and (h := x.norm_error / low) < 1:
        moved = smaller(moved, layers.layernorm_l2.ball(h=_point(h)))
    return Reach(x.width, arb(1), arb(1), moved, moved)


def logit_error(q: Reach, k: Reach, scale: Number) -> Ball:
    """zeta of claim `attention-lipschitz`: the better of the entrywise and the l2 form."""
    entries = q.width * (q.size * k.error + k.size * q.error + q.error * k.error)
    norms = q.norm * k.norm_error + k.norm * q.norm_error + q.norm_error * k.norm_error
    return abs(ball(scale)) * smaller(entries, norms)


def unit_logit_error(q: Reach, k: Reach, scale: Number) -> Ball:
    """zeta for unit vectors: |q'.k' - q.k| <= ||q' - q|| + ||k' - k||, and at most 2."""
    return abs(ball(scale)) * smaller(q.norm_error + k.norm_error, arb(2))


def logit_size(q: Reach, k: Reach, scale: Number) -> Ball:
    """M: the largest |logit| of the unperturbed run."""
    return abs(ball(scale)) * smaller(q.width * q.size * k.size, q.norm * k.norm)


def attention(v: Reach, zeta: Number, eps: Number) -> Reach:
    """Claim `attention-lipschitz`: softmax(logits) v, logit error zeta, kernel error eps."""
    share = softmax_share(zeta, eps)
    return Reach(
        v.width,
        v.size,
        v.norm,
        v.error + 2 * v.size * share,
        v.norm_error + 2 * v.norm * share,
    ).tidy()


def softmax_share(zeta: Number, eps: Number) -> Ball:
    """tanh((zeta + artanh eps)/2): half the l1 move of a softmax row (claim `softmax-compose`)."""
    z, e = ball(zeta), ball(eps)
    if not (e >= 0 and e < 1):
        raise InputError(f"eps: {eps} is not in [0, 1)")
    return softmax.output_compose.ball(zeta=ball(upper(z)), eps=ball(upper(e)))


def guidance(x: Reach, t: Number) -> Reach:
    """Claim `guidance`: (1 + t) cond - t uncond, both within x."""
    factor = layers.guidance.ball(b=t)
    return Reach(x.width, factor * x.size, factor * x.norm, factor * x.error, factor * x.norm_error)


def solve_down(
    bound: Callable[[Fraction], Ball], target: Fraction, top: Fraction
) -> Fraction | None:
    """Largest x = top 2^-k m found with bound(x) <= target certain; None if none is found.

    bound increases. Bisection on exact numbers; the answer errs on the small side.
    """
    low, high = None, top
    trial = top
    for _ in range(400):
        if bound(trial).upper() <= ball(target):
            low = trial
            break
        high, trial = trial, trial / 2
    if low is None:
        return None
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if bound(middle).upper() <= ball(target) else (low, middle)
    return low
