"""FlowAR: pairs of a run, errors through its sampler, a head's instance inside it.

Adversary: v = -Lambda x with aligned errors; on a random flow net, errors along the sign of what
the step before left, of opposite sign in the two velocities that guidance combines; for resampling
the outer product of a row's signs. Constants of the runs are secants of the runs themselves.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np

from varnum.cost.flowar import AR, CROSS, SELF, guided_pairs, modules, sizes_of
from varnum.cost.sampler import Sampler, steps
from varnum.hardness.flowar_run import evaluate_flowar_wrapped
from varnum.hardness.flowar_wrap import ALLOWED, flowar_wrap
from varnum.hardness.head import ov_head
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend
from varnum.model.flowar.flow_config import flow_preset
from varnum.model.flowar.flow_sampling import (
    FlowSettings,
    draw_noise,
    indices,
    sample_maps,
    through,
)
from varnum.model.flowar.network import (
    Flow,
    Tokens,
    class_vector,
    conditions,
    embed_map,
    time_embedding,
    transformer,
)
from varnum.model.flowar.numbers import Kernels
from varnum.model.flowar.random_flow_weights import random_flow_model
from varnum.model.flowar.tables import time_index
from varnum.proof.checking import Measurement, main, summarise
from varnum.propagate.euler import (
    certify_maps_error,
    certify_sampled_error,
    velocity_factors,
)
from varnum.propagate.resample import resample_growth, resample_matrix

SAMPLER = Sampler(25, Fraction(12, 5), Fraction(9, 10))
SETTINGS = FlowSettings(SAMPLER.num_steps, SAMPLER.cfg, SAMPLER.cutoff)
LABELS = [3, 7]
PRESETS = ("flowar-tiny", "flowar-tiny-cross")


def size(x) -> Fraction:
    """The largest entry, exactly."""
    return Fraction(float(np.abs(x).max()))


def tiny(name="flowar-tiny", seed=0):
    """A random model in float64 and its noise."""
    where = Backend("numpy", "float64")
    model = random_flow_model(flow_preset(name), seed).to(where)
    return model, [where.array(x) for x in draw_noise(model.config, len(LABELS), seed)]


def aligned_run(model, noise, eps, scale=2, norms=True):
    """A guided map of the real flow net, each velocity off by at most eps, against the bound.

    Returns (|x~ - x|, steps, velocity errors, factors): factors are the secants of each step
    (`norms`), or 1 + h Lambda with the secants of the two velocities.
    """
    config, w = model.config, model.weights
    scales, side = len(config.scales), config.scales[scale]
    z = np.random.default_rng(1).standard_normal((2 * len(LABELS), side**2, config.model_width))
    flows = [Flow.of(w, config, half, side) for half in np.split(z, 2)]
    te = time_embedding(w, indices(SETTINGS))
    x = y = noise[scale]
    factors = []
    for i, (h, g) in enumerate(
        zip(steps(SAMPLER.num_steps), SAMPLER.factors(scale, scales), strict=True)
    ):
        (c, u), (c_, u_) = ([f.velocity(p, te[i : i + 1]) for f in flows] for p in (x, y))
        hf, gf, apart = float(h), float(g), size(y - x)
        after, left = x - hf * (u + gf * (c - u)), y - hf * (u_ + gf * (c_ - u_))
        slope = g * size(c_ - c) + (g - 1) * size(u_ - u)
        grown = size(left - after) if norms else apart + h * slope
        factors.append(grown / apart if apart else Fraction(1))
        push = np.where(left - after < 0, 1.0, -1.0) * float(eps)  # of v_c; v_u the other way
        x, y = after, left - hf * (gf * push + (gf - 1) * push)
    errors = [eps * factor for factor in velocity_factors(SAMPLER, scale, scales)]
    return size(y - x), steps(SAMPLER.num_steps), errors, factors


def _gronwall(trials, rng):
    pairs, sharp = ([], []), ([], [])
    for _ in range(trials):
        n = int(rng.integers(2, 60))
        h, slope = steps(n), Fraction(int(rng.integers(1, 40)), 8)
        eps = [Fraction(int(e), 64) for e in rng.integers(0, 64, len(h))]
        factors = [1 + step * slope for step in h]
        for found, signs in ((pairs, rng.choice([-1.0, 1.0], len(h))), (sharp, -np.ones(len(h)))):
            x = y = 1.0
            for step, e, sign in zip(h, eps, signs, strict=True):
                x, y = x * (1 + float(step * slope)), y * (1 + float(step * slope))
                y -= float(step * e) * sign
            found[0].append(abs(y - x))
            found[1].append(float(certify_sampled_error(h, eps, factors)))
    model, noise = tiny()
    for norms in (True, False):
        measured, h, eps, factors = aligned_run(model, noise, Fraction(1, 1000), norms=norms)
        sharp[0].append(float(measured))
        sharp[1].append(float(certify_sampled_error(h, eps, factors)))
    return [tuple(map(np.array, found)) for found in (pairs, sharp)]


def noisy(amount, seed, same_sign=False):
    """Exact attention whose outputs are off by up to `amount` of the values' size, or by it."""
    rng = np.random.default_rng(seed)

    def kernel(q, k, v, scale, blocks):
        out = exact_attention(q, k, v, scale, blocks)
        push = 1.0 if same_sign else rng.uniform(-1, 1, out.shape)
        return out + amount * np.abs(v).max() * push

    return kernel


def maps_run(model, noise, amount=1e-4, seed=0, same_sign=False):
    """Two whole generations, exact and with noisy attention: (E_k measured, constants).

    constants: the arguments of certify_maps_error, each the largest secant of this run.
    """
    config, w, watched = model.config, model.weights, ({}, {})
    kernel = noisy(amount, seed, same_sign)
    runs = []
    for seen, kernels in zip(watched, (Kernels(), Kernels(kernel, kernel, kernel)), strict=True):

        def watch(scale, i, x, c, u, seen=seen):
            seen[scale, i] = (x, c, u)

        runs.append(list(sample_maps(model, LABELS, noise, SETTINGS, kernels, watch)))
    exact, near = runs
    labels = np.array([*LABELS, *[-1] * len(LABELS)])
    c = class_vector(w, config, labels)
    fed = [s.input for s in near[1:]]
    tokens = [embed_map(w, np.concatenate([x, x])) for x in fed]
    x = np.concatenate([c[:, None, :], *tokens], axis=1)
    z = transformer(w, config, x, conditions(w, config, c), Tokens(0, len(config.scales)))
    te, b = time_embedding(w, indices(SETTINGS)), len(LABELS)
    slopes, eps, gain = [Fraction(0), Fraction(0)], Fraction(0), Fraction(0)
    ends, moved = np.cumsum([0, *config.lengths]), Fraction(0)
    for k, side in enumerate(config.scales):
        if k:
            moved = max(moved, size(near[k].input - exact[k].input))
        given = z[:, ends[k] : ends[k + 1]]
        for half in (0, 1):
            rows = slice(half * b, (half + 1) * b)
            if exact[k].z[rows].shape[0] == 0:
                continue
            at_exact = Flow.of(w, config, exact[k].z[rows], side)
            at_given = Flow.of(w, config, given[rows], side)
            for i in range(SAMPLER.evaluations):
                (x0, *v0), (x1, *v1) = (seen[k, i] for seen in watched)
                if v0[half] is None:
                    continue
                here = at_exact.velocity(x1, te[i : i + 1])
                there = at_given.velocity(x1, te[i : i + 1])
                eps = max(eps, size(v1[half] - there))
                if k:
                    gain = max(gain, size(there - here) / moved)
                if apart := size(x1 - x0):
                    slopes[half] = max(slopes[half], size(here - v0[half]) / apart)
    errors = [size(a.map - e.map) for a, e in zip(near, exact, strict=True)]
    return errors, {
        "velocity_error": eps,
        "lipschitz": (slopes[0], slopes[1]),
        "input_gain": gain,
        "through": config.resample_through_sampling,
    }


def _maps(same_sign):
    measured, claimed = [], []
    for name in PRESETS:
        model, noise = tiny(name)
        errors, constants = maps_run(model, noise, same_sign=same_sign)
        bound = certify_maps_error(model.config.scales, SAMPLER, **constants)
        measured += [float(e) for e in errors]
        claimed += [float(s.error) for s in bound]
    return np.array(measured), np.array(claimed)


def _resample(trials, rng):
    pairs, sharp = ([], []), ([], [])
    for side in (1, 2, 4, 8):
        claimed = float(resample_growth(side, 16, 2 * side))
        rows = resample_matrix(side, 16, 2 * side)
        row = np.array(max(rows, key=lambda r: sum(map(abs, r))), dtype=float)
        signs = np.where(row < 0, -1.0, 1.0)
        for found, maps in (
            (pairs, rng.uniform(-1, 1, (trials, side * side, 1))),
            (sharp, np.outer(signs, signs).reshape(1, side * side, 1)),
        ):
            out = np.abs(through(maps, side, 16, 2 * side)).max(axis=(1, 2))
            found[0].extend(out / np.abs(maps).max(axis=(1, 2)))
            found[1].extend([claimed] * len(maps))
    return [tuple(map(np.array, found)) for found in (pairs, sharp)]


def pairs_run(name, settings):
    """(pairs made, pairs counted): by kind of attention, all heads and guidance halves of a run."""
    model, noise = tiny(name)
    sizes = sizes_of(
        name, model.config, Sampler(settings.num_steps, settings.cfg, settings.guidance)
    )
    made = {AR: 0, SELF: 0, CROSS: 0}

    def counting(kind):
        def kernel(q, k, v, scale, blocks):
            made[kind] += q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2] // len(LABELS)
            return exact_attention(q, k, v, scale, blocks)

        return kernel

    kernels = Kernels(counting(AR), counting(SELF), counting(CROSS))
    list(sample_maps(model, LABELS, noise, settings, kernels))
    return sum(made.values()), sum(m.pairs for m in modules(sizes)) + guided_pairs(sizes)


def _pairs():
    """Difference of pairs made and counted (0 is claimed): unguided, then guided."""
    plain = FlowSettings(6, Fraction(1), Fraction(9, 10))
    found = [
        [abs(a - b) for a, b in (pairs_run(name, how) for name in PRESETS)]
        for how in (plain, SETTINGS)
    ]
    return [(np.array(f, dtype=float), np.zeros(len(f))) for f in found]


def _wrapped(rng, trials, ones):
    """1 - output with a partner, output without, at rows of instances inside FlowAR's layers."""
    measured, claimed = [], []
    for _ in range(trials):
        m = int(rng.integers(1, 8))
        u, v = ((rng.random((4, m)) < ones).astype(np.int8) for _ in "uv")
        near = (u.astype(int) @ v.T == 0).any(axis=1)
        out = evaluate_flowar_wrapped(flowar_wrap(ov_head(u, v))).values
        measured.append(np.where(near, 1 - out, out))
        claimed.append(np.where(near, 5 / 8, 3 / 8) - float(ALLOWED))
    return np.concatenate(measured), np.concatenate(claimed)


def _constant(trials, rng):
    """Change of the time embedding within one index (0 is claimed)."""
    model, _ = tiny()
    index = rng.integers(1, 999, trials)
    inside = (index + rng.uniform(0.01, 0.99, trials)) / 1000
    made = [
        time_embedding(model.weights, np.array([time_index(t) for t in times]))
        for times in ((index + 0.5) / 1000, inside)
    ]
    return np.abs(made[0] - made[1]).max(axis=1), np.zeros(trials)


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Pairs, errors of sampled maps and generations, resampling, outputs of instances."""
    rng = np.random.default_rng(seed)
    few = max(4, min(trials // 50, 40))
    return [
        summarise("flowar", "pairs made beside pairs counted", *_pairs()),
        summarise("euler-gronwall", "error of a map", *_gronwall(min(trials, 300), rng)),
        summarise("flowar-end-to-end", "error of a generation", _maps(False), _maps(True)),
        summarise("flowar-wrap", "output", _wrapped(rng, few, 0.5), _wrapped(rng, 4, 1.0)),
        summarise("time-step", "velocity within an index", *(_constant(50, rng),) * 2),
        summarise("flowar-resample", "growth of the maximum", *_resample(min(trials, 200), rng)),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
