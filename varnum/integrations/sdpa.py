"""`varnum.sdpa`: torch's scaled_dot_product_attention with a bound on every output.

One operator of torch, `varnum::sdpa`, so that torch.compile and vmap take it as it is. Importable
without torch; then a call raises MissingExtra.
"""

from __future__ import annotations

from fractions import Fraction
from time import perf_counter
from typing import Any

from varnum._attention import Certificate, parse_target
from varnum.balls.exact import parse, to_text
from varnum.errors import InputError, MissingExtra
from varnum.floats.guard import certifying
from varnum.floats.inputs import finite, number
from varnum.floats.qkv import check_memory
from varnum.integrations.answer import answer
from varnum.integrations.certificates import record
from varnum.integrations.request import LOWER_RIGHT, TOP_LEFT, check, request

try:
    import torch
    from torch.nn.attention.bias import CausalBias, CausalVariant
except ModuleNotFoundError as _error:
    _missing: ModuleNotFoundError | None = _error
else:
    _missing = None


def sdpa(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    output_error: str | Fraction = "1e-2",
    return_bound: bool = False,
) -> Any:
    """`torch.nn.functional.scaled_dot_product_attention` within a stated error.

    query (.., H_q, L_q, d), key (.., H, L_k, d), value (.., H, L_k, d_v), as in torch: float32,
    float64, float16 or bfloat16; masks, causal alignment (top-left), grouped heads, zeros for rows
    that see nothing. Each output entry is within `output_error` of the range of its value column
    over the keys that its row sees (mask not False and not -inf), or the bound says what is kept;
    rounding is counted, the cast to half precision included; inside `torch.autocast` tensors are
    cast first, as torch does. return_bound: also the bounds, float64 (.., H_q), in those units,
    nan where nan or inf came in or torch's formula itself has nan: logits overflow, or `scale` does
    (1e200 on float32).

    Low rank where it pays and is certified, torch's own kernel elsewhere; `varnum.certificates`
    says which. No gradients: the forward pass runs, backward raises. Raises InputError for dropout,
    for an `output_error` outside [1e-300, 1), for what torch refuses and for what its own kernels
    answer differently. Claims moment-certificate, softmax-relative, float-forward.

    >>> import torch
    >>> x = torch.linspace(-1, 1, 24).reshape(1, 2, 4, 3)
    >>> out, bounds = sdpa(x, x, x, return_bound=True)
    >>> out.shape, bool((bounds <= 1e-2).all())
    (torch.Size([1, 2, 4, 3]), True)
    >>> sdpa(x, x, x[..., :2, :])
    Traceback (most recent call last):
    varnum.errors.InputError: value: 2 tokens, but key has 4
    """
    if _missing is not None:
        raise MissingExtra("torch", "torch") from _missing
    if dropout_p != 0:
        raise InputError(
            f"dropout_p: {dropout_p} is not allowed; 0, nothing is certified at random"
        )
    causal = TOP_LEFT if is_causal else 0
    if isinstance(attn_mask, CausalBias):
        if causal:
            raise InputError("attn_mask: given together with is_causal; pass one of them")
        causal = _alignment(attn_mask, query, key)
        attn_mask = None
    for name, part in (("query", query), ("key", key), ("value", value)):
        if isinstance(part, torch.Tensor) and part.device.type == "meta":
            raise InputError(f"{name}: holds no numbers (meta device)")
    if isinstance(query, torch.Tensor) and torch.is_autocast_enabled(query.device.type):
        query, key, value, attn_mask = _autocast(query, key, value, attn_mask)
    if not isinstance(output_error, str):
        output_error = _text(output_error)
    if scale is not None:
        scale = number(scale, "scale")
    check(query, key, value, attn_mask, causal, scale, enable_gqa)
    out, bounds = torch.ops.varnum.sdpa(
        query, key, value, attn_mask, causal, scale, enable_gqa, output_error
    )
    return (out, bounds) if return_bound else out


def _autocast(query: Any, *others: Any) -> list[Any]:
    """As torch does inside `torch.autocast`: float tensors but float64 in its lower precision."""
    dtype = torch.get_autocast_dtype(query.device.type)
    return [
        part.to(dtype)
        if isinstance(part, torch.Tensor)
        and part.is_floating_point()
        and part.dtype != torch.double
        else part
        for part in (query, *others)
    ]


def _text(output_error: Any) -> str:
    return to_text(parse(output_error, "output_error"))


def _alignment(bias: Any, query: Any, key: Any) -> int:
    lengths, given = (query.shape[-2], key.shape[-2]), (bias.seq_len_q, bias.seq_len_kv)
    if lengths != given:
        raise InputError(f"attn_mask: a causal bias of {given}, but query and key have {lengths}")
    return LOWER_RIGHT if bias.variant == CausalVariant.LOWER_RIGHT else TOP_LEFT


def _run(
    query: Any, key: Any, value: Any, mask: Any, causal: int, scale: float | None, gqa: bool,
    output_error: str,
) -> tuple[Any, Any]:  # fmt: skip
    """Output and bounds; the certificate goes to the open blocks of `certificates`."""
    began = perf_counter()
    _, target, asked = parse_target(None, output_error)
    given = request(query, key, value, mask, causal, scale, gqa)
    with certifying(given.q):
        check_memory(given.q, given.k, given.v)
        out, bounds, facts = answer(given, target)
    error = float(bounds.nan_to_num(float("inf"), float("inf")).max()) if bounds.numel() else 0.0
    rows = given.q.shape[0] * given.q.shape[1] * given.q.shape[2]
    made = Certificate(
        "output-error", float(Fraction(asked)), finite(error), finite(error), facts.method,
        facts.rank, rows, facts.exact, facts.reason, perf_counter() - began, facts.seconds,
        facts.tested, asked,
    )  # fmt: skip
    record(made)
    return out.reshape(*given.lead, *out.shape[-2:]), bounds.reshape(given.lead)


def _fake(
    query: Any, key: Any, value: Any, mask: Any, causal: int, scale: float | None, gqa: bool,
    output_error: str,
) -> tuple[Any, Any]:  # fmt: skip
    """Shapes and types alone."""
    lead = check(query, key, value, mask, causal, scale, gqa)
    out = query.new_empty(*lead, query.shape[-2], value.shape[-1])
    return out, query.new_empty(lead, dtype=torch.float64)


def _vmapped(info: Any, in_dims: tuple[Any, ...], *given: Any) -> tuple[Any, Any]:
    """The mapped axis becomes the first one; tensors of fewer axes get ones after it."""
    rank = max(
        len(part.shape) - (at is not None) for part, at in zip(given[:3], in_dims, strict=False)
    )
    moved = []
    for part, at in zip(given[:4], in_dims, strict=False):
        if at is not None:
            part = part.movedim(at, 0)
            ones = (1,) * (rank + 1 - len(part.shape))
            part = part.reshape(part.shape[0], *ones, *part.shape[1:])
        moved.append(part)
    if in_dims[0] is None:  # a mask alone may be mapped, and a mask does not widen the result
        ones = (1,) * (rank - len(moved[0].shape))
        moved[0] = (
            moved[0].reshape(*ones, *moved[0].shape).expand(info.batch_size, *ones, *moved[0].shape)
        )
    return torch.ops.varnum.sdpa(*moved, *given[4:]), (0, 0)


_SCHEMA = (
    "(Tensor query, Tensor key, Tensor value, Tensor? mask, int causal, float? scale, bool gqa, "
    "str output_error) -> (Tensor, Tensor)"
)
if _missing is None:
    _operator = torch.library.custom_op("varnum::sdpa", _run, mutates_args=(), schema=_SCHEMA)
    _operator.register_fake(_fake)
    _operator.register_vmap(_vmapped)
