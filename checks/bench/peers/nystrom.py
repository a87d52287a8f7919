"""Nystrom with uniformly random keys: the features of the others are their best fit by these."""

import torch


def attend(q, k, v, size, seed):
    """`size` keys, drawn without replacement."""
    chosen = torch.randperm(len(k), generator=torch.Generator().manual_seed(seed))[:size]
    return through(q, k, v, chosen)


def temperature(q, k):
    """What balances both sides: q.k = (q/a).(k a), keys meet each other as (k a).(k' a)."""
    return q.norm(dim=1).mean() / (k - k.mean(0)).norm(dim=1).mean().clamp(min=1e-30)


def through(q, k, v, chosen):
    """softmax over the chosen keys with weights and values that stand for all.

    Weights (W 1) and values (W v), W the coefficients of all keys' kernel functions in those of the
    chosen ones. Keys are centred; what shifts them does not change attention.
    """
    y = k - k.mean(0)
    few, heat = y[chosen], temperature(q, k)
    top = few.square().sum(1).max() * heat  # a constant factor of both, so that nothing overflows
    inner = torch.exp(few.double() @ few.double().T * heat.double() - top.double())
    jitter = 1e-7 * inner.diagonal().mean()
    factor = torch.linalg.cholesky(inner + jitter * torch.eye(len(few), dtype=torch.float64))
    cross = torch.exp(few @ y.T * heat - top)
    ones = torch.cat([v, torch.ones_like(v[:, :1])], 1)
    state = torch.cholesky_solve((cross @ ones).double(), factor).float()
    logits = q @ few.T
    weights = torch.exp(logits - logits.amax(1, keepdim=True))
    out = weights @ state
    return out[:, :-1] / out[:, -1:]
