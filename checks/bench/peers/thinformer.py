"""The idea of Thinformer (Carrell et al. 2025, arXiv 2502.12063): thin keys and values by halving.

A walk over pairs of tokens keeps one of each, so that kernel sums over the kept ones stay near
those over all; the kernel is exp(k.k') (v.v' + c^2). Here tokens are halved within blocks, all
blocks at once, until `size` are left, and attention over these is plain. The paper compresses in
rounds of four with a logarithmic loss; this keeps its walk and drops its schedule.
"""

import torch
from torch.nn.functional import scaled_dot_product_attention

from peers.nystrom import temperature

_BLOCK = 128


def attend(q, k, v, size, seed):
    """About `size` keys are kept."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(k), generator=generator)
    order = order[: len(order) // _BLOCK * _BLOCK] if len(order) >= _BLOCK else order
    y, c = (k - k.mean(0)) * temperature(q, k).sqrt(), float(v.norm(dim=1).max())
    while len(order) >= max(2 * size, 2 * _BLOCK):
        order = _halve(y, v, c, order[: len(order) // _BLOCK * _BLOCK], generator)
    given = (t[None, None] for t in (q, k[order], v[order]))
    return scaled_dot_product_attention(*given, scale=1.0)[0, 0]


def _halve(y, v, c, order, generator):
    """One of each pair of neighbours, (n,) -> (n/2,): signs that keep the signed sum small."""
    blocks = order.reshape(-1, _BLOCK)
    a, b = y[blocks], v[blocks]
    logits = a @ a.transpose(1, 2)
    kernel = torch.exp(logits - logits.amax((1, 2), keepdim=True))
    kernel = kernel * (b @ b.transpose(1, 2) + c * c)
    even, odd = kernel[:, :, 0::2], kernel[:, :, 1::2]
    pairs = even - odd  # k(., x_2i) - k(., x_2i+1)
    pairs = pairs[:, 0::2] - pairs[:, 1::2]  # inner products of the differences
    count = pairs.shape[1]
    signs = torch.zeros(len(blocks), count)
    sizes = pairs.diagonal(dim1=1, dim2=2)
    level = sizes.amax(1) / 4
    chance = torch.rand(len(blocks), count, generator=generator)
    for i in range(count):
        sum_so_far = (pairs[:, i, :i] * signs[:, :i]).sum(1)
        signs[:, i] = torch.where(chance[:, i] < 0.5 - sum_so_far / (2 * level), 1.0, -1.0)
    kept = torch.where(signs > 0, 0, 1)
    return blocks.reshape(len(blocks), count, 2).gather(2, kept[:, :, None]).reshape(-1)
