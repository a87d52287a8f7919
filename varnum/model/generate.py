"""A model as a whole: autoregressive generation with guidance, teacher forcing, images.

Source: Tian et al., arXiv 2404.02905, section 3 and its public code. B batch, l tokens of a scale,
V vocabulary, K scales, P latent side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.errors import InputError
from varnum.model import quantizer, transformer, vqvae
from varnum.model.attention import Kernel, exact_attention
from varnum.model.backend import Array, Backend, Ints, Weights, const, namespace
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.sampling import check_filter, sample
from varnum.model.statedict import without_buffers


@dataclass(frozen=True)
class Model:
    """Sizes and weights of a transformer and its VQVAE, all arrays of one kind."""

    var: VarConfig
    vae: VaeConfig
    var_weights: Weights
    vae_weights: Weights

    def __post_init__(self) -> None:
        for name in ("patch_nums", "vocab_size", "Cvae"):
            mine, other = getattr(self.var, name), getattr(self.vae, name)
            if mine != other:
                raise InputError(f"{name}: the transformer has {mine}, the VQVAE {other}")

    def to(self, backend: Backend) -> Model:
        """The same model with its weights on a backend."""
        return Model(
            self.var,
            self.vae,
            backend.weights(without_buffers(self.var_weights)),
            backend.weights(without_buffers(self.vae_weights)),
        )


@dataclass(frozen=True)
class Settings:
    """How tokens are chosen: guidance strength, filters (0 is off), seed of the draws."""

    cfg: Fraction = Fraction(0)
    top_k: int = 1
    top_p: Fraction = Fraction(0)
    seed: int = 0


@dataclass(frozen=True)
class Scale:
    """What one scale produced."""

    tokens: Ints  # (B, l)
    logits: Array  # (B, l, V), after guidance
    raw_logits: Array  # (2B, l, V) with guidance: first half conditional; else (B, l, V)
    f_hat: Array  # (B, Cvae, P, P), this scale included
    next_map: Array | None  # (B, Cvae, p, p) fed to the next scale; None at the last


def guidance_strength(cfg: Fraction, scale: int, scales: int) -> Fraction:
    """t = cfg s/(K-1): nothing at the first scale, all of it at the last."""
    return cfg * scale / (scales - 1)


def generate(
    model: Model,
    labels: Ints,
    settings: Settings = Settings(),
    attend: Kernel = exact_attention,
    watch: Callable[[int, int], None] | None = None,
) -> Iterator[Scale]:
    """Generate scale by scale with a key/value cache; yields one `Scale` per scale.

    logits = (1+t) conditional - t unconditional, the two computed as one batch (only the first if
    cfg is 0). `watch(scale, block)` is told of every block done. Raises InputError on labels or
    filters out of range, UndecidedError where balls leave a token open.
    """
    var, w = model.var, model.var_weights
    check_filter(settings.top_k, settings.top_p, var.vocab_size)
    if abs(settings.cfg) > 10**6:
        raise InputError("cfg: the guidance strength must be within -10^6 to 10^6")
    labels = np.asarray(labels, dtype=np.int64)
    batch, guided = labels.size, settings.cfg != 0
    both = np.concatenate([labels, np.full_like(labels, -1)]) if guided else labels
    c = transformer.class_vector(w, var, both)  # (2B, C)
    xp = namespace(c)
    sixes = transformer.conditions(w, var, c)
    cache = transformer.Cache.empty()
    rng = np.random.default_rng(settings.seed)
    x = transformer.embed_start(w, var, c)  # (2B, l, C)
    f_hat = None
    for s in range(var.scales):
        note = None if watch is None else (lambda block, _, s=s: watch(s, block))
        raw = transformer.next_scale_logits(w, var, x, c, sixes, cache, attend, note)
        t = guidance_strength(settings.cfg, s, var.scales)
        logits = raw
        if guided:
            logits = const(raw, 1 + t) * raw[:batch] - const(raw, t) * raw[batch:]
        tokens = sample(logits, settings.top_k, settings.top_p, rng, f"token of scale {s}")
        term = quantizer.scale_term(model.vae_weights, model.vae, s, tokens)
        f_hat = term if f_hat is None else f_hat + term
        following = None
        if s < var.scales - 1:
            following = quantizer.next_map(model.vae, s, f_hat)
            x = transformer.embed_map(w, var, s + 1, quantizer.as_tokens(following))
            x = xp.concat([x, x], axis=0) if guided else x
        yield Scale(tokens, logits, raw, f_hat, following)


def check_model_tokens(model: Model, labels: Ints, tokens: Ints) -> None:
    """Raise InputError unless tokens are integers (labels, L) of the vocabulary."""
    expected = (labels.size, model.var.length)
    if tokens.shape != expected or tokens.dtype.kind not in "iu":
        raise InputError(
            f"tokens: need integers of shape {expected} (labels, L), got {tokens.dtype} "
            f"of shape {tokens.shape}"
        )
    if tokens.min() < 0 or tokens.max() >= model.var.vocab_size:
        raise InputError(f"tokens: allowed are 0 to {model.var.vocab_size - 1}")


def teacher_forced_logits(
    model: Model,
    labels: Ints,
    tokens: Ints,
    attend: Kernel = exact_attention,
    watch: transformer.Watch | None = None,
) -> Array:
    """Logits (B, L, V) of all scales for given tokens (B, L), small scales first, row-major."""
    tokens = np.asarray(tokens)
    labels = np.asarray(labels, dtype=np.int64)
    check_model_tokens(model, labels, tokens)
    maps = quantizer.teacher_maps(model.vae_weights, model.vae, tokens)
    return transformer.teacher_forced(model.var_weights, model.var, labels, maps, attend, watch)


def image_of(model: Model, f_hat: Array, attend: Kernel = exact_attention) -> Array:
    """Image (B, 3, h, w) in [0, 1] of a finished f_hat (B, Cvae, P, P)."""
    return vqvae.to_unit_image(vqvae.decode(model.vae_weights, model.vae, f_hat, attend))
