"""WildCat (Schroeder and Mackey 2026, arXiv 2602.10056): a weighted coreset by random pivots.

Keys are drawn with probability proportional to what the earlier ones leave of the kernel's
diagonal (randomly pivoted Cholesky), a block at a time; weights are Nystrom's. Its temperature
is the one that balances queries and keys.
"""

import torch

from peers.nystrom import temperature, through

_BLOCK = 16


def attend(q, k, v, size, seed):
    """`size` pivots."""
    generator = torch.Generator().manual_seed(seed)
    y = (k - k.mean(0)) * temperature(q, k).sqrt()
    sizes = y.square().sum(1)
    top = sizes.max()  # a constant factor of the kernel, so that nothing overflows
    left = torch.exp(sizes - top)
    whole = left.clone()
    factor = torch.zeros(size, len(y))
    chosen = torch.zeros(0, dtype=torch.long)
    while len(chosen) < size:
        count = min(_BLOCK, size - len(chosen), int((left > 0).sum()))
        if not count:
            break
        drawn = torch.multinomial(left / left.max(), count, generator=generator)
        done = factor[: len(chosen)]
        rows = torch.exp(y[drawn] @ y.T - top) - done[:, drawn].T @ done
        own = rows[:, drawn].double()
        own = own + 1e-6 * whole[drawn].mean().double() * torch.eye(len(drawn), dtype=torch.float64)
        root, failed = torch.linalg.cholesky_ex(own)
        if int(failed):
            break
        new = torch.linalg.solve_triangular(root.float(), rows, upper=False)
        factor[len(chosen) : len(chosen) + len(drawn)] = new
        chosen = torch.cat([chosen, drawn])
        left = (left - new.square().sum(0)).clamp(min=0)
        left[chosen] = 0
    return through(q, k, v, chosen)
