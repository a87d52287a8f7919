"""The continuous model of Ke et al., arXiv 2501.04377: claim `paper-model`, on the same layers.

No tokens: attention layers alternate with up-interpolation, then F = sum_k conv_k(up_k(r_k)) and a
small decoder. B batch, c channels, h_k side of scale k = 1..K, L_k = h_1^2 + .. + h_k^2.

    X_1 = start;   Y_k = Attn_k(X_k);   X_{k+1} = [start, up(Y_k[1]), .., up(Y_k[k])];   r = Y_K
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from varnum.errors import InputError
from varnum.model.attention import Kernel, exact_attention
from varnum.model.backend import Array, Weights, const, namespace
from varnum.model.interpolation import TORCH_BICUBIC, bicubic
from varnum.model.layers import layer_norm, linear
from varnum.model.quantizer import as_tokens
from varnum.model.statedict import Shapes
from varnum.model.vqvae import conv


@dataclass(frozen=True)
class PaperConfig:
    """Sizes and choices; logits are q.k / sigma, with sigma given as its square to stay exact.

    sigma_squared: d^2 for sigma = d, d for sqrt(d), 16 d for 4 sqrt(d), 1 for unscaled.
    """

    sides: tuple[int, ...] = (1, 2, 4)  # h_1 < .. < h_K
    channels: int = 8  # c
    head_dim: int = 8  # d
    sigma_squared: Fraction = Fraction(64)
    keys_a: Fraction = TORCH_BICUBIC  # parameter of the bicubic kernel
    norm_eps: Fraction | None = None  # None: no LayerNorm (as stated in the paper)
    residual: bool = True  # x + Attn(x) instead of Attn(x)
    block_causal: bool = False  # the paper lets every token see every token

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise((0, *self.sides)))
        if not self.sides or not rising:
            raise InputError(f"sides: need rising positive numbers, got {self.sides}")
        if self.channels < 1 or self.head_dim < 1 or self.sigma_squared <= 0:
            raise InputError("channels, head_dim, sigma_squared: must be above zero")

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each scale, h_k^2."""
        return tuple(h * h for h in self.sides)


def geometric_sides(scales: int, ratio: int = 2, first: int = 1) -> tuple[int, ...]:
    """The geometric schedule first * ratio^(k-1), k = 1..K.

    >>> geometric_sides(5)
    (1, 2, 4, 8, 16)
    """
    return tuple(first * ratio**k for k in range(scales))


@dataclass(frozen=True)
class PaperRun:
    """What one pass produced."""

    pyramid: list[Array]  # r_1 .. r_K, (B, c, h_k, h_k)
    features: Array  # F, (B, c, h_K, h_K)
    image: Array  # (B, 3, 2 h_K, 2 h_K)


def paper_shapes(config: PaperConfig) -> Shapes:
    """Names and shapes of the weights; position embeddings `pos.k` are added before layer k."""
    c, d = config.channels, config.head_dim
    shapes: Shapes = {"start": (1, c, config.sides[0], config.sides[0])}
    layers = [str(k) for k in range(1, len(config.sides) + 1)]
    for name in (*layers, "decoder"):
        shapes |= {f"attn.{name}.q.weight": (d, c), f"attn.{name}.k.weight": (d, c)}
        shapes[f"attn.{name}.v.weight"] = (c, c)
    for name, length in zip(layers, accumulate(config.lengths), strict=True):
        shapes[f"pos.{name}"] = (1, length, c)
        shapes |= {f"conv.{name}.weight": (c, c, 3, 3), f"conv.{name}.bias": (c,)}
    shapes |= {"decoder.conv_in.weight": (c, c, 3, 3), "decoder.conv_in.bias": (c,)}
    return shapes | {"decoder.conv_out.weight": (3, c, 3, 3), "decoder.conv_out.bias": (3,)}


def attention_layer(
    w: Weights,
    config: PaperConfig,
    name: str,
    x: Array,
    attend: Kernel = exact_attention,
    blocks: tuple[int, ...] | None = None,
) -> Array:
    """[x +] softmax(q k^T / sigma) v of (normalised) x, one head: (B, L, c) -> (B, L, c)."""
    y = x if config.norm_eps is None else layer_norm(x, config.norm_eps)
    q, k, v = (linear(y, w[f"attn.{name}.{p}.weight"])[:, None, :, :] for p in "qkv")
    xp = namespace(x)
    sigma = xp.sqrt(xp.ones_like(q[:1, :1, :1, :1]) * const(x, config.sigma_squared))
    out = attend(q, k, v, 1 / sigma, blocks)[:, 0, :, :]
    return x + out if config.residual else out


def run_paper_model(
    w: Weights, config: PaperConfig, start: Array, attend: Kernel = exact_attention
) -> PaperRun:
    """One pass from the start map (B, c, h_1, h_1), e.g. `w["start"]`."""
    xp = namespace(start)
    pyramid = [start]
    for k in range(1, len(config.sides) + 1):
        x = xp.concat([as_tokens(m) for m in pyramid], axis=1) + w[f"pos.{k}"]  # (B, L_k, c)
        lengths = config.lengths[:k]
        blocks = lengths if config.block_causal else None
        y = attention_layer(w, config, str(k), x, attend, blocks)
        pyramid = _split_maps(y, config.sides[:k])
        if k < len(config.sides):
            larger = zip(pyramid, config.sides[1:], strict=False)
            pyramid = [start, *(bicubic(m, h, config.keys_a) for m, h in larger)]
    features = reconstruct(w, config, pyramid)
    return PaperRun(pyramid, features, paper_decoder(w, config, features, attend))


def reconstruct(w: Weights, config: PaperConfig, pyramid: list[Array]) -> Array:
    """F = sum_k conv_k(up_k(r_k)): maps (B, c, h_k, h_k) -> (B, c, h_K, h_K)."""
    side = config.sides[-1]
    up = [bicubic(r, side, config.keys_a) for r in pyramid[:-1]] + pyramid[-1:]
    terms = [conv(w, f"conv.{k}", r) for k, r in enumerate(up, start=1)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def paper_decoder(
    w: Weights, config: PaperConfig, features: Array, attend: Kernel = exact_attention
) -> Array:
    """conv, attention, up-interpolation by two, conv: (B, c, h, h) -> (B, 3, 2h, 2h)."""
    x = conv(w, "decoder.conv_in", features)
    y = attention_layer(w, config, "decoder", as_tokens(x), attend)
    side = config.sides[-1]
    x = bicubic(_split_maps(y, (side,))[0], 2 * side, config.keys_a)
    return conv(w, "decoder.conv_out", x)


def _split_maps(x: Array, sides: tuple[int, ...]) -> list[Array]:
    """Tokens (B, L, c) back into maps (B, c, h, h) of the given sides."""
    xp = namespace(x)
    ends = list(accumulate(h * h for h in sides))
    parts = [x[:, end - h * h : end, :] for h, end in zip(sides, ends, strict=True)]
    return [
        xp.reshape(xp.permute_dims(part, (0, 2, 1)), (x.shape[0], x.shape[2], h, h))
        for part, h in zip(parts, sides, strict=True)
    ]
