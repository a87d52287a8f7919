"""Train a small looped transformer to sort, and write it for `varnum loop`; needs torch.

Four numbers in, the same numbers in order out, 4 tokens of width 8. One block is looped from 0:
x -> LN(y), z = x A^T + inject, h = z + attention(LN(z)), y = h + MLP(LN(h)). With --jacobian the
loss also asks for a small Jacobian at the last state (Hutchinson's estimate of its Frobenius norm).

    python checks/bench/loop_transformer_train.py plain.npz
    python checks/bench/loop_transformer_train.py regularised.npz --jacobian 1 --decay 0.03
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

TOKENS, WIDTH, HEADS, HIDDEN, EPS = 4, 8, 2, 16, 1e-3
LAYERS = {
    "adapter": (WIDTH, WIDTH), "q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH),
    "proj": (WIDTH, WIDTH), "fc1": (HIDDEN, WIDTH), "fc2": (WIDTH, HIDDEN), "head": (1, WIDTH),
    "embed": (WIDTH, 1),
}  # fmt: skip


def parameters(torch, seed):
    torch.manual_seed(seed)
    P = {f"{n}.weight": torch.randn(s) / s[1] ** 0.5 * 0.7 for n, s in LAYERS.items()}
    P |= {f"{n}.bias": torch.zeros(s[0]) for n, s in LAYERS.items()}
    P |= {f"{n}.weight": torch.ones(WIDTH) for n in ("norm1", "norm2", "norm")}
    P |= {f"{n}.bias": torch.zeros(WIDTH) for n in ("norm1", "norm2", "norm")}
    P["position"] = torch.randn(TOKENS, WIDTH) * 0.5
    del P["adapter.bias"]
    return {name: x.double().requires_grad_() for name, x in P.items()}


def norm(torch, x, P, name):
    x = torch.nn.functional.layer_norm(x, (WIDTH,), eps=EPS)
    return x * P[f"{name}.weight"] + P[f"{name}.bias"]


def linear(x, P, name):
    y = x @ P[f"{name}.weight"].T
    return y + P[f"{name}.bias"] if f"{name}.bias" in P else y


def attend(torch, x, P):
    q, k, v = (linear(x, P, n).reshape(*x.shape[:-1], HEADS, -1).transpose(-2, -3) for n in "qkv")
    p = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1)
    return linear((p @ v).transpose(-2, -3).reshape(x.shape), P, "proj")


def block(torch, x, inject, P):
    z = linear(x, P, "adapter") + inject
    h = z + attend(torch, norm(torch, z, P, "norm1"), P)
    inner = torch.nn.functional.gelu(linear(norm(torch, h, P, "norm2"), P, "fc1"))
    return norm(torch, h + linear(inner, P, "fc2"), P, "norm")


def inject_of(numbers, P):
    return numbers[..., None] @ P["embed.weight"].T + P["embed.bias"] + P["position"]


def train(torch, args):
    P = parameters(torch, args.seed)
    names = [n for n in P if n.endswith("weight") and not n.startswith("norm")]
    matrices = [P[n] for n in names]
    others = [x for n, x in P.items() if n not in names]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": args.decay}, {"params": others, "weight_decay": 0.0}],
        lr=args.rate,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.rate, args.steps)
    draw = np.random.default_rng(args.seed)
    for step in range(args.steps):
        numbers = torch.tensor(draw.uniform(-1, 1, (args.batch, TOKENS)))
        inject, x = inject_of(numbers, P), torch.zeros(args.batch, TOKENS, WIDTH).double()
        loops = int(draw.integers(6, 13))
        for _ in range(loops):
            before, x = x, block(torch, x, inject, P)
        out = linear(x, P, "head")[..., 0]
        loss = ((out - numbers.sort(-1).values) ** 2).mean() + 0.1 * ((x - before) ** 2).mean()
        if args.jacobian:
            at = x.detach().requires_grad_()
            y = block(torch, at, inject, P)
            (row,) = torch.autograd.grad(y, at, torch.randn_like(y), create_graph=True)
            penalty = (row**2).sum((1, 2)).mean() / (TOKENS * WIDTH)
            loss = loss + args.jacobian * penalty * min(1, 2 * step / args.steps)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(P.values()), 1.0)
        optimiser.step()
        schedule.step()
        if step % 250 == 0 or step + 1 == args.steps:
            print(f"step {step} loss {loss.item():.5f}", file=sys.stderr, flush=True)
    return P


def save(torch, P, args):
    draw = np.random.default_rng(10_000 + args.seed)
    numbers = draw.uniform(-1, 1, (args.inputs, TOKENS))
    with torch.no_grad():
        inject = inject_of(torch.tensor(numbers), P)
        x = torch.zeros(args.inputs, TOKENS, WIDTH).double()
        for _ in range(400):
            x = block(torch, x, inject, P)
        out = linear(x, P, "head")[..., 0].numpy()
    error = np.sqrt(np.mean((out - np.sort(numbers, -1)) ** 2))
    print(f"rms error of the fixed point's output on {args.inputs} new inputs: {error:.4f}")
    kept = {n: x.detach().numpy() for n, x in P.items() if not n.startswith(("embed", "position"))}
    np.savez(args.file, **kept, inject=inject.numpy(), heads=np.array(HEADS), eps=np.array(EPS))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="where to write, .npz")
    parser.add_argument("--jacobian", type=float, default=0.0)
    parser.add_argument("--decay", type=float, default=1e-3)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--inputs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("torch is not installed; install it with: pip install 'varnum[torch]'")
        return 4
    torch.set_num_threads(1)
    save(torch, train(torch, args), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
