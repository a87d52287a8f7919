"""A sequence's image as something the protocol certifies, and the memory that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from varnum.errors import InputError
from varnum.model.config import VaeConfig
from varnum.model.random_weights import memory
from varnum.propagate.ensemble.cloud import Ensemble, U
from varnum.propagate.ensemble.decoder import Decoder, bare
from varnum.propagate.ensemble.ops import Logits
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.forms import Floats
from varnum.propagate.vqvae_norms import GROUPS
from varnum.tensor import Tensor

_MOST = 12 * 2**20  # numbers whose square sum `UP` pays for
_COPIES, _UNFOLDED = 6, 20  # arrays of all samples, of one sample, that are alive at once


@dataclass(frozen=True)
class Picture:
    """A decoder to be run: f_hat (Cvae, P, P) of the tokens, with a bound of its rounding."""

    weights: Mapping[str, Tensor]
    config: VaeConfig
    f_hat: Floats
    error: Floats

    @property
    def lengths(self) -> tuple[int, ...]:
        """One scale: as many tokens as attention has pixels, or groups a GroupNorm."""
        return (max(GROUPS, self.config.latent**2),)

    def through(self, ensemble: Ensemble) -> Logits:
        """The raw image of the float64 run, (1, 3 h w), and a bound of its deviation."""
        start = bare(ensemble, self.f_hat.reshape(1, -1), self.error.reshape(1, -1))
        start = ensemble.inject(start, "f_hat")
        return Decoder(self.weights, self.config, ensemble).decode(start)

    def estimated_forms(self) -> int:
        """Forms of the walk, about: what SiLU reads, pixels, attention logits."""
        config = self.config
        each = 2 * (config.num_res_blocks + 3) * len(config.ch_mult)
        return int(each * largest_place(config) + config.latent**4)

    def fixed(self) -> tuple[str, Mapping[str, Tensor], list[Floats]]:
        """What the commitment hashes: sizes, weights, arrays."""
        return repr(self.config), self.weights, [self.f_hat, self.error]


def largest_place(config: VaeConfig) -> int:
    """Numbers of the largest place, C h w: after the last doublings."""
    side = config.image_size
    sizes = [config.ch * config.ch_mult[0] * side**2]
    for level in range(1, len(config.ch_mult)):
        sizes.append(config.ch * config.ch_mult[level] * (side >> (level - 1)) ** 2)
    return max(sizes)


def check_memory(config: VaeConfig, samples: int) -> None:
    """Raise InputError where the samples of the largest place do not fit into this machine,
    or where it is too large for `l2`.
    """
    if largest_place(config) > _MOST:
        raise InputError(f"image: a map of the decoder has more than {_MOST} numbers")
    needed = 8 * largest_place(config) * (_COPIES * samples + _UNFOLDED)
    if needed > memory():
        raise InputError(
            f"image: the decoder's {samples} samples take {needed / 1e9:.3g} GB, this machine has "
            f"{memory() / 1e9:.3g}; take fewer samples"
        )


@dataclass(frozen=True)
class Image:
    """Of one sequence, (3, h, w) in [0, 1]: the float64 run's image, a bound of the exact one."""

    centre: Floats
    bound: Floats


def unit_image(end: Logits, config: VaeConfig) -> Image:
    """Clamped to [-1, 1] and moved to [0, 1]: 1-Lipschitz times 1/2."""
    shape = (3, config.image_size, config.image_size)
    centre = (np.clip(end.centre, -1, 1) + 1) * 0.5
    return Image(centre.reshape(shape), ((end.bound / 2 + 2 * U) * UP).reshape(shape))
