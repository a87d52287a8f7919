"""Sizes of a VAR transformer and its VQVAE, the released presets, and small toys.

Source: Tian et al., arXiv 2404.02905, and the public code's defaults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from varnum.errors import InputError

PATCHES_256 = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)  # L = 680
PATCHES_512 = (1, 2, 3, 4, 6, 9, 13, 18, 24, 32)  # L = 2240


@dataclass(frozen=True)
class VarConfig:
    """Sizes of the transformer; `num_classes` is also the label that means "no class"."""

    patch_nums: tuple[int, ...] = PATCHES_256
    depth: int = 16
    embed_dim: int = 1024  # C
    num_heads: int = 16  # H; d = C / H
    mlp_ratio: float = 4.0
    norm_eps: float = 1e-6
    vocab_size: int = 4096  # V
    Cvae: int = 32
    num_classes: int = 1000
    attn_l2_norm: bool = True
    shared_aln: bool = False

    def __post_init__(self) -> None:
        _check_patches(self.patch_nums)
        _check_sizes(self, _MANY, "depth")
        _check_sizes(self, _WIDE, "embed_dim", "num_heads", "vocab_size", "Cvae", "num_classes")
        if self.embed_dim % self.num_heads:
            raise InputError(
                f"num_heads: {self.num_heads} does not divide embed_dim {self.embed_dim}"
            )
        if not (0 < self.norm_eps < math.inf and 0 < self.mlp_ratio < _WIDE):
            raise InputError("mlp_ratio and norm_eps: must be above zero and finite")
        _check_sizes(self, _WIDE, "hidden")

    @property
    def scales(self) -> int:
        """Number of scales K."""
        return len(self.patch_nums)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each scale, p_s^2."""
        return tuple(p * p for p in self.patch_nums)

    @property
    def length(self) -> int:
        """All tokens, L."""
        return sum(self.lengths)

    @property
    def head_dim(self) -> int:
        """Width of one head, d."""
        return self.embed_dim // self.num_heads

    @property
    def hidden(self) -> int:
        """Hidden width of the MLP."""
        return round(self.embed_dim * self.mlp_ratio)


@dataclass(frozen=True)
class VaeConfig:
    """Sizes of the multi-scale VQVAE; the latent is P x P, the image P * 2^(levels - 1) wide."""

    patch_nums: tuple[int, ...] = PATCHES_256
    vocab_size: int = 4096  # V
    Cvae: int = 32
    ch: int = 160
    ch_mult: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int = 2
    share_quant_resi: int = 4
    quant_resi: float = 0.5
    quant_conv_ks: int = 3

    def __post_init__(self) -> None:
        _check_patches(self.patch_nums)
        _check_sizes(self, _WIDE, "vocab_size", "Cvae", "ch")
        _check_sizes(self, _MANY, "num_res_blocks", "quant_conv_ks")
        if not 1 <= len(self.ch_mult) <= 16 or max(self.ch_mult) > _MANY:
            raise InputError(f"ch_mult: need 1 to 16 numbers of at most {_MANY}")
        if any(self.ch * m % 32 or m < 1 for m in self.ch_mult):
            raise InputError("ch, ch_mult: every ch * ch_mult must be a positive multiple of 32")
        if self.ch % 32 or self.quant_conv_ks % 2 == 0:
            raise InputError("ch must be a multiple of 32 and quant_conv_ks odd")
        if not 0 <= self.share_quant_resi <= _MANY or not 0 < self.quant_resi <= 1:
            raise InputError(f"share_quant_resi must be 0 to {_MANY} and quant_resi in (0, 1]")

    @property
    def latent(self) -> int:
        """Side of the latent map, P."""
        return int(self.patch_nums[-1])

    @property
    def image_size(self) -> int:
        """Side of the image in pixels."""
        return self.latent << (len(self.ch_mult) - 1)


def _check_patches(patches: tuple[int, ...]) -> None:
    rising = all(0 < a < b for a, b in pairwise(patches))
    if len(patches) < 2 or not rising or patches[-1] > _MANY:
        raise InputError(
            f"patch_nums: need at least two rising numbers from 1 to {_MANY}, got {patches[:20]}"
        )


# Far beyond any model; what lies above would only be found out by running out of time.
_MANY, _WIDE = 10_000, 2**24


def _check_sizes(config: Any, most: int, *names: str) -> None:
    for name in names:
        if not 1 <= getattr(config, name) <= most:
            raise InputError(f"{name}: must be 1 to {most}, got {getattr(config, name)}")


def _released(depth: int, **changes: Any) -> VarConfig:
    return replace(VarConfig(depth=depth, embed_dim=64 * depth, num_heads=depth), **changes)


_TINY = VarConfig((1, 2, 3, 4), 2, 32, 4, vocab_size=64, Cvae=8, num_classes=10)
_TINY_VAE = VaeConfig((1, 2, 3, 4), vocab_size=64, Cvae=8, ch=32, ch_mult=(1, 1, 2))
_SMALL = VarConfig(PATCHES_256, 4, 128, 4, vocab_size=256, Cvae=16, num_classes=10)
_SMALL_VAE = VaeConfig(PATCHES_256, vocab_size=256, Cvae=16, ch=32, ch_mult=(1, 2))

PRESETS: dict[str, tuple[VarConfig, VaeConfig]] = {
    "var-tiny": (_TINY, _TINY_VAE),
    "var-tiny-plain": (replace(_TINY, attn_l2_norm=False), _TINY_VAE),
    "var-tiny-shared": (replace(_TINY, shared_aln=True), _TINY_VAE),
    "var-small": (_SMALL, _SMALL_VAE),
    "var-d16": (_released(16), VaeConfig()),
    "var-d20": (_released(20), VaeConfig()),
    "var-d24": (_released(24), VaeConfig()),
    "var-d30": (_released(30), VaeConfig()),
    "var-d36": (
        _released(36, patch_nums=PATCHES_512, shared_aln=True),
        VaeConfig(patch_nums=PATCHES_512),
    ),
}


def preset(name: str) -> tuple[VarConfig, VaeConfig]:
    """Look up a preset; raises InputError that lists the names.

    >>> preset("var-d16")[0].length
    680
    """
    if name not in PRESETS:
        raise InputError(f"preset: no {name!r}; known: {', '.join(PRESETS)}")
    return PRESETS[name]


def with_settings(name: str, settings: dict[str, Any]) -> tuple[VarConfig, VaeConfig]:
    """A preset with some sizes changed (field name -> value)."""
    changed = [
        replace(config, **{f.name: settings[f.name] for f in fields(config) if f.name in settings})
        for config in preset(name)
    ]
    return changed[0], changed[1]  # type: ignore[return-value]


# --- settings as plain key/value pairs (a JSON file) --------------------------------------------

_VAE_NAMES = {"vae_ch": "ch", "vae_ch_mult": "ch_mult", "vae_num_res_blocks": "num_res_blocks"}
_KNOWN = {field.name: field.type for field in (*fields(VarConfig), *fields(VaeConfig))}


def read_settings(pairs: dict[str, Any], where: str) -> tuple[dict[str, Any], list[str]]:
    """Check the types of `pairs`; returns (settings by field name, names that mean nothing here).

    Accepts the field names of both configurations and `vae_ch`, `vae_ch_mult`,
    `vae_num_res_blocks`. Raises InputError naming the file `where` and the wrong entry.
    """
    return settings_of(pairs, where, {name: str(kind) for name, kind in _KNOWN.items()}, _VAE_NAMES)


def settings_of(
    pairs: dict[str, Any],
    where: str,
    known: Mapping[str, str],
    other_names: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, Any], list[str]]:
    """`read_settings` for the fields `known` (name -> type); `other_names` stand for fields."""
    settings: dict[str, Any] = {}
    ignored = []
    for name, value in pairs.items():
        field = other_names.get(name, name)
        if field not in known:
            ignored.append(name)
            continue
        settings[field] = _typed(value, known[field], f"{where}: {name}")
    return settings, ignored


def _typed(value: Any, kind: str, where: str) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int" and whole:
        return value
    if kind == "float" and (isinstance(value, float) or (whole and abs(value) < 2**53)):
        return float(value)
    if kind.startswith("tuple") and isinstance(value, list | tuple):
        return tuple(_typed(item, "int", where) for item in value)
    raise InputError(f"{where}: expected {kind.replace('tuple', 'list')}, got {repr(value)[:60]}")
