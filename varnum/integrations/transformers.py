"""Guaranteed attention in Hugging Face models: attention and mask function, registered together.

Without the mask function no mask is made and nothing warns: a left-padded batch would then see its
padding. Needs the extra `transformers`.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

from varnum._attention import parse_target
from varnum.errors import InputError, MissingExtra
from varnum.integrations.sdpa import sdpa

NAME = "varnum"


def register(name: str = NAME, *, output_error: str | Fraction = "1e-2") -> str:
    """Make `attn_implementation=name` known to transformers; returns the name.

    Raises InputError for an error outside [1e-300, 1) or a name that transformers has already.
    """
    interface, masks, make_mask = _transformers()
    _, _, asked = parse_target(None, output_error)
    known = interface.get(name) if name in interface else None
    if known is not None and getattr(known, "func", None) is not attention:
        raise InputError(f"name: transformers has {name!r} already; choose another one")
    interface.register(name, partial(attention, output_error=asked))
    masks.register(name, make_mask)
    return name


def use(model: Any, *, output_error: str | Fraction = "1e-2") -> Any:
    """The model, its attention from now on by `varnum.sdpa` within `output_error`, call by call.

    Raises InputError for a model with a part that does not ask transformers for its attention:
    such a part would go on as before, silently.
    """
    _transformers()
    from transformers import PreTrainedModel

    if not isinstance(model, PreTrainedModel):
        raise InputError(f"model: {type(model).__name__} is no transformers.PreTrainedModel")
    parts = [part for part in model.modules() if isinstance(part, PreTrainedModel)]
    deaf = sorted({type(part).__name__ for part in parts if not _asks(part)})
    if deaf:
        raise InputError(
            f"model: {', '.join(deaf)} does its attention itself, whatever is asked for; "
            "no guarantee can be had"
        )
    _, _, asked = parse_target(None, output_error)
    name = register(f"{NAME}-{asked.replace('/', '_')}", output_error=output_error)
    model.set_attn_implementation(name)
    other = {part.config._attn_implementation for part in parts} - {name}
    if other:
        raise InputError(f"model: a part keeps its attention, {', '.join(map(str, other))}")
    return model


def attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    *,
    output_error: str,
    softcap: float | None = None,
    s_aux: Any = None,
    position_bias: Any = None,
    output_attentions: bool = False,
    **_: Any,
) -> tuple[Any, None]:
    """The function that transformers calls: query (B, H_q, L_q, d) -> (B, L_q, H_q, d_v), None.

    key, value (B, H, L_k, d); s_aux (H_q,): logits of a sink, whose value is 0, so that the range
    of a row includes 0; position_bias is added to the logits.
    """
    if softcap is not None:
        raise InputError(f"softcap: {softcap} is not allowed; capped logits have no guarantee here")
    if output_attentions:
        raise InputError("output_attentions: the weights are never formed; choose eager")
    count = query.shape[2]
    causal = module.is_causal if is_causal is None else is_causal
    causal = bool(count > 1 and attention_mask is None and causal)
    if causal and key.shape[2] > count:  # an empty static cache behind the tokens
        key, value = key[:, :, :count], value[:, :, :count]
        position_bias = None if position_bias is None else position_bias[..., :count]
    if position_bias is not None:
        attention_mask, causal = _sum(attention_mask, position_bias, causal), False
    if s_aux is not None:
        key, value, attention_mask = _with_sink(query, key, value, attention_mask, s_aux, causal)
        causal = False
    out = sdpa(
        query, key, value, attention_mask, dropout, causal, scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1], output_error=output_error,
    )  # fmt: skip
    return out.transpose(1, 2).contiguous(), None


def _sum(mask: Any, bias: Any, causal: bool) -> Any:
    """Bias and mask as one mask to add."""
    import torch

    if mask is None:
        if not causal:
            return bias
        mask = torch.ones(bias.shape[-2:], dtype=torch.bool, device=bias.device).tril()
    return bias.masked_fill(~mask, -float("inf")) if mask.dtype == torch.bool else bias + mask


def _with_sink(
    query: Any, key: Any, value: Any, mask: Any, sinks: Any, causal: bool
) -> tuple[Any, Any, Any]:
    """One key more, 0 with value 0, whose logit is the sink's of each head."""
    import torch

    rows, keys = query.shape[2], key.shape[2]
    if mask is None:
        mask = torch.ones(1, 1, rows, keys, dtype=torch.bool, device=query.device)
        mask = mask.tril() if causal else mask
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, device=query.device).masked_fill(~mask, -float("inf"))
    wide = torch.promote_types(mask.dtype, torch.float32)
    last = sinks.detach().to(wide).reshape(1, -1, 1, 1)
    mask = mask.to(wide).expand(-1, last.shape[1], -1, -1)
    mask = torch.cat([mask, last.expand(mask.shape[0], -1, mask.shape[2], 1)], -1)
    key, value = (
        torch.cat([part, part.new_zeros(part[:, :, :1].shape)], 2) for part in (key, value)
    )
    return key, value, mask


def _asks(model: Any) -> bool:
    asks = getattr(model, "_can_set_attn_implementation", None)
    return bool(asks is not None and asks())


def _transformers() -> tuple[Any, Any, Any]:
    """The two registries, and the mask function of sdpa."""
    try:
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import sdpa_mask
    except ImportError as error:
        raise MissingExtra("transformers", "transformers") from error
    return AttentionInterface(), AttentionMaskInterface(), sdpa_mask
