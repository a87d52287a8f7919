"""FAVOR+ (Choromanski et al. 2021, arXiv 2009.14794): positive orthogonal random features."""

import torch


def attend(q, k, v, size, seed):
    """`size` features; exponents are shifted by their largest, as there."""
    generator = torch.Generator().manual_seed(seed)
    d = q.shape[1]
    balance = (k.norm(dim=1).mean() / q.norm(dim=1).mean()).sqrt()  # q.k is what counts
    x, y = q * balance, k / balance
    blocks = [
        torch.linalg.qr(torch.randn(d, d, generator=generator))[0] for _ in range(-(-size // d))
    ]
    lengths = torch.randn(size, d, generator=generator).norm(dim=1)
    directions = torch.cat(blocks)[:size] * lengths[:, None]

    def features(t, over):
        wave = t @ directions.T - t.square().sum(1, keepdim=True) / 2
        return torch.exp(wave - wave.amax(over, keepdim=True))

    left, right = features(x, 1), features(y, (0, 1))
    out = left @ (right.T @ torch.cat([v, torch.ones_like(v[:, :1])], 1))
    return out[:, :-1] / out[:, -1:]
