"""A whole VAR run, exact attention against guaranteed low rank: time, operations, tokens.

Weights: a trained model whose logits are capped (--var, --vae, --config), or random ones of the
same sizes with the same cap. --maps enlarges it: positions of further scales are those of the last
one, stretched; level embeddings are repeated. So the enlarged model is *not* trained at that size.
One thread, torch float32; the times are of attention alone and of the whole run.

    python checks/bench/lowrank_var_run.py --var var-capped.npz --vae vae.npz --config config.json
    python checks/bench/lowrank_var_run.py --maps 1,2,4,8,16,32,64
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from time import process_time

import numpy as np
import torch

import varnum as vn
from varnum.cli.sources import load_model
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.generate import Model, Settings, generate
from varnum.model.random_weights import random_model

MAPS = (1, 2, 4, 8, 16)
CAP = 0.79


def capped_model(seed):
    var = VarConfig(MAPS, 4, 64, 4, vocab_size=128, Cvae=8, num_classes=10)
    vae = VaeConfig(MAPS, vocab_size=128, Cvae=8, ch=32, ch_mult=(1, 1), num_res_blocks=1)
    model = random_model(var, vae, seed)
    weights = dict(model.var_weights)
    for name in weights:
        if name.endswith("scale_mul_1H11"):
            weights[name] = np.full_like(weights[name], np.log(CAP))
    return Model(var, vae, weights, model.vae_weights)


def enlarged(model, maps):
    """The same weights for more scales."""
    old = model.var.patch_nums
    more = [side for side in maps if side not in old]
    assert tuple(maps) == (*old, *more), f"maps: begin with {old}"
    weights = dict(model.var_weights)
    positions = np.asarray(weights["pos_1LC"])
    last = positions[:, -(old[-1] ** 2) :].reshape(old[-1], old[-1], -1)
    for side in more:
        at = np.arange(side) * old[-1] // side
        positions = np.concatenate([positions, last[at][:, at].reshape(1, side * side, -1)], 1)
    level = np.asarray(weights["lvl_embed.weight"])
    weights["pos_1LC"] = positions
    weights["lvl_embed.weight"] = np.concatenate([level, np.repeat(level[-1:], len(more), 0)])
    sizes = [replace(part, patch_nums=tuple(maps)) for part in (model.var, model.vae)]
    return Model(*sizes, weights, model.vae_weights)


class Timed:
    def __init__(self, kernel):
        self.kernel, self.seconds = kernel, 0.0

    def __call__(self, *given):
        began = process_time()
        out = self.kernel(*given)
        self.seconds += process_time() - began
        return out


def run(model, labels, settings, kernel):
    timed, began = Timed(kernel), process_time()
    scales = list(generate(model, labels, settings, timed))
    return scales, timed.seconds, process_time() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--var")
    parser.add_argument("--vae")
    parser.add_argument("--config")
    parser.add_argument("--maps", default=",".join(map(str, MAPS)))
    parser.add_argument("--output-error", default="1e-1")
    parser.add_argument("--labels", default="3,7")
    given = parser.parse_args()
    torch.set_num_threads(1)
    trained = given.var is not None
    model = load_model(given.var, given.vae, given.config, None, 0) if trained else capped_model(0)
    maps = tuple(map(int, given.maps.split(",")))
    model = enlarged(model, maps).to(Backend("torch", "float32", "cpu"))
    labels, settings = np.array(list(map(int, given.labels.split(",")))), Settings(cfg=0, top_k=1)
    kernel = vn.GuaranteedKernel(output_error=given.output_error)
    run(model, labels, settings, vn.GuaranteedKernel(output_error=given.output_error))  # warm
    exact, attention, whole = run(model, labels, settings, exact_attention)
    low, attention_low, whole_low = run(model, labels, settings, kernel)
    same = [float((a.tokens == b.tokens).mean()) for a, b in zip(exact, low, strict=True)]
    rows = sum(one.rows for one in kernel.certificates)
    exactly = sum(one.rows_exact for one in kernel.certificates)
    print(f"{'trained' if trained else 'random'} weights, capped; maps {maps}, 1 thread, float32")
    print(f"attention  exact {attention:.2f} s, low rank {attention_low:.2f} s")
    print(f"whole run  exact {whole:.2f} s, low rank {whole_low:.2f} s")
    print(
        f"operations {100 * kernel.operations / kernel.operations_exact:.1f} % of exact attention"
    )
    print(f"rows exact {exactly} of {rows}; certified {kernel.worst.output_error:.3g}")
    print("tokens alike per scale:", " ".join(f"{100 * part:.1f} %" for part in same))


if __name__ == "__main__":
    main()
