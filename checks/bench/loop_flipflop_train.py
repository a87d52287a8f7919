"""Train the 2-bit flip-flop on a small tanh network and write it for `varnum loop`; needs torch.

Each of two channels remembers the sign of its last pulse. x -> tanh(W x + U pulse + b), a linear
readout; without pulses the network loops x -> tanh(W x + b), which is what is written.

    python checks/bench/loop_flipflop_train.py flipflop.npz --d 4
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

LENGTH, BATCH = 40, 64


def batch(draw):
    """Pulses (T, B, 2) and the signs to hold."""
    pulses = draw.choice([-1.0, 0.0, 1.0], (LENGTH, BATCH, 2), p=[0.1, 0.8, 0.1])
    pulses[0] = draw.choice([-1.0, 1.0], (BATCH, 2))
    held = np.zeros_like(pulses)
    for t in range(LENGTH):
        held[t] = np.where(pulses[t] != 0, pulses[t], held[t - 1] if t else 0)
    return pulses, held


def train(torch, d, steps, seed):
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    shapes = {"W": (d, d), "U": (d, 2), "b": (d,), "R": (2, d)}
    P = {n: (torch.randn(s, dtype=torch.float64) * 0.5).requires_grad_() for n, s in shapes.items()}
    optimiser = torch.optim.Adam(P.values(), lr=1e-2)
    for _ in range(steps):
        pulses, held = (torch.tensor(a) for a in batch(draw))
        x, loss = torch.zeros(BATCH, d, dtype=torch.float64), 0.0
        for pulse, wanted in zip(pulses, held, strict=True):
            x = torch.tanh(x @ P["W"].T + pulse @ P["U"].T + P["b"])
            loss = loss + ((x @ P["R"].T - wanted) ** 2).mean() / LENGTH
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"loss {loss.item():.5f}")
    return {name: x.detach().numpy() for name, x in P.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="where to write, .npz")
    parser.add_argument("--d", type=int, default=4)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("torch is not installed; install it with: pip install 'varnum[torch]'")
        return 4
    torch.set_num_threads(1)
    P = train(torch, args.d, args.steps, args.seed)
    np.savez(args.file, W=P["W"], b=P["b"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
