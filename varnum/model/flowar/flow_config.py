"""Sizes of FlowAR, the released ones and toys. Source: arXiv 2412.15205 and the released code."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

from varnum.errors import InputError
from varnum.model.config import settings_of

AR_STAGES = ("encoder_blocks", "decoder_blocks")
FLOW_STAGE = "flownet.res_blocks"
_MOST = 2**24


def gated_hidden(width: int) -> int:
    """Hidden width of the gated MLP, floor(8 width / 3)."""
    return int(width * 4.0 * 2 / 3)


@dataclass(frozen=True)
class FlowConfig:
    """Sizes; `classes` is also the label that means "no class", `cross` the second architecture."""

    scales: tuple[int, ...] = (1, 2, 4, 8, 16)
    model_width: int = 768  # C
    encoder_depth: int = 6
    decoder_depth: int = 6
    encoder_heads: int = 12
    decoder_heads: int = 12
    flow_depth: int = 2
    flow_width: int = 1024  # w
    cross: bool = False  # flow blocks with cross-attention to z
    latent_channels: int = 16
    classes: int = 1000
    mlp_hidden_ar: int = 0  # 0: floor(8 C / 3)
    mlp_hidden_flow: int = 0  # 0: floor(8 w / 3)
    resample_through_sampling: int = 16  # side on the way from one map to the next input

    def __post_init__(self) -> None:
        sides = self.scales
        rising = all(a < b for a, b in pairwise(sides))
        if not sides or sides[0] != 1 or not rising or sides[-1] > 10_000:
            raise InputError(f"scales: need rising sides that start with 1, got {sides[:20]}")
        for field in fields(self):
            value, least = getattr(self, field.name), int(not field.name.startswith("mlp_hidden"))
            if field.type == "int" and not least <= value <= _MOST:
                raise InputError(f"{field.name}: must be {least} to {_MOST}, got {value}")
        for stage in (*AR_STAGES, FLOW_STAGE):
            width, heads = self.width(stage), self.heads(stage)
            if width % (4 * heads):
                raise InputError(
                    f"{stage}: width {width} and {heads} heads; a head must be a multiple of 4 wide"
                )

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each scale, h_k^2."""
        return tuple(h * h for h in self.scales)

    @property
    def length(self) -> int:
        """All tokens, L."""
        return sum(self.lengths)

    @property
    def flow_heads(self) -> int:
        """Heads of the flow net, floor(w / 64) and at least one."""
        return max(self.flow_width // 64, 1)

    def width(self, stage: str) -> int:
        """Width of the blocks of a stage."""
        return self.flow_width if stage == FLOW_STAGE else self.model_width

    def depth(self, stage: str) -> int:
        """Number of blocks of a stage."""
        depths = (self.encoder_depth, self.decoder_depth, self.flow_depth)
        return dict(zip((*AR_STAGES, FLOW_STAGE), depths, strict=True))[stage]

    def heads(self, stage: str) -> int:
        """Number of heads of a stage."""
        heads = (self.encoder_heads, self.decoder_heads, self.flow_heads)
        return dict(zip((*AR_STAGES, FLOW_STAGE), heads, strict=True))[stage]

    def head_dim(self, stage: str) -> int:
        """Width of one head of a stage, d."""
        return self.width(stage) // self.heads(stage)

    def hidden(self, stage: str) -> int:
        """Hidden width of a stage's MLPs."""
        given = self.mlp_hidden_flow if stage == FLOW_STAGE else self.mlp_hidden_ar
        return given or gated_hidden(self.width(stage))


def _released(width: int, depth: int, heads: int, **changes: Any) -> FlowConfig:
    return FlowConfig((1, 2, 4, 8, 16), width, depth, depth, heads, heads, **changes)


_TINY = FlowConfig(
    (1, 2, 4), 32, 1, 1, 2, 2, flow_depth=1, flow_width=64, latent_channels=4, classes=10
)

FLOW_PRESETS: dict[str, FlowConfig] = {
    "flowar-tiny": _TINY,
    "flowar-tiny-cross": replace(_TINY, cross=True, flow_depth=2),
    "flowar-s": _released(768, 6, 12),
    "flowar-l": _released(1024, 8, 16, flow_depth=12, cross=True),
    "flowar-h": _released(1536, 15, 16, flow_depth=12, flow_width=1536, cross=True),
}


def flow_preset(name: str) -> FlowConfig:
    """Look up a preset; raises InputError that lists the names.

    >>> flow_preset("flowar-s").length
    341
    """
    if name not in FLOW_PRESETS:
        raise InputError(f"preset: no {name!r}; known: {', '.join(FLOW_PRESETS)}")
    return FLOW_PRESETS[name]


# Not sizes: what the model is. A configuration that says otherwise is of another model.
FACTS: dict[str, float] = {
    "rope_extent": 16, "rope_base": 10_000, "rms_eps": 1e-6, "time_frequencies": 128,
    "time_max_period": 10_000, "bicubic_a": -0.75, "buffer_size": 0, "patch_size": 1,
}  # fmt: skip
_KNOWN = {field.name: str(field.type) for field in fields(FlowConfig)}


def read_flow_settings(pairs: dict[str, Any], where: str) -> dict[str, Any]:
    """Sizes among the pairs of a configuration file, other names ignored.

    Raises InputError for a wrong type, and where a name of `FACTS` has another value.
    """
    for name, fact in FACTS.items():
        if name in pairs and not (_number(pairs[name]) and math.isclose(pairs[name], fact)):
            raise InputError(f"{where}: {name}: {str(pairs[name])[:40]}; this model has {fact}")
    return settings_of(pairs, where, _KNOWN)[0]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
