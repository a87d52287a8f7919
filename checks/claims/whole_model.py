"""end-to-end, norm-composition, run-enclosure: errors of whole models under kernel errors.

The paper model and two blocks of the released one, random weights; every kernel entry is multiplied
by 1 + e. Adversary: signs of the gradient where torch is present, else signs of the logits' rank.
Bounds that take the worst case of every layer are loose; the table says by how much.
"""

from __future__ import annotations

import importlib.util
import sys
from fractions import Fraction

import numpy as np

from varnum.balls.questions import bounds
from varnum.model.paper import PaperConfig, paper_shapes, run_paper_model
from varnum.proof.checking import Measurement, load, main, summarise
from varnum.propagate.paper_model import certify_paper_model, norms_of
from varnum.propagate.run_enclosure import certify_ranges, certify_run_difference, run_blocks
from varnum.propagate.transfer import Reach
from varnum.propagate.var_model import block_norms, certify_composition
from varnum.verdict import Unknown

EPS = Fraction(1, 1000)
GROUP = 100


def paper_setting(seed, sides=(1, 2, 4), channels=4):
    """A random paper model whose norms keep the recurrence within float64."""
    config = PaperConfig(sides=sides, channels=channels, head_dim=4, sigma_squared=Fraction(16))
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in paper_shapes(config).items():
        fan = int(np.prod(shape[1:])) if name.endswith("weight") else 1
        weights[name] = rng.uniform(-1, 1, shape) / fan
    return config, weights


def perturbed(rng, eps, signs=False):
    """An attention kernel whose entries are multiplied by 1 + e, |e| <= eps."""

    def attend(q, k, v, scale, blocks):
        x = (q * scale) @ np.swapaxes(k, -1, -2)
        e = rng.uniform(-1, 1, x.shape)
        if signs:  # raise the keys with the larger value of one channel, lower the others
            channel = int(rng.integers(v.shape[-1]))
            value = v[..., channel][..., None, :]
            e = np.where(value >= value.mean(-1, keepdims=True), 1.0, -1.0) * rng.choice([-1, 1])
            e = np.broadcast_to(e, x.shape)
        a = np.exp(x - x.max(-1, keepdims=True)) * (1 + eps * e)
        return (a / a.sum(-1, keepdims=True)) @ v

    return attend


def _end_to_end(trials, rng, seed):
    pairs = ([], [])
    for group in range(-(-trials // GROUP)):
        config, weights = paper_setting([seed, group])
        start = np.tile(weights["start"], (GROUP, 1, 1, 1))
        exact = run_paper_model(weights, config, start)
        size = Fraction(float(np.abs(weights["start"]).max()))
        features, image = certify_paper_model(norms_of(weights, config), config, size, EPS)
        claimed = np.full(GROUP, float(image.reach.bound()))
        for store, signs in zip(pairs, (False, True), strict=True):
            run = run_paper_model(weights, config, start, perturbed(rng, float(EPS), signs))
            if np.abs(run.features - exact.features).max() > float(features.reach.bound()):
                raise AssertionError("features beyond their bound")
            store.append((np.abs(run.image - exact.image).reshape(GROUP, -1).max(1), claimed))
    return [tuple(np.concatenate(p) for p in zip(*s, strict=True)) for s in pairs]


def composition(config, weights, x, six, eps=EPS):
    """certify_composition of given blocks on a given input, ranges enclosed on that run."""
    _, ranges = certify_ranges(weights, config, x, six, config.lengths)
    blocks = [block_norms(weights, config, i, s) for i, s in enumerate(six)]
    start = Reach.of(
        config.embed_dim,
        Fraction(float(np.abs(x).max())),
        0,
        Fraction(float(np.sqrt((x**2).sum(-1).max()) * (1 + 1e-12))),
    )
    return certify_composition(blocks, None, start, eps, Fraction(str(config.norm_eps)), ranges)


def _norm_composition(trials, seed):
    affine = load("affine")
    config, weights, x, six = affine.setting(2, seed, width=16, heads=2, scales=(1, 2))
    bound = float(composition(config, weights, x, six).reach.bound())
    if importlib.util.find_spec("torch") is None:
        rng, pairs = np.random.default_rng(seed), []
        for eps in (float(EPS) / 2, float(EPS)):
            moved = affine.corners(config, weights, x, six, eps, trials, rng)
            pairs.append((np.abs(moved).reshape(trials, -1).max(1), np.full(trials, bound)))
        return pairs
    import torch

    model = affine.Perturbed(config, weights, x, six)
    exact = model(model.zeros(1))[0].detach()
    generator = torch.Generator().manual_seed(seed)
    random = []
    with torch.no_grad():
        for first in range(0, trials, 256):
            e = model.random(min(256, trials - first), float(EPS), generator)
            random.append((model(e) - exact).abs().flatten(1).amax(1).numpy())
    targets = [(t, c, s) for t in range(5) for c in range(16) for s in (1.0, -1.0)]
    best, tried = [], 0
    while tried < trials:
        start = model.random(len(targets), float(EPS), generator)
        values, count = model.climb(targets, float(EPS), start, steps=8)
        best.append(np.repeat(values, count // len(targets)))
        tried += count
    random, best = np.concatenate(random), np.concatenate(best)
    return (random, np.full(random.shape, bound)), (best, np.full(best.shape, bound))


def _run_enclosure(trials, seed):
    """Entries of a float64 run against the enclosure of the same difference."""
    affine = load("affine")
    config, weights, x, six = affine.setting(1, seed, width=8, heads=2, scales=(1, 2))
    rng = np.random.default_rng(seed)
    pairs = ([], [])
    for store, signs in zip(pairs, (False, True), strict=True):
        while sum(len(m) for m, _ in store) < trials:
            x = rng.normal(size=x.shape)
            e = rng.integers(-8, 9, (2, config.length, config.length)) / 1024
            e = np.sign(e) / 128 if signs else e
            found = certify_run_difference(
                lambda attend, x=x: run_blocks(weights, config, x, six, config.lengths, attend),
                _weighted(e),
            )
            if isinstance(found, Unknown):
                raise AssertionError(found.reason)
            low, high = bounds(found[0])
            run = [affine.forward(config, weights, x, six, [f[None]])[0] for f in (e, 0 * e)]
            moved = run[0] - run[1]
            outside = np.maximum(low - moved, moved - high).clip(0)
            store.append((outside.ravel(), np.full(outside.size, 1e-12 * np.abs(x).max())))
    return [tuple(np.concatenate(p) for p in zip(*s, strict=True)) for s in pairs]


def _weighted(e):
    """Kernel entries times 1 + e on ball arrays, e (H, L, L) dyadic."""
    from varnum.balls import namespace as xp
    from varnum.balls.array import BallArray

    def attend(q, k, v, scale, blocks):
        out, start = [], 0
        for length in blocks:
            stop = start + length
            x = xp.matmul((q * scale)[:, :, start:stop, :], k[:, :, :stop, :].mT)
            a = xp.exp(x) * BallArray(1 + e[None, :, start:stop, :stop])
            out.append(xp.matmul(a / xp.sum(a, axis=-1, keepdims=True), v[:, :, :stop, :]))
            start = stop
        return xp.concat(out, axis=2)

    return attend


def depth_digits(depth=16, width=8, digits=10, seed=0):
    """(bits, digits asked) of the enclosed difference after `depth` toy blocks."""
    affine = load("affine")
    config, weights, x, six = affine.setting(depth, seed, width=width, heads=2, scales=(1, 2))
    e = np.random.default_rng(seed).integers(-8, 9, (2, config.length, config.length)) / 1024
    return certify_run_difference(
        lambda attend: run_blocks(weights, config, x, six, config.lengths, attend),
        _weighted(e),
        digits,
    )


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Output error against the bound of each whole-model answer."""
    rng = np.random.default_rng(seed)
    results = [summarise("end-to-end", "image of the paper model", *_end_to_end(trials, rng, seed))]
    pair = _norm_composition(trials, seed)
    results.append(summarise("norm-composition", "two blocks, eps 1e-3", *pair))
    random, adversarial = _run_enclosure(trials, seed)
    results.append(summarise("run-enclosure", "entry outside, of 1e-12", random, adversarial))
    return results


if __name__ == "__main__":
    sys.exit(main(measure))
