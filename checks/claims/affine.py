"""affine: the affine bound of transformer blocks against random and adversarial kernel errors.

Setting: pre-norm blocks, L = 30 tokens in scales 1, 4, 9, 16, width 32, 4 heads, GELU MLP x 4,
random weights ~ 1/sqrt(fan_in), logits q.k/sqrt(d). The adversary maximises one output entry:
kernel errors at +-eps by the sign of the gradient, repeated.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from fractions import Fraction

import numpy as np

from varnum.balls.exact import parse
from varnum.model.config import VarConfig
from varnum.model.transformer import transformer_block
from varnum.proof.checking import Measurement, judge, summarise
from varnum.propagate.affine import certify_blocks

SCALES = (1, 2, 3, 4)


def setting(depth, seed, width=32, heads=4, scales=SCALES, l2_norm=False):
    """Random weights, input (L, C) and AdaLN vectors of `depth` blocks."""
    rng = np.random.default_rng(seed)
    config = VarConfig(scales, depth, width, heads, attn_l2_norm=l2_norm)

    def dense(out, inner, gain=1.0):
        return rng.normal(size=(out, inner)) * gain / np.sqrt(inner)

    weights, six = {}, []
    for i in range(depth):
        attn, ffn = f"blocks.{i}.attn", f"blocks.{i}.ffn"
        q = dense(width, width, 1.0 if l2_norm else 4.0)  # the model divides by 4 sqrt(d)
        weights[f"{attn}.mat_qkv.weight"] = np.concatenate([q, dense(2 * width, width)])
        for key in ("q_bias", "zero_k_bias", "v_bias", "proj.bias"):
            weights[f"{attn}.{key}"] = np.zeros(width)
        if l2_norm:
            weights[f"{attn}.scale_mul_1H11"] = np.full((1, heads, 1, 1), np.log(4.0))
        weights[f"{attn}.proj.weight"] = dense(width, width)
        weights[f"{ffn}.fc1.weight"] = dense(4 * width, width)
        weights[f"{ffn}.fc1.bias"] = np.zeros(4 * width)
        weights[f"{ffn}.fc2.weight"] = dense(width, 4 * width)
        weights[f"{ffn}.fc2.bias"] = np.zeros(width)
        one, zero = np.ones(width), np.zeros(width)
        six.append((one, one, zero, zero, zero, zero))
    return config, weights, rng.normal(size=(config.length, width)), six


def forward(config, weights, x, six, errors):
    """The blocks on NumPy, every kernel entry times 1 + e: errors per block (B, H, L, L)."""
    scale_of = np.repeat(np.arange(config.scales), config.lengths)
    mask = scale_of[:, None] >= scale_of[None]
    x = np.repeat(x[None], len(errors[0]), axis=0)
    for i, (e, vectors) in enumerate(zip(errors, six, strict=True)):

        def attend(q, k, v, scale, blocks, e=e):
            logits = (q * scale) @ np.swapaxes(k, -1, -2)
            a = np.exp(logits - logits.max(-1, keepdims=True)) * mask * (1 + e)
            return (a / a.sum(-1, keepdims=True)) @ v

        vectors = tuple(v[None, None] for v in vectors)
        x = transformer_block(weights, config, i, x, vectors, attend, config.lengths)
    return x


def corners(config, weights, x, six, eps, count, rng):
    """Output change under kernel errors at +-eps, (count, L, C): the adversary without torch.

    Half of the corners are random; half raise the same random keys in every row and head.
    """
    shape = (count, config.num_heads, config.length, config.length)
    errors = []
    for _ in six:
        e = rng.choice([-eps, eps], shape)
        e[::2] = rng.choice([-eps, eps], (len(e[::2]), 1, 1, config.length))
        errors.append(e)
    exact = forward(config, weights, x, six, [np.zeros((1, *shape[1:]))] * len(six))
    return forward(config, weights, x, six, errors) - exact


class Perturbed:
    """The blocks on torch, every kernel entry times 1 + e; e is a list of (B, H, L, L)."""

    def __init__(self, config, weights, x, six, device="cpu"):
        import torch

        self.torch, self.config = torch, config
        self.weights = {k: torch.tensor(v, device=device) for k, v in weights.items()}
        self.x = torch.tensor(x, device=device)[None]
        self.six = [tuple(torch.tensor(v, device=device)[None, None] for v in s) for s in six]
        scale_of = torch.arange(config.scales, device=device).repeat_interleave(
            torch.tensor(config.lengths, device=device)
        )
        self.mask = scale_of[:, None] >= scale_of[None]

    def __call__(self, errors):
        torch = self.torch

        x = self.x.expand(len(errors[0]), -1, -1)
        for i, (e, six) in enumerate(zip(errors, self.six, strict=True)):

            def attend(q, k, v, scale, blocks, e=e):
                logits = (q * scale) @ k.transpose(-1, -2)
                a = torch.exp(logits - logits.amax(-1, keepdim=True)) * self.mask * (1 + e)
                return (a / a.sum(-1, keepdim=True)) @ v

            x = transformer_block(self.weights, self.config, i, x, six, attend, self.config.lengths)
        return x

    def zeros(self, batch):
        shape = (batch, self.config.num_heads, self.config.length, self.config.length)
        return [self.torch.zeros(shape, dtype=self.x.dtype, device=self.x.device) for _ in self.six]

    def random(self, batch, eps, generator):
        torch = self.torch
        return [
            eps * (2 * torch.rand(z.shape, dtype=z.dtype, generator=generator).to(z) - 1)
            for z in self.zeros(batch)
        ]

    def climb(self, targets, eps, start, steps=12):
        """Best change of each target (token, channel, sign) from `start`, sign of the gradient."""
        torch = self.torch
        exact = self(self.zeros(1))[0].detach()
        token, channel, sign = (list(column) for column in zip(*targets, strict=True))
        signs = torch.tensor(sign, dtype=exact.dtype, device=exact.device)
        rows = torch.arange(len(targets))
        best, tried = torch.zeros(len(targets), dtype=exact.dtype, device=exact.device), 0
        errors = start
        for _ in range(steps):
            errors = [e.detach().requires_grad_() for e in errors]
            change = signs * (self(errors)[rows, token, channel] - exact[token, channel])
            best = torch.maximum(best, change.detach())
            gradients = torch.autograd.grad(change.sum(), errors)
            errors = [eps * torch.sign(g) for g in gradients]
            tried += len(targets)
        return best.cpu().numpy(), tried


def compare(depth, eps, seed=0, targets=8, trials=32, device="cpu", **shape):
    """(AffineBound, measurement, bound over best adversary per target, most of random)."""
    import torch

    config, weights, x, six = setting(depth, seed, **shape)
    bound = certify_blocks(weights, config, x, six, Fraction(eps), config.lengths)
    model = Perturbed(config, weights, x, six, device)
    generator = torch.Generator().manual_seed(seed)
    exact = model(model.zeros(1))[0].detach()
    random = []
    with torch.no_grad():
        for first in range(0, trials, 64):
            batch = min(64, trials - first)
            change = (model(model.random(batch, float(eps), generator)) - exact).cpu().numpy()
            random.append((change, np.broadcast_to(bound.bound, change.shape)))
    size = bound.bound.ravel()
    flat = np.argsort(size)[::-1][: targets // 2]
    rng = np.random.default_rng(seed)
    moved = np.flatnonzero(size > 1e-3 * size.max())  # the first token sees one key: it stays
    flat = np.concatenate([flat, rng.choice(moved, min(len(moved), targets - targets // 2), False)])
    entries = [divmod(int(i), config.embed_dim) for i in flat]
    goals = [(t, c, s) for t, c in entries for s in (1.0, -1.0)]
    best, tried = model.climb(goals, float(eps), model.random(len(goals), float(eps), generator))
    claimed = np.array([bound.high[t, c] if s > 0 else -bound.low[t, c] for t, c, s in goals])
    worst_random = max(random, key=lambda pair: float((np.abs(pair[0]) / pair[1]).max()))
    ratio = np.abs(worst_random[0]) / worst_random[1]
    both = np.maximum(best[0::2], best[1::2])
    top = np.array([bound.bound[t, c] for t, c in entries])
    measurement = summarise(
        "affine",
        f"{depth} blocks, eps {float(eps):g}",
        (
            np.array([np.abs(c / b).max() for pair in random for c, b in zip(*pair, strict=True)]),
            np.ones(trials),
        ),
        (np.repeat(best / claimed, tried // len(goals)), np.ones(tried)),
    )
    return bound, measurement, top / both, float(ratio.max())


def _without_torch(depth, eps, seed, trials, shape):
    config, weights, x, six = setting(depth, seed, **shape)
    bound = certify_blocks(weights, config, x, six, eps, config.lengths).bound
    rng, pairs = np.random.default_rng(seed), []
    for kind in (rng.uniform(0, float(eps)), float(eps)):
        moved = []
        while sum(len(m) for m in moved) < trials:
            moved.append(np.abs(corners(config, weights, x, six, kind, 64, rng) / bound))
        ratios = np.concatenate(moved)[:trials].reshape(trials, -1).max(1)
        pairs.append((ratios, np.ones(trials)))
    return summarise("affine", f"{depth} blocks, eps {float(eps):g}, no torch", *pairs)


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Change over bound (claimed 1) at one and two blocks."""
    quick = trials < 1000
    cases = [(1, "1e-2")] if quick else [(1, "1e-2"), (2, "1e-3"), (2, "1e-2")]
    shape = {"scales": (1, 2), "width": 16, "heads": 2} if quick else {}
    if importlib.util.find_spec("torch") is None:
        return [_without_torch(depth, parse(eps), seed, trials, shape) for depth, eps in cases]
    return [
        compare(depth, parse(eps), seed, max(2, -(-trials // 24)), trials, device, **shape)[1]
        for depth, eps in cases
    ]


def table(argv=None) -> int:
    """Bound over best adversary per depth and eps, with time and symbols."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--eps", nargs="+", default=["1e-4", "1e-3", "1e-2"])
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--targets", type=int, default=8)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--l2-norm", action="store_true")
    parser.add_argument("--device", default="cpu")
    o = parser.parse_args(argv)
    results = []
    for depth in o.depth:
        for eps in o.eps:
            for seed in o.seed:
                start = time.perf_counter()
                bound, found, ratios, random = compare(
                    depth, parse(eps), seed, o.targets, o.trials, o.device, l2_norm=o.l2_norm
                )
                results.append(found)
                print(
                    f"depth {depth} eps {eps} seed {seed}: bound/best worst {ratios.max():.4f} "
                    f"mean {ratios.mean():.4f}; random reaches {random:.3f}; "
                    f"violations {found.violations}; {bound.symbols} symbols, "
                    f"{time.perf_counter() - start:.1f} s",
                    flush=True,
                )
    return judge(results).exit_code


if __name__ == "__main__":
    sys.exit(table())
