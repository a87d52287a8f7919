"""Depth of a model's operation graph, traced from the running model: claim `tc0-depth`.

The walk is that of `varnum.model.generate`, `.paper` and `.flowar` on arrays of `tracer`; only the
choice of a token is put in by hand: one comparison, then a row of the codebook.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from varnum.circuit.pareto import START, Front, further
from varnum.circuit.tracer import Traced, join
from varnum.model import quantizer, transformer
from varnum.model.backend import Array, namespace
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.flowar.flow_config import FlowConfig
from varnum.model.flowar.flow_sampling import FlowModel, FlowSettings, sample_maps
from varnum.model.flowar.flow_statedict import flow_shapes
from varnum.model.flowar.forced import training_forward
from varnum.model.flowar.numbers import Kernels
from varnum.model.generate import guidance_strength
from varnum.model.paper import PaperConfig, paper_shapes, run_paper_model
from varnum.model.statedict import vae_shapes, var_shapes

CODEBOOK = "quantize.embedding.weight"


def quotient_attention(
    q: Array, k: Array, v: Array, scale: Array, blocks: tuple[int, ...] | None = None
) -> Array:
    """(sum E v) / (sum E) with E = exp(scale q.k), as the circuits compute it; shapes as Kernel.

    The model's own kernel divides first: the same numbers, one sum more on the longest path.
    """
    xp = namespace(q)
    q, parts, start = q * scale, [], 0
    for length in blocks or (q.shape[2],):
        stop = start + length
        seen = stop if blocks else k.shape[2]
        keys, values = k[:, :, :seen, :], v[:, :, :seen, :]
        E = xp.exp(xp.matmul(q[:, :, start:stop, :], xp.permute_dims(keys, (0, 1, 3, 2))))
        parts.append(xp.matmul(E, values) / xp.sum(E, axis=-1, keepdims=True))
        start = stop
    return xp.concat(parts, axis=2) if blocks else parts[0]


def _constants(shapes: dict[str, tuple[int, ...]]) -> dict[str, Traced]:
    return {name: Traced(tuple(shape)) for name, shape in shapes.items()}


def _class_vectors(config: VarConfig) -> tuple[dict[str, Traced], Traced]:
    """Weights, and the class vectors: where all paths start."""
    w = _constants(var_shapes(config))
    table = replace(w["class_emb.weight"], front=START)
    w["class_emb.weight"] = table
    return w, transformer.class_vector(w, config, np.zeros(1, dtype=np.int64))


def _chosen(logits: Traced, scale: int, scales: int) -> Front:
    """Guidance as in `generate`, then the comparison with the other logits."""
    t = guidance_strength(Fraction(1), scale, scales) if scales > 1 else Fraction(1)
    guided = float(1 + t) * logits - float(t) * logits
    return further(_together([guided.front]), std=1)


def _term(vae: VaeConfig, w: dict[str, Traced], scale: int, front: Front) -> Traced:
    """What a scale adds to f_hat, its tokens reached by `front`."""
    side = vae.patch_nums[scale]
    chosen = {**w, CODEBOOK: replace(w[CODEBOOK], front=front)}
    term: Traced = quantizer.scale_term(chosen, vae, scale, np.zeros((1, side * side), np.int64))
    return term


def trace_generation(config: VarConfig, vae: VaeConfig) -> Front:
    """Longest paths from the class vector to the tokens of the last scale, with guidance."""
    w, c = _class_vectors(config)
    codes = _constants(vae_shapes(vae))
    sixes = transformer.conditions(w, config, c)
    cache = transformer.Cache.empty()
    x = transformer.embed_start(w, config, c)
    f_hat: Traced | None = None
    found: list[Front] = []
    for s in range(config.scales):
        logits = transformer.next_scale_logits(w, config, x, c, sixes, cache, quotient_attention)
        found.append(_chosen(logits, s, config.scales))
        if s < config.scales - 1:
            term = _term(vae, codes, s, found[-1])
            f_hat = term if f_hat is None else f_hat + term
            following = quantizer.next_map(vae, s, f_hat)
            x = transformer.embed_map(w, config, s + 1, quantizer.as_tokens(following))
    return _together(found)


def trace_teacher_forced(config: VarConfig, vae: VaeConfig) -> Front:
    """Longest paths with all tokens given: class vector and tokens to the choices, all scales."""
    w, c = _class_vectors(config)
    codes = _constants(vae_shapes(vae))
    codes[CODEBOOK] = replace(codes[CODEBOOK], front=START)
    tokens = np.zeros((1, config.length), dtype=np.int64)
    maps = quantizer.teacher_maps(codes, vae, tokens)
    parts = [transformer.embed_start(w, config, c)]
    parts += [transformer.embed_map(w, config, s, m) for s, m in enumerate(maps, start=1)]
    x = namespace(c).concat(parts, axis=1)
    for i, six in enumerate(transformer.conditions(w, config, c)):
        x = transformer.transformer_block(
            w, config, i, x, six, quotient_attention, blocks=config.lengths
        )
    return _chosen(transformer.head(w, config, x, c), 0, 1)


def trace_paper(config: PaperConfig) -> Front:
    """Longest paths of the paper's continuous model, start map to image."""
    w = _constants(paper_shapes(config))
    start = replace(w["start"], front=START)
    return _together([run_paper_model(w, config, start, quotient_attention).image.front])


def trace_sampling(config: FlowConfig, settings: FlowSettings) -> Front:
    """Longest paths of FlowAR from class vector and noise to the maps, guidance applied."""
    noise = [Traced((1, n, config.latent_channels), START) for n in config.lengths]
    scales = sample_maps(_flow(config), np.zeros(1, np.int64), noise, settings, _QUOTIENT)
    return _together([scale.map.front for scale in scales])


def trace_training(config: FlowConfig) -> Front:
    """Longest paths of FlowAR with the data given: class vector, data and noise to velocities."""
    side, latent = config.scales[-1], config.latent_channels
    noise = [Traced((1, n, latent), START) for n in config.lengths]
    image, times = Traced((1, latent, side, side), START), np.full((len(config.scales), 1), 0.5)
    found = training_forward(_flow(config), np.zeros(1, np.int64), image, times, noise, _QUOTIENT)
    return _together([scale.velocity.front for scale in found.scales])


_QUOTIENT = Kernels(quotient_attention, quotient_attention, quotient_attention)


def _flow(config: FlowConfig) -> FlowModel:
    w = _constants(flow_shapes(config))
    w["class_emb.weight"] = replace(w["class_emb.weight"], front=START)
    return FlowModel(config, w)


def _together(fronts: Iterable[Front | None]) -> Front:
    front = join(*fronts)
    if front is None:
        raise ValueError("the output does not depend on the input")
    return front
