"""Where models and tokens come from, and the question as the header of the rows records it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from varnum.audit.layer_run import generate_tokens
from varnum.audit.run import Say, Subject
from varnum.errors import InputError
from varnum.model.backend import Ints
from varnum.model.config import PRESETS, VarConfig
from varnum.model.generate import Model, Settings

_SHOWN = ("patch_nums", "depth", "embed_dim", "num_heads", "vocab_size", "Cvae")


def subject(
    name: str, model: Callable[[], Model], config: VarConfig, labels: Ints, tokens: Ints | Settings
) -> Subject:
    """A model on given tokens (B, L), or on tokens that it generates with these settings."""

    def load(say: Say) -> tuple[Model, Ints, Ints]:
        loaded = model()
        if isinstance(tokens, Settings):
            return loaded, labels, generate_tokens(loaded, labels, tokens, say)
        return loaded, labels, tokens

    return Subject(name, config, tuple(int(label) for label in labels), load)


def released_shape(config: VarConfig) -> str | None:
    """The name of the released model with these sizes."""
    for name, (known, _) in PRESETS.items():
        if name.startswith("var-d") and _sizes(known) == _sizes(config):
            return name
    return None


def found_and_expected(config: VarConfig) -> str:
    """One line: the sizes found, and those of every released model."""
    return f"found {_shown(config)}; released shapes: {expected()}"


def expected() -> str:
    """The sizes of the released models, on one line."""
    known = [(name, pair[0]) for name, pair in PRESETS.items() if name.startswith("var-d")]
    return ", ".join(
        f"{name} (depth {c.depth}, width {c.embed_dim}, {c.num_heads} heads, L {c.length}, "
        f"V {c.vocab_size}, Cvae {c.Cvae})"
        for name, c in known
    )


def _shown(c: VarConfig) -> str:
    return (
        f"depth {c.depth}, width {c.embed_dim}, {c.num_heads} heads, L {c.length}, "
        f"V {c.vocab_size}, Cvae {c.Cvae}"
    )


def _sizes(config: VarConfig) -> list[Any]:
    return [getattr(config, name) for name in _SHOWN]


def explain_misfit(error: InputError, state: dict[str, Any]) -> InputError:
    """The same refusal with what was found in the file and what the released models have."""

    def size(name: str) -> str:
        return "x".join(map(str, state[name].shape)) if name in state else "missing"

    names = ("word_embed.weight", "pos_1LC", "head.weight", "blocks.0.attn.mat_qkv.weight")
    blocks = {n.split(".")[1] for n in state if n.startswith("blocks.")}
    found = ", ".join(f"{name} {size(name)}" for name in names)
    return InputError(
        f"{error}; found {len(state)} keys, {len(blocks)} blocks, {found}; "
        f"released shapes: {expected()}"
    )
