"""The image of a float32 (or bfloat16) run against the exact decoder's, proved up to chance.

    python checks/bench/ensemble_image.py tests/data/trained --dtype float32
    python checks/bench/ensemble_image.py var-tiny --samples 64

A folder as tests/data/trained: a trained model and held-out digits, every one a sequence of its
own; or a preset with random weights and tokens. Prints for each image the error of the narrow run
(f_hat and decoder), the float64 run's own bound, the error of an image that is grey everywhere
(the trivial baseline), CPU seconds and the peak of memory.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from varnum.model.backend import Backend, to_numpy
from varnum.model.config import preset
from varnum.model.generate import image_of
from varnum.model.quantizer import accumulate, split_scales
from varnum.model.random_weights import random_model
from varnum.propagate.ensemble.embeddings import latent
from varnum.propagate.ensemble.picture import Picture, unit_image
from varnum.propagate.ensemble.protocol import Plan, certify
from varnum.verdict import Unknown


def source(name):
    """A model and tokens (B, L)."""
    if Path(name).is_dir():
        from varnum.cli.sources import load_model

        folder = Path(name)
        files = [str(folder / part) for part in ("var.npz", "vae.npz", "config.json")]
        return load_model(*files, None, 0), np.load(folder / "tokens.npz")["tokens"]
    model = random_model(*preset(name), 0)
    rng = np.random.default_rng(0)
    return model, rng.integers(0, model.var.vocab_size, (1, model.var.length))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--samples", type=int, default=32)
    args = parser.parse_args()
    model, tokens = source(args.model)
    backend = "torch" if args.dtype == "bfloat16" else "numpy"
    narrow = model.to(Backend(backend, args.dtype))
    for row, sequence in enumerate(tokens):
        begin = time.process_time()
        start = Picture(model.vae_weights, model.vae, *latent(model, sequence))
        found = certify(start, Plan(args.samples, split=False))
        spent = time.process_time() - begin
        if isinstance(found, Unknown):
            print(f"{row}: {found.reason}")
            continue
        exact = unit_image(found.end, model.vae)
        scales = split_scales(model.vae, tokens[row : row + 1])
        f_hat = accumulate(narrow.vae_weights, model.vae, scales)[-1]
        run = to_numpy(image_of(narrow, f_hat))[0].astype(np.float64)
        error = (np.abs(run - exact.centre) + exact.bound).max()
        grey = (np.abs(0.5 - exact.centre) + exact.bound).max()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{row}: {args.dtype} run {error:.3g}, float64 run {exact.bound.max():.3g}, grey "
            f"{grey:.3g}, try {found.tries}, {spent:.1f} s, {peak:.2f} GB",
            flush=True,
        )


if __name__ == "__main__":
    main()
