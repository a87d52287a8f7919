r"""One image of a full-size FlowAR with random weights: varnum against a plain torch sampler.

Same weights, noise, steps and threads. Time: the two alternate, the best of each is kept. Memory:
growth of the process's peak during one run, each in a process of its own. Claimed: at most 1.2
times the plain sampler's time. `plain_sample` is written from the architecture's description and
shares no code with varnum; the tests compare with it too.

    python checks/bench/flowar_speed.py --preset flowar-s --num-steps 25 --cfg 4.3 --threads 2
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from varnum.model.backend import Backend
from varnum.model.flowar.flow_config import flow_preset
from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise, sample_maps
from varnum.model.flowar.flow_statedict import parameter_count
from varnum.model.flowar.random_flow_weights import random_flow_model

LIMIT = 1.2


class Plain:
    """FlowAR in plain torch; w: official keys -> tensors."""

    def __init__(self, config, w):
        self.c, self.w = config, w
        self.cache = {}

    def affine(self, name, x):
        return F.linear(x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"))

    def norm(self, x, name=None):
        y = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
        return y if name is None else y * self.w[f"{name}.weight"]

    def angles(self, name, sides):
        freqs = self.w[f"{name}.rope.freqs"].double()
        parts = []
        for h in sides:
            place = torch.arange(h, dtype=torch.float64) / h * 16
            row, column = torch.meshgrid(place, place, indexing="ij")
            both = torch.stack([row.flatten(), column.flatten()], 1)  # (N, 2)
            parts.append((both[:, :, None] * freqs).flatten(1))
        return torch.polar(torch.ones(()).double(), torch.cat(parts))  # (N, d/2), complex

    def turn(self, x, name, sides):
        key = name, tuple(sides)
        if key not in self.cache:
            kind = torch.complex64 if x.dtype == torch.float32 else torch.complex128
            self.cache[key] = self.angles(name, sides).to(kind)
        pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
        return torch.view_as_real(pairs * self.cache[key]).flatten(-2)

    def mlp(self, name, x):
        gate = F.gelu(self.affine(f"{name}.fc1_g", x))
        return self.affine(f"{name}.fc2", gate * self.affine(f"{name}.fc1_x", x))

    def heads(self, x, n):
        return x.unflatten(-1, (n, -1)).transpose(1, 2)

    def attend(self, name, y, n, sides, past=None, mask=None):
        q, k, v = (self.heads(part, n) for part in self.affine(f"{name}.qkv", y).chunk(3, -1))
        q, k = self.turn(q, name, sides), self.turn(k, name, sides)
        if past is not None:
            if name in past:
                k, v = torch.cat([past[name][0], k], 2), torch.cat([past[name][1], v], 2)
            past[name] = k, v
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.affine(f"{name}.proj", out.transpose(1, 2).flatten(2))

    def block(self, name, x, six, n, sides, past=None, mask=None):
        gate1, gate2, scale1, scale2, shift1, shift2 = six
        y = self.norm(x) * (1 + scale1) + shift1
        x = x + gate1 * self.attend(f"{name}.attn", y, n, sides, past, mask)
        return x + gate2 * self.mlp(f"{name}.mlp", self.norm(x) * (1 + scale2) + shift2)

    def condition(self, x, c, first, sides, past=None, mask=None):
        """z of some scales."""
        rows = slice(first, first + x.shape[1])
        for part, n, depth in (
            ("encoder", self.c.encoder_heads, self.c.encoder_depth),
            ("decoder", self.c.decoder_heads, self.c.decoder_depth),
        ):
            if part == "decoder":
                x = self.affine("decoder_embed", x)
            x = x + self.w[f"{part}_pos_embed_learned"][:, rows]
            if part == "encoder":
                x = self.norm(x, "z_proj_ln")
            for i in range(depth):
                name = f"{part}_blocks.{i}"
                six = self.affine(f"{name}.ada_lin.1", F.silu(c))[:, None].chunk(6, -1)
                x = self.block(name, x, six, n, sides, past, mask)
            x = self.norm(x, f"{part}_norm")
        return x + self.w["diffusion_pos_embed_learned"][:, rows]

    def velocity(self, x, t_int, z, side):
        """Velocity at time index t_int."""
        freqs = torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float32) / 128)
        wave = float(t_int) * freqs.double()
        te = torch.cat([wave.cos(), wave.sin()])[None].to(x.dtype)
        te = self.affine(
            "flownet.time_embed.mlp.2", F.silu(self.affine("flownet.time_embed.mlp.0", te))
        )
        te = te[:, None]
        both = F.silu(te + self.affine("flownet.cond_embed", z))
        x, n = self.affine("flownet.input_proj", x), self.c.flow_width // 64
        for i in range(self.c.flow_depth):
            name = f"flownet.res_blocks.{i}"
            if not self.c.cross:
                six = self.affine(f"{name}.ada_lin", both).chunk(6, -1)
                x = self.block(name, x, six, n, [side])
                continue
            gate, scale, shift = self.affine(f"{name}.ada_lin_attn", F.silu(te)).chunk(3, -1)
            y = self.norm(x) * (1 + scale) + shift
            x = x + gate * self.attend(f"{name}.attn", y, n, [side])
            cross = f"{name}.crossattn"
            q = self.heads(self.affine(f"{cross}.q", self.norm(x, f"{name}.norm2_1")), n)
            kv = self.affine(f"{cross}.kv", self.norm(z, f"{name}.norm2_2"))
            k, v = (self.heads(part, n) for part in kv.chunk(2, -1))
            q, k = self.turn(q, cross, [side]), self.turn(k, cross, [side])
            out = F.scaled_dot_product_attention(q, k, v)
            x = x + self.affine(f"{cross}.proj", out.transpose(1, 2).flatten(2))
            gate, scale, shift = self.affine(f"{name}.ada_lin_mlp", both).chunk(3, -1)
            x = x + gate * self.mlp(f"{name}.mlp", self.norm(x) * (1 + scale) + shift)
        shift, scale = self.affine("flownet.final_layer.adaLN_modulation.1", both).chunk(2, -1)
        return self.affine("flownet.final_layer.linear", self.norm(x) * (1 + scale) + shift)


def grid(n):
    if n == 50:
        return torch.linspace(1, 0, 51, dtype=torch.float64)
    first = torch.linspace(1, 0.3, n // 2, dtype=torch.float64)
    return torch.cat([first, torch.linspace(0.25, 0, n // 2 + 1, dtype=torch.float64)])


def plain_sample(w, config, labels, noise, num_steps, cfg, cut):
    """Maps (B, N, c) of all scales."""
    net, times = Plain(config, w), grid(num_steps)
    labels = torch.as_tensor(labels)
    batch, guided = len(labels), cfg > 1
    if guided:
        labels = torch.cat([labels, torch.full_like(labels, config.classes)])
    c = w["class_emb.weight"][labels]
    x, first, past, maps = c[:, None], 0, {}, []
    for k, side in enumerate(config.scales):
        if k:
            last = maps[-1].transpose(1, 2).unflatten(2, (config.scales[k - 1],) * 2)
            through = (config.resample_through_sampling,) * 2
            fed = F.interpolate(last, through, mode="bicubic", align_corners=False)
            fed = F.adaptive_avg_pool2d(fed, side).flatten(2).transpose(1, 2)
            x = net.affine("z_proj", fed)
            x = torch.cat([x, x]) if guided else x
        z = net.condition(x, c, first, [side], past)
        first += side * side
        latent, factor = noise[k], 1 + (cfg - 1) * k / max(len(config.scales) - 1, 1)
        for t, after in pairwise(times):
            index = int((t.float() * 1000).trunc())
            if factor > 1 and t <= cut:
                v = net.velocity(torch.cat([latent, latent]), index, z, side)
                v = v[batch:] + factor * (v[:batch] - v[batch:])
            else:
                v = net.velocity(latent, index, z[:batch], side)
            latent = latent + float(after - t) * v
        maps.append(latent)
    return maps


def setup(options):
    """(number of parameters, samplers by name)."""
    config, where = flow_preset(options.preset), Backend("torch", options.dtype)
    model = random_flow_model(config, 0).to(where)
    labels = np.arange(options.batch) % config.classes
    noise = [where.array(x) for x in draw_noise(config, options.batch, 0)]
    steps, cfg, cut = options.num_steps, options.cfg, options.guidance
    settings = FlowSettings(steps, Fraction(str(cfg)), Fraction(str(cut)))
    return parameter_count(config), {
        "varnum": lambda: [s.map for s in sample_maps(model, labels, noise, settings)],
        "plain": lambda: plain_sample(model.weights, config, labels, noise, steps, cfg, cut),
    }


def peak_growth(options, name):
    """Bytes by which one run raises the peak above what is held before it, in a fresh process."""
    if not options.only:
        command = [sys.executable, __file__, "--only", name]
        for key in ("preset", "batch", "dtype", "threads", "num-steps", "cfg", "guidance"):
            command += [f"--{key}", str(getattr(options, key.replace("-", "_")))]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    run = setup(options)[1][name]
    Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak so far
    lines = Path("/proc/self/status").read_text().splitlines()
    before = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024
    run()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 - before


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="flowar-s")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--num-steps", type=int, default=25)
    parser.add_argument("--cfg", type=float, default=4.3)
    parser.add_argument("--guidance", type=float, default=0.9)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    if options.only:
        print(peak_growth(options, options.only))
        return 0
    count, runs = setup(options)
    print(f"{options.preset}, {count} parameters, batch {options.batch}, {options.dtype}, random")
    maps = {name: run()[-1].double() for name, run in runs.items()}
    print(
        f"largest difference of the last maps: {(maps['varnum'] - maps['plain']).abs().max():.2e}"
    )
    wall, cpu = {name: [] for name in runs}, {name: [] for name in runs}
    for _ in range(options.repeats):
        for name, run in runs.items():
            start = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - start[0])
            cpu[name].append(time.process_time() - start[1])
    for what, values in (("seconds", wall), ("CPU seconds", cpu)):
        best = {name: min(x) for name, x in values.items()}
        ratio = best["varnum"] / best["plain"]
        print(f"{what}: varnum {best['varnum']:.2f}, plain {best['plain']:.2f}; ratio {ratio:.3f}")
    print(f"claimed: {LIMIT}")
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    growth = {name: peak_growth(options, name) / 2**20 for name in runs}
    print(f"peak growth (MiB): varnum {growth['varnum']:.0f}, plain {growth['plain']:.0f}")
    print(f"peak of this process, weights twice in it (NumPy, torch): {held:.0f} MiB")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
