"""What a mask is: which keys a row sees, in words, and as intervals where it is one per row."""

from __future__ import annotations

from typing import Any, Literal

Kind = Literal[
    "full", "padding", "causal", "block-causal", "window", "boolean", "additive"
]  # fmt: skip
LOW = -1e4
"""An added number at most this takes a key out: its weight is below e^-10000 times another's."""
_HEADS = 16  # so many different masks are looked at; more are "boolean"


def as_boolean(mask: Any) -> Any:
    """The boolean mask (True takes part) that one of 0 and values <= LOW is, or None."""
    low = mask <= LOW
    return ~low if bool((low | (mask == 0)).all()) else None


def kind_of(mask: Any, causal: bool) -> Kind:
    """Of a mask (.., Lq|1, Lk|1) as `Call` has it, None for none, and the flag of the kernel."""
    if mask is None:
        return "causal" if causal else "full"
    if mask.dtype.is_floating_point:
        return "additive"
    if causal:
        return "causal" if bool(mask.all()) else "boolean"
    if bool(mask.all()):
        return "full"
    flat = mask.reshape(-1, *mask.shape[-2:])
    if len(flat) > _HEADS and not bool((flat == flat[:1]).all()):
        return "padding" if bool((flat == flat[:, :1]).all()) else "boolean"
    kinds = {kind_of_one(one) for one in flat[:_HEADS]}
    kinds -= {"full"} if len(kinds) > 1 else set()
    return kinds.pop() if len(kinds) == 1 else "boolean"


def kind_of_one(mask: Any) -> Kind:
    """Of one boolean mask (Lq|1, Lk), rows without keys and keys without rows left out."""
    import torch

    if bool((mask == mask[:1]).all()):
        return "full" if bool(mask.all()) else "padding"
    mask = mask[mask.any(1)][:, mask.any(0)]
    count = mask.sum(1)
    keys = torch.arange(mask.shape[1], device=mask.device)
    first = torch.where(mask, keys, mask.shape[1]).amin(1)
    last = torch.where(mask, keys, -1).amax(1)
    if bool((last - first + 1 != count).any()) or bool((first.diff() < 0).any()):
        return "boolean"
    if bool((last.diff() < 0).any()):
        return "boolean"
    if bool((first > 0).any()):
        return "window"
    if bool((count == torch.arange(1, len(count) + 1, device=mask.device)).all()):
        return "causal"
    return "full" if bool((count == mask.shape[1]).all()) else "block-causal"
