"""The multi-scale residual quantizer: tokens to f_hat and an image's latent to tokens.

f_hat = sum_s phi_{j(s)}(up(codebook[t_s])): Tian et al., arXiv 2404.02905, algorithms 1 and 2.
B batch, P latent side, p_s side of scale s, K scales, V vocabulary.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from varnum.model.backend import Array, Ints, Weights, const, namespace, take_rows
from varnum.model.config import VaeConfig
from varnum.model.interpolation import area, bicubic
from varnum.model.layers import conv2d
from varnum.model.sampling import choose_largest


def phi_index(scale: int, scales: int, count: int) -> int:
    """Which of `count` shared phi belongs to scale s = 0..K-1, as float64 decides it.

    The nearest of `count` ticks to s/(K-1), lower index first. Several released scales are exact
    ties in real arithmetic that the last bit of float64 decides, so this must stay in float64.

    >>> [phi_index(s, 10, 4) for s in range(10)]
    [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
    """
    start = 1 / 3 / count if count == 4 else 1 / 2 / count
    ticks = np.linspace(start, 1 - start, count)
    return int(np.argmin(np.abs(ticks - scale / (scales - 1))))


def phi_names(config: VaeConfig) -> list[str]:
    """Keys of all phi convolutions, without `.weight` and `.bias`.

    `share_quant_resi`: 1 is one phi for all scales, 0 one per scale, n > 1 that many shared ones.
    """
    if config.share_quant_resi == 1:
        return ["quantize.quant_resi.qresi"]
    kind = "qresi_ls." if config.share_quant_resi else ""
    count = config.share_quant_resi or len(config.patch_nums)
    return [f"quantize.quant_resi.{kind}{i}" for i in range(count)]


def phi(w: Weights, config: VaeConfig, scale: int, x: Array) -> Array:
    """(1 - r) x + r conv3x3(x), r = quant_resi: (B, Cvae, P, P) -> the same shape."""
    names = phi_names(config)
    name = names[phi_index(scale, len(config.patch_nums), len(names))]
    ratio = Fraction(str(config.quant_resi))
    smooth = conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)
    return const(x, 1 - ratio) * x + const(x, ratio) * smooth


def scale_term(w: Weights, config: VaeConfig, scale: int, tokens: Ints) -> Array:
    """What scale s adds to f_hat: tokens (B, p_s^2) -> (B, Cvae, P, P)."""
    side = config.patch_nums[scale]
    h = take_rows(w["quantize.embedding.weight"], tokens)  # (B, p_s^2, Cvae)
    xp = namespace(h)
    h = xp.reshape(xp.permute_dims(h, (0, 2, 1)), (h.shape[0], h.shape[2], side, side))
    if scale < len(config.patch_nums) - 1:
        h = bicubic(h, config.latent)
    return phi(w, config, scale, h)


def next_map(config: VaeConfig, scale: int, f_hat: Array) -> Array:
    """f_hat (B, Cvae, P, P) averaged to the side of scale s + 1."""
    return area(f_hat, config.patch_nums[scale + 1])


def as_tokens(x: Array) -> Array:
    """A map as a row-major sequence: (B, C, h, w) -> (B, h w, C)."""
    xp = namespace(x)
    batch, channels, height, width = x.shape
    return xp.permute_dims(xp.reshape(x, (batch, channels, height * width)), (0, 2, 1))


def split_scales(config: VaeConfig, tokens: Ints) -> list[Ints]:
    """Tokens of all scales (B, L) cut into (B, p_s^2) each."""
    ends = np.cumsum([p * p for p in config.patch_nums])
    return np.split(tokens, ends[:-1], axis=1)


def accumulate(w: Weights, config: VaeConfig, scales: list[Ints]) -> list[Array]:
    """f_hat (B, Cvae, P, P) after each of the given scales."""
    result: list[Array] = []
    for s, tokens in enumerate(scales):
        term = scale_term(w, config, s, tokens)
        result.append(result[-1] + term if result else term)
    return result


def teacher_maps(w: Weights, config: VaeConfig, tokens: Ints) -> list[Array]:
    """Teacher-forcing input from tokens (B, L): (B, p_s^2, Cvae) for s = 1..K-1."""
    steps = accumulate(w, config, split_scales(config, tokens)[:-1])
    return [as_tokens(next_map(config, s, f_hat)) for s, f_hat in enumerate(steps)]


def tokenize(w: Weights, config: VaeConfig, latent: Array) -> list[Ints]:
    """Tokens (B, p_s^2) of each scale from a latent map (B, Cvae, P, P): nearest code of the rest.

    On balls a token is chosen only where it is certain; otherwise raises UndecidedError.
    """
    codebook = w["quantize.embedding.weight"]  # (V, Cvae)
    xp = namespace(codebook)
    half_norms = const(latent, Fraction(1, 2)) * xp.sum(codebook * codebook, axis=1)  # (V)
    result = []
    for s in range(len(config.patch_nums)):
        last = s == len(config.patch_nums) - 1
        z = as_tokens(latent if last else area(latent, config.patch_nums[s]))  # (B, p_s^2, Cvae)
        # |z - e|^2 = |z|^2 + 2 (|e|^2/2 - z.e): the nearest code maximises z.e - |e|^2/2
        score = xp.matmul(z, xp.permute_dims(codebook, (1, 0))) - half_norms
        tokens = choose_largest(score, f"token of scale {s}")
        latent = latent - scale_term(w, config, s, tokens)
        result.append(tokens)
    return result
