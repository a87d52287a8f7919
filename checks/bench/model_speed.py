r"""Teacher-forced forward of a full-size VAR: varnum against a plain torch model, in one run.

Same random weights, same inputs, same thread count. Time: the two alternate, the best of each is
kept. Memory: growth of the process's peak during one forward, each model in a process of its own
(on CUDA: peak of torch's allocator). Claimed: time and peak memory at most 1.2 times the plain
model's. With --generate also times generation with the key/value cache; with --error compares with
float64.

    python checks/bench/model_speed.py --preset var-d16 --threads 2
    python checks/bench/model_speed.py --preset var-d30 --device cuda --dtype bfloat16 \
        --generate --error
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.generate import Settings, generate, image_of
from varnum.model.quantizer import teacher_maps
from varnum.model.random_weights import random_model
from varnum.model.transformer import teacher_forced

LIMIT = 1.2


def plain_forward(w, config, labels, maps):
    """The same arithmetic in plain torch: one mask, torch's fused layers and attention."""
    c = w["class_emb.weight"][labels]
    level = torch.repeat_interleave(torch.arange(config.scales), torch.tensor(config.lengths))
    level = level.to(c.device)
    mask = (level[:, None] >= level[None, :])[None, None]
    start = c[:, None] + w["pos_start"]
    x = torch.cat([start, F.linear(maps, w["word_embed.weight"], w["word_embed.bias"])], dim=1)
    x = x + w["lvl_embed.weight"][level] + w["pos_1LC"]
    batch, length, width = x.shape
    cap = float(torch.log(torch.tensor(100.0)))

    def affine(name, y):
        return F.linear(y, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(y):
        return F.layer_norm(y, (width,), eps=config.norm_eps)

    for i in range(config.depth):
        name = f"blocks.{i}"
        if config.shared_aln:
            six = w[f"{name}.ada_gss"] + affine("shared_ada_lin.1", F.silu(c)).view(-1, 1, 6, width)
        else:
            six = affine(f"{name}.ada_lin.1", F.silu(c)).view(-1, 1, 6, width)
        g1, g2, s1, s2, b1, b2 = six.unbind(2)
        y = norm(x) * (1 + s1) + b1
        attn = f"{name}.attn"
        bias = torch.cat([w[f"{attn}.{b}_bias"] for b in ("q", "zero_k", "v")])
        qkv = F.linear(y, w[f"{attn}.mat_qkv.weight"], bias)
        q, k, v = qkv.view(batch, length, 3, config.num_heads, -1).permute(2, 0, 3, 1, 4)
        scale = 0.25 / config.head_dim**0.5
        if config.attn_l2_norm:
            q = F.normalize(q, dim=-1) * w[f"{attn}.scale_mul_1H11"].clamp_max(cap).exp()
            k, scale = F.normalize(k, dim=-1), 1.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
        x = x + g1 * affine(f"{attn}.proj", y.transpose(1, 2).reshape(batch, length, width))
        y = F.gelu(affine(f"{name}.ffn.fc1", norm(x) * (1 + s2) + b2), approximate="tanh")
        x = x + g2 * affine(f"{name}.ffn.fc2", y)
    scale, shift = affine("head_nm.ada_lin.1", F.silu(c)).view(-1, 1, 2, width).unbind(2)
    return affine("head", norm(x) * (1 + scale) + shift)


def setup(options):
    """(model, forward functions by name) on the device."""
    var, vae = preset(options.preset)
    host = random_model(var, vae, seed=0)
    model = host.to(Backend("torch", options.dtype, options.device))
    labels = np.arange(options.batch) % var.num_classes
    tokens = np.random.default_rng(0).integers(var.vocab_size, size=(options.batch, var.length))
    maps = teacher_maps(model.vae_weights, vae, tokens)
    joined, on_device = torch.cat(maps, dim=1), torch.from_numpy(labels).to(options.device)
    runs = {
        "varnum": lambda: teacher_forced(model.var_weights, var, labels, maps),
        "plain": lambda: plain_forward(model.var_weights, var, on_device, joined),
    }
    return model, runs


def synchronised_time(run, device):
    start = time.perf_counter()
    run()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_growth(run, device):
    """Bytes by which one forward raises the peak above what is held before it."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak so far
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def _status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def measure_memory(options, name):
    """Peak growth of one model, in this process or (CPU) in a fresh one."""
    if options.device != "cpu" or options.only:
        return peak_growth(setup(options)[1][name], options.device)
    command = [sys.executable, __file__, "--only", name]
    for key in ("preset", "batch", "dtype", "device", "threads"):
        command += [f"--{key}", str(getattr(options, key))]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="var-d16")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--generate", action="store_true")
    parser.add_argument("--error", action="store_true")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    if options.only:
        print(measure_memory(options, options.only))
        return 0
    model, runs = setup(options)
    outputs = {name: run().double().cpu() for name, run in runs.items()}
    difference = (outputs["varnum"] - outputs["plain"]).abs().max().item()
    print(f"{options.preset} batch {options.batch} {options.dtype} on {options.device}")
    print(f"largest difference of the two models' logits: {difference:.2e}")
    times = {name: [] for name in runs}
    for _ in range(options.repeats):
        for name, run in runs.items():
            times[name].append(synchronised_time(run, options.device))
    best = {name: min(values) for name, values in times.items()}
    memory = {name: measure_memory(options, name) for name in runs}
    ok = True
    for what, values, unit in (("time", best, 1.0), ("peak growth", memory, 2.0**20)):
        ratio = values["varnum"] / values["plain"]
        ok &= ratio <= LIMIT
        shown = ", ".join(f"{name} {value / unit:.3f}" for name, value in values.items())
        print(
            f"{what} ({'s' if unit == 1 else 'MiB'}): {shown}; ratio {ratio:.3f}, claimed {LIMIT}"
        )
    if options.error:
        exact = setup(argparse.Namespace(**{**vars(options), "dtype": "float64"}))[1]["varnum"]()
        error = (outputs["varnum"] - exact.cpu()).abs().max().item()
        print(f"largest error against float64: {error:.2e}, logits up to {exact.abs().max():.2f}")
    if options.generate:
        report_generation(model, options)
    return 0 if ok else 1


def report_generation(model, options):
    labels = np.arange(options.batch) % model.var.num_classes
    top_k = min(900, model.var.vocab_size)
    settings = Settings(cfg=Fraction(3, 2), top_k=top_k, top_p=Fraction(96, 100))

    def run():
        for scale in generate(model, labels, settings):
            last = scale.f_hat
        return image_of(model, last)

    run()
    print(f"generation with guidance, top-k {top_k}, top-p 0.96, and image: "
          f"{synchronised_time(run, options.device):.3f} s")  # fmt: skip
    if options.device != "cpu":
        print(f"peak of the allocator: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")


if __name__ == "__main__":
    sys.exit(main())
