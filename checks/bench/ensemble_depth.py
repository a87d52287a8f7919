"""How deep the ensembles reach: rounding bound and kernel error of random models, and adversaries.

    python checks/bench/ensemble_depth.py rounding var-d16 --samples 16
    python checks/bench/ensemble_depth.py kernel --depth 16 --eps 5e-5
    python checks/bench/ensemble_depth.py rounding var-d30 --backend torch --device cuda --walk

--walk: one pilot alone, its seconds and memory (--depth: of the first blocks only).

`kernel`: width 64, 8 heads, L = 30 (scales 1, 2, 3, 4), plain logits unless --unit; random weights.
The adversary climbs one logit at a time: errors of +-eps by the sign of its gradient, five steps,
for the logits with the largest bounds. Prints bound, best adversary, their ratio, CPU seconds, GB.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import resource
import time
from fractions import Fraction

import numpy as np

from varnum.model.config import VaeConfig, VarConfig, preset
from varnum.model.random_weights import random_model
from varnum.propagate.ensemble import protocol
from varnum.propagate.ensemble.embeddings import conditions, embedded
from varnum.propagate.ensemble.engine import NUMPY, Engine
from varnum.verdict import Unknown


def start(model, tokens, eta=0.0, engine=NUMPY):
    """Where the walk starts, for class 3."""
    x, error = embedded(model, 3, tokens)
    found = conditions(model, 3)
    return protocol.Start(model.var_weights, model.var, x, error, found, eta, engine=engine)


def drawn_tokens(config):
    return np.random.default_rng(0).integers(0, config.vocab_size, config.length)


def rounding(args, engine):
    """The exact logits of a float64 run."""
    name = args.preset
    if name == "w128":
        sides = (1, 2, 3, 4, 5)
        var = VarConfig(sides, 4, 128, 4, vocab_size=256, Cvae=16, num_classes=10)
        vae = VaeConfig(sides, vocab_size=256, Cvae=16, ch=32, ch_mult=(1, 2))
    else:
        var, vae = preset(name)
    if args.depth:
        var = dataclasses.replace(var, depth=args.depth)
    model = random_model(var, vae, args.seed)
    say(f"weights, {peak():.3g} GB")
    run = start(model, drawn_tokens(var), engine=engine)
    if not args.walk:
        return protocol.certify(run, protocol.Plan(args.samples), say)
    before, wall = time.process_time(), time.perf_counter()
    pilot = protocol.Pilot(2.5)
    try:
        protocol._walk(run, protocol.Plan(args.samples), pilot, b"pilot", 1, Fraction(1, 10**15))
    except ArithmeticError as refused:
        return Unknown(f"refused: {refused}")
    say(f"one walk: {time.process_time() - before:.3g} CPU s, {time.perf_counter() - wall:.3g} s")
    return None


def small(depth, unit, seed):
    sides = (1, 2, 3, 4)
    var = VarConfig(sides, depth, 64, 8, vocab_size=64, Cvae=8, num_classes=10, attn_l2_norm=unit)
    vae = VaeConfig(sides, vocab_size=64, Cvae=8, ch=32, ch_mult=(1, 1, 2))
    return random_model(var, vae, seed)


def kernel(args, engine):
    """All models within a kernel error."""
    model = small(args.depth or 16, args.unit, args.seed)
    tokens = drawn_tokens(model.var)
    plan = protocol.Plan(args.samples, args.cauchy, slacks=(2.0, 3.0, 4.5), floor=2.0**-20)
    run = start(model, tokens, math.atanh(args.eps) * (1 + 1e-12), engine)
    found = protocol.certify(run, plan, say)
    if not isinstance(found, Unknown) and args.adversaries:
        climb(model, tokens, args.eps, found, args.adversaries)
    return found


def climb(model, tokens, eps, found, count):
    """Sign-gradient ascent of the logits with the largest bounds."""
    import torch

    from varnum.model.backend import Backend
    from varnum.model.generate import teacher_forced_logits

    placed, var = model.to(Backend("torch")), model.var
    lengths, heads = var.lengths, var.num_heads
    errors = [
        torch.zeros(heads, var.length, var.length, dtype=torch.float64) for _ in range(var.depth)
    ]
    for e in errors:
        e.requires_grad_(True)

    def run():
        layer = iter(errors)

        def attend(q, k, v, scale, blocks):
            e, parts, stop = next(layer), [], 0
            for length in lengths:
                rows, stop = slice(stop, stop + length), stop + length
                z = scale * (q[:, :, rows] @ k[:, :, :stop].transpose(2, 3))
                a = torch.exp(z - z.max(-1, keepdim=True)[0]) * (1 + e[:, rows, :stop])
                parts.append(a @ v[:, :, :stop] / a.sum(-1, keepdim=True))
            return torch.cat(parts, dim=2)

        return teacher_forced_logits(placed, [3], tokens[None], attend)[0]

    centre, bound = torch.from_numpy(found.end.centre), torch.from_numpy(found.end.bound)
    best, violations, tries = 0.0, 0, 0
    for flat in found.end.bound.reshape(-1).argsort()[::-1][:count]:
        at = divmod(int(flat), var.vocab_size)
        with torch.no_grad():
            for e in errors:
                e.zero_()
        for _ in range(5):
            gradient = torch.autograd.grad(run()[at], errors)
            with torch.no_grad():
                for e, g in zip(errors, gradient, strict=True):
                    e.copy_(eps * torch.sign(g))
                moved = (run() - centre).abs()
                best = max(best, float(moved.max()))
                violations += int((moved > bound).sum())
                tries += moved.numel()
    largest = float(found.end.bound.max())
    print(f"adversary {best:.5g}, bound/adversary {largest / best:.3g}, "
          f"{violations} violations in {tries} comparisons")  # fmt: skip


def peak():
    """Largest memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def say(text):
    print(f"  [{time.process_time():.0f} s] {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["rounding", "kernel"])
    parser.add_argument("preset", nargs="?", default="w128", help="w128, var-small, var-d16, ..")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--cauchy", type=int, default=256)
    parser.add_argument("--depth", type=int, help="kernel: 16; rounding: the preset's")
    parser.add_argument("--walk", action="store_true", help="rounding: one pilot alone")
    parser.add_argument("--backend", choices=["numpy", "torch"], default="numpy")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--eps", type=float, default=5e-5)
    parser.add_argument("--unit", action="store_true", help="l2-normalised heads")
    parser.add_argument("--adversaries", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.samples = args.samples or (128 if args.what == "kernel" else 32)
    engine = Engine(args.backend if args.device == "cpu" else args.device)
    print(f"computed by {engine.said()}", flush=True)
    found = (kernel if args.what == "kernel" else rounding)(args, engine)
    if found is None:
        pass
    elif isinstance(found, Unknown):
        print(found.reason)
    else:
        bound = found.end.bound
        print(f"bound {bound.max():.4g}, median {np.median(bound):.4g}, "
              f"forms {found.forms}, try {found.tries}")  # fmt: skip
    print(f"{time.process_time():.1f} CPU seconds, {peak():.3g} GB")
    if engine.name.startswith("cuda"):
        import torch

        print(f"{torch.cuda.max_memory_allocated() / 1e9:.3g} GB on the device")


if __name__ == "__main__":
    main()
