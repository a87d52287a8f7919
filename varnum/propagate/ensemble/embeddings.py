"""Where the walk starts: embeddings and AdaLN vectors in float64, each with a bound of its error.

The exact values are those of the stored weights and tokens in real arithmetic. Linear chains are
bounded by the same chain on absolute values times gamma of all their roundings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from varnum.floats.rounding import gamma
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.generate import Model
from varnum.model.interpolation import area_matrix, bicubic_matrix
from varnum.model.layers import conv2d
from varnum.model.quantizer import as_tokens, phi_index, phi_names, split_scales
from varnum.propagate.ensemble.ops import Vector
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.ensemble.smooth_activations import silu
from varnum.propagate.forms import Floats
from varnum.tensor import Tensor


def embedded(model: Model, label: int, tokens: npt.ArrayLike) -> tuple[Floats, Floats]:
    """x (L, C) before the first block for tokens (L,), and a bound of its error."""
    var, w = model.var, _Wide(model.var_weights)
    vector = w["class_emb.weight"][label if label >= 0 else var.num_classes]
    where = w["pos_1LC"][0] + np.repeat(w["lvl_embed.weight"][: var.scales], var.lengths, axis=0)
    size = np.abs(w["pos_1LC"][0]) + np.repeat(
        np.abs(w["lvl_embed.weight"][: var.scales]), var.lengths, axis=0
    )
    first = var.lengths[0]
    start = w["pos_start"][0]
    x, bound = where.copy(), 4 * 2.0**-53 * size
    x[:first] += vector + start
    bound[:first] += 4 * 2.0**-53 * (np.abs(vector) + np.abs(start))
    maps, sizes = _maps(_Wide(model.vae_weights), model.vae, tokens)
    weight, bias = w["word_embed.weight"], w["word_embed.bias"]
    for s, (tokens_in, tokens_size) in enumerate(zip(maps, sizes, strict=True), start=1):
        at = slice(sum(var.lengths[:s]), sum(var.lengths[: s + 1]))
        value = tokens_in @ weight.T + bias
        absolute = tokens_size @ np.abs(weight).T + np.abs(bias)
        x[at] += value
        bound[at] += _chain(var, model.vae) * absolute
    return x, bound * UP


def _chain(var: VarConfig, vae: VaeConfig) -> float:
    """Roundings from the codebook to x: two resamplings, a convolution, the sums, word_embed."""
    side = vae.latent
    return gamma(4 * (side + 2) + 9 * vae.Cvae + 8 + var.scales + var.Cvae + 8)


def _maps(
    w: Mapping[str, Floats], vae: VaeConfig, tokens: npt.ArrayLike
) -> tuple[list[Floats], list[Floats]]:
    """Teacher-forcing maps (p_s^2, Cvae), s >= 1, and the same of absolute values."""
    found: tuple[list[Floats], list[Floats]] = ([], [])
    running: list[Floats | None] = [None, None]
    scales = split_scales(vae, np.asarray(tokens)[None])
    for s, ids in enumerate(scales[:-1]):
        for kind in range(2):
            term = _term(w, vae, s, ids, kind == 1)
            before = running[kind]
            total = term if before is None else before + term
            running[kind] = total
            small = _resampled(total, area_matrix(vae.latent, vae.patch_nums[s + 1]), False)
            found[kind].append(as_tokens(small)[0])
    return found


def latent(model: Model, tokens: npt.ArrayLike) -> tuple[Floats, Floats]:
    """f_hat (Cvae, P, P) of tokens (L,), and a bound of its error."""
    w, vae = _Wide(model.vae_weights), model.vae
    scales = split_scales(vae, np.asarray(tokens)[None])
    value, size = (
        sum(_term(w, vae, s, ids, absolute)[0] for s, ids in enumerate(scales))
        for absolute in (False, True)
    )
    roundings = 2 * (vae.latent + 2) + 9 * vae.Cvae + 8 + len(scales)
    return np.asarray(value), np.asarray(gamma(roundings + 8) * size * UP)


def _term(
    w: Mapping[str, Floats], vae: VaeConfig, scale: int, ids: npt.ArrayLike, absolute: bool
) -> Floats:
    """What a scale adds to f_hat, (1, Cvae, P, P), as `quantizer.scale_term`."""

    def kind(x: Floats) -> Floats:
        return np.abs(x) if absolute else x

    side = vae.patch_nums[scale]
    h = kind(w["quantize.embedding.weight"][np.asarray(ids)])
    h = h.transpose(0, 2, 1).reshape(1, -1, side, side)
    h = _resampled(h, bicubic_matrix(side, vae.latent), absolute)
    names = phi_names(vae)
    name = names[phi_index(scale, len(vae.patch_nums), len(names))]
    ratio = Fraction(str(vae.quant_resi))
    smooth = conv2d(h, kind(w[f"{name}.weight"]), kind(w[f"{name}.bias"]), padding=1)
    return np.asarray(float(1 - ratio) * h + float(ratio) * smooth)


def _resampled(x: Floats, matrix: tuple[tuple[Fraction, ...], ...], absolute: bool) -> Floats:
    rows = np.array([[float(v) for v in row] for row in matrix])
    rows = np.abs(rows) if absolute else rows
    return np.asarray(rows @ x @ rows.T)


def conditions(model: Model, label: int) -> list[tuple[Vector, ...]]:
    """AdaLN vectors per block (gamma1, gamma2, scale1, scale2, shift1, shift2), then the head's."""
    var, w = model.var, _Wide(model.var_weights)
    value, error = silu(w["class_emb.weight"][label if label >= 0 else var.num_classes])

    def linear(name: str, parts: int) -> tuple[Vector, ...]:
        weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
        size = np.abs(weight)
        out = weight @ value + bias
        off = gamma(len(value) + 2) * (size @ np.abs(value) + np.abs(bias)) + size @ error
        return _split(out, off * UP, parts)

    shared = linear("shared_ada_lin.1", 6) if var.shared_aln else None
    found = []
    for i in range(var.depth):
        if shared is None:
            found.append(linear(f"blocks.{i}.ada_lin.1", 6))
            continue
        own = w[f"blocks.{i}.ada_gss"].reshape(6, -1)
        sums = [v + o for (v, _), o in zip(shared, own, strict=True)]
        found.append(
            tuple(
                (t, (e + 2.0**-52 * np.abs(t)) * UP) for t, (_, e) in zip(sums, shared, strict=True)
            )
        )
    return [*found, linear("head_nm.ada_lin.1", 2)]


def _split(value: Floats, error: Floats, parts: int) -> tuple[Vector, ...]:
    return tuple(zip(value.reshape(parts, -1), error.reshape(parts, -1), strict=True))


class _Wide(Mapping[str, Floats]):
    """Weights in float64, each when it is asked for."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def __getitem__(self, name: str) -> Floats:
        return np.asarray(self.weights[name], dtype=np.float64)

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)
