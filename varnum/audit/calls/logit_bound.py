"""How large the logits of a qk-normalised head can be, whatever the tokens are.

q = rms(x) w_q or layer(x) w_q + b_q per head, with |rms(x)|^2 = |layer(x)|^2 <= d. Then |q.k| s is
at most d s max_i |w_q,i w_k,i| for "rms"; a rotation of pairs of coordinates in between makes it
the maximum over pairs of the product of the largest two. l2: at most s. Claim normed-logits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from varnum.balls.exact import parse, round_decimal
from varnum.balls.scalar import arb, ball, precision, upper
from varnum.errors import InputError
from varnum.floats.rounding import gamma, up

Rope = Literal["half", "interleaved"]
_KINDS = ("rms", "layer", "l2")
_AGREE = 1e-3  # relative: row norms of captured q, k against what the norm's weights allow


def logit_bound(
    *, sigma: str | int | Fraction = "sqrt", q_norm: Sequence[Any] | None = None,
    k_norm: Sequence[Any] | None = None, rope: Rope | None = None, softcap: Any = None,
) -> Fraction:  # fmt: skip
    """A decimal not below |q.k|/sigma for all inputs of the norms, rounding in float32 included.

    q_norm, k_norm: ("rms", weight), ("layer", weight, bias) or ("l2", None), weight (d,): what
    makes q and k of a head. sigma: sqrt (of d), d, 4sqrt, or a number; with l2 a number. rope:
    None, "half" (pairs i, i + d/2 are turned) or "interleaved" (2i, 2i + 1). softcap: bounds too.
    Raises InputError where neither norms nor a cap are given, or they do not fit together.

    >>> norm = ("rms", np.ones(4))
    >>> float(logit_bound(q_norm=norm, k_norm=norm))
    2.0000...
    >>> logit_bound(q_norm=norm)
    Traceback (most recent call last):
    varnum.errors.InputError: logit_bound: q_norm and k_norm go together; one alone bounds nothing
    """
    cap = None if softcap is None else _positive(softcap, "softcap")
    if q_norm is None and k_norm is None:
        if cap is None:
            raise InputError("logit_bound: give q_norm and k_norm, or softcap")
        return cap
    if q_norm is None or k_norm is None:
        raise InputError("logit_bound: q_norm and k_norm go together; one alone bounds nothing")
    if rope not in (None, "half", "interleaved"):
        raise InputError(f"rope: {rope!r} is not allowed; None, 'half' or 'interleaved'")
    q, k = _norm(q_norm, "q_norm"), _norm(k_norm, "k_norm")
    with precision(128):
        bound = _product(q, k, rope) * _scale(sigma, q, k)
        slack = ball(Fraction(up(1 + gamma(4 * _size(q, k) + 64, 2.0**-24)))) ** 3
        found = parse(round_decimal(upper(bound * slack), 12, up=True))
    return found if cap is None else min(found, cap)


def _norm(given: Sequence[Any], name: str) -> tuple[str, Any, Any]:
    kind = given[0] if isinstance(given, tuple | list) and given else given
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"{name}: {kind!r} is not allowed; one of {', '.join(_KINDS)}")
    weight = given[1] if len(given) > 1 else None
    bias = given[2] if len(given) > 2 else None
    if kind == "l2":
        if weight is not None or bias is not None:
            raise InputError(f"{name}: l2 has no weight: ('l2', None)")
        return kind, None, None
    weight = _vector(weight, name)
    bias = None if bias is None else _vector(bias, name)
    if bias is not None and (kind == "rms" or bias.shape != weight.shape):
        raise InputError(f"{name}: a bias is for 'layer', and as long as the weight")
    return kind, weight, bias


def _vector(x: Any, name: str) -> Any:
    x = x.detach().cpu().double().numpy() if hasattr(x, "detach") else x
    try:
        x = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name}: its weight must be finite numbers (d,)") from None
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        raise InputError(f"{name}: its weight must be finite numbers (d,), got shape {x.shape}")
    return np.abs(x)


def _size(q: tuple[str, Any, Any], k: tuple[str, Any, Any]) -> int:
    sizes = {len(w) for _, w, _ in (q, k) if w is not None}
    if len(sizes) > 1:
        raise InputError(f"q_norm, k_norm: weights of {sorted(sizes)} numbers; one head dimension")
    return sizes.pop() if sizes else 1024


def _product(q: tuple[str, Any, Any], k: tuple[str, Any, Any], rope: str | None) -> Any:
    """Not below |q.k|."""
    d = _size(q, k)
    if q[0] == k[0] == "l2":
        return arb(1)
    pairs = _pairs(d, rope)
    plain = arb(0)
    weights = [np.ones(d) if w is None else w for _, w, _ in (q, k)]
    for group in pairs:
        both = [ball(Fraction(float(w[group].max()))) for w in weights]
        plain = plain.max(both[0] * both[1])
    # |x_q| and |x_k| are at most sqrt(d), or 1 where there is l2
    radius = [arb(1) if kind == "l2" else arb(d).sqrt() for kind, _, _ in (q, k)]
    found = radius[0] * radius[1] * plain
    shifts = [_length(b) for _, _, b in (q, k)]
    largest = [ball(Fraction(float(w.max()))) for w in weights]
    return (
        found + radius[0] * largest[0] * shifts[1] + radius[1] * largest[1] * shifts[0]
        + shifts[0] * shifts[1]
    )  # fmt: skip


def _length(bias: Any) -> Any:
    if bias is None:
        return arb(0)
    total = arb(0)
    for x in bias.tolist():
        total = total + ball(Fraction(x)) ** 2
    return total.sqrt()


def _pairs(d: int, rope: str | None) -> list[Any]:
    """Coordinates that are turned into one another; "any": all of them may be."""
    if rope is None:
        return [np.array([i]) for i in range(d)]
    if rope == "any":
        return [np.arange(d)]
    if d % 2:
        raise InputError(f"rope: {d} coordinates are no pairs")
    half = d // 2
    if rope == "half":
        return [np.array([i, i + half]) for i in range(half)]
    return [np.array([2 * i, 2 * i + 1]) for i in range(half)]


def _scale(sigma: str | int | Fraction, q: tuple[str, Any, Any], k: tuple[str, Any, Any]) -> Any:
    words = {"sqrt": arb(_size(q, k)).sqrt(), "d": arb(_size(q, k)),
             "4sqrt": 4 * arb(_size(q, k)).sqrt()}  # fmt: skip
    if isinstance(sigma, str) and sigma in words:
        if q[0] == k[0] == "l2":
            raise InputError(f"sigma: {sigma} needs a dimension; with l2 give a number")
        return 1 / words[sigma]
    return 1 / ball(_positive(sigma, "sigma"))


def _positive(x: Any, name: str) -> Fraction:
    if isinstance(x, float) and not math.isfinite(x):
        raise InputError(f"{name}: {x} is not finite")
    value = Fraction(x) if isinstance(x, float) else parse(x, name)
    if value <= 0:
        raise InputError(f"{name}: {x} is not above 0")
    return value


class Norms:
    """Modules q_norm and k_norm beside an attention, and the bound that they prove."""

    def __init__(self, model: Any) -> None:
        named = model.named_modules() if hasattr(model, "named_modules") else ()
        self._modules = {name or type(model).__name__: module for name, module in named}

    def bound(self, call: Any) -> tuple[Fraction, str] | None:
        """Where they exist, are per head, and the captured q, k could have come from them."""
        try:
            module = self._modules[call.module]
            norms = [_of_module(getattr(module, name)) for name in ("q_norm", "k_norm")]
        except (AttributeError, KeyError, InputError):
            return None
        if any(norm is None or len(norm[1]) != call.q.shape[-1] for norm in norms):
            return None
        for norm, x in zip(norms, (call.q, call.k), strict=True):
            assert norm is not None
            if not _could_come_from(norm, x):
                return None
        sigma = Fraction(1) / Fraction(call.scale) if call.scale > 0 else None
        if sigma is None:
            return None
        # whether and how q and k are rotated in between is not seen: lengths alone count
        q, k = (_norm(norm, "norm") for norm in norms if norm is not None)
        unit = 2.0**-7 if call.q.element_size() == 2 else 2.0**-24
        with precision(128):
            slack = ball(Fraction(up(1 + gamma(4 * _size(q, k) + 64, 2.0**-24) + 2 * unit))) ** 3
            bound = _product(q, k, "any") / ball(sigma) * slack
            found = parse(round_decimal(upper(bound), 12, up=True))
        return found, "q_norm, k_norm: proved if q, k come from these norms, as in this run"


def _of_module(norm: Any) -> tuple[str, Any, Any] | None:
    name = type(norm).__name__.lower()
    weight, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)
    if weight is None or weight.ndim != 1:
        return None
    kind = "rms" if "rms" in name else "layer"
    return (kind, weight, bias) if _does(norm, kind, weight, bias) else None


def _does(norm: Any, kind: str, weight: Any, bias: Any) -> bool:
    """Tried on numbers: is it x -> weight x/|x| sqrt(d) (+ bias), after centring for "layer"?

    Some norms of this name multiply by 1 + weight.
    """
    import torch

    x = torch.linspace(-3, 5, 4 * len(weight), device=weight.device).sin().reshape(4, -1) * 7
    try:
        with torch.no_grad():
            found = norm(x.to(weight.dtype)).double()
    except (RuntimeError, TypeError):
        return False
    x = x.double()
    x = x - x.mean(-1, keepdim=True) if kind == "layer" else x
    want = x / x.square().mean(-1, keepdim=True).sqrt() * weight.double()
    want = want if bias is None else want + bias.double()
    near = 1e-3 if weight.element_size() > 2 else 3e-2
    return bool((found - want).abs().max() <= near * (1 + want.abs().max()))


def _could_come_from(norm: tuple[str, Any, Any], x: Any) -> bool:
    """Is no row longer than the norm allows, nor the longest much shorter? Rotations keep it."""
    weight = norm[1].detach().double().abs()
    shift = 0.0 if norm[2] is None else float(norm[2].detach().double().norm())
    most = float(weight.max()) * x.shape[-1] ** 0.5 + shift
    least = float(weight.min()) * x.shape[-1] ** 0.5 * 0.5 - shift
    longest = float(x.double().norm(dim=-1).max())
    return bool(least <= longest <= most * (1 + _AGREE))
