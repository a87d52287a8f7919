"""ensemble-*: site inequalities, chances, and whole tiny runs against balls and adversaries."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np

from varnum.balls.scalar import ball, precision
from varnum.lowrank.proved_exp import _kernel, certify_exp_error
from varnum.model.backend import Backend
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.flowar.flow_config import flow_preset
from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise, sample_maps
from varnum.model.flowar.random_flow_weights import random_flow_model
from varnum.model.generate import teacher_forced_logits
from varnum.model.quantizer import accumulate, split_scales
from varnum.model.random_weights import random_model
from varnum.model.vqvae import decode
from varnum.proof.checking import Measurement, main, summarise
from varnum.propagate.ensemble import protocol, sites
from varnum.propagate.ensemble.chance import cauchy_quantile, gauss_quantile
from varnum.propagate.ensemble.embeddings import conditions, embedded, latent
from varnum.propagate.ensemble.exponential import COEFFICIENTS, ERROR, LN2, PER_LN2, exp
from varnum.propagate.ensemble.flow_error import flow_error_of
from varnum.propagate.ensemble.picture import Picture
from varnum.propagate.ensemble.reverse import Functional, certify_functionals

NONE = (np.zeros(0), np.zeros(0))


def tiny(seed, **changes):
    """A random model of five tokens and tokens (1, 5)."""
    sides = (1, 2)
    sizes = {"depth": 2, "embed_dim": 8, "num_heads": 2, "vocab_size": 12, "Cvae": 4} | changes
    var = VarConfig(sides, num_classes=3, **sizes)
    vae = VaeConfig(sides, vocab_size=12, Cvae=4, ch=32, ch_mult=(1,), num_res_blocks=1)
    tokens = np.random.default_rng(seed).integers(0, 12, (1, 5))
    return random_model(var, vae, seed), tokens


def start(model, tokens, eta=0.0):
    """Where its walk starts."""
    x, error = embedded(model, 1, tokens[0])
    return protocol.Start(model.var_weights, model.var, x, error, conditions(model, 1), eta)


def site_pairs(trials, rng):
    """(measured, claimed) of LayerNorm, unit vectors and attention rows."""
    measured, claimed = [], []
    for _ in range(trials):
        n = int(rng.integers(3, 9))
        c0, delta = rng.standard_normal((2, n))
        c0 -= c0.mean()
        delta -= delta.mean()
        s = math.sqrt(c0 @ c0 / n + 1e-6)
        delta *= s * math.sqrt(n) * rng.uniform(0, 0.95) / np.linalg.norm(delta)
        alpha, beta = c0 @ delta / (n * s * s), delta @ delta / (n * s * s)
        nu = (1 + 2 * alpha + beta) ** -0.5 - 1
        tau, most = sites.normalised(np.array(abs(alpha)), np.array(beta))
        measured += [abs(nu + alpha), abs(nu)]
        claimed += [float(tau) + 1e-12, float(most) + 1e-12]
        q = rng.standard_normal(n)
        q /= np.linalg.norm(q)
        step = rng.standard_normal(n)
        r = rng.uniform(0.01, 0.95)
        step *= r / np.linalg.norm(step)
        rest = (q + step) / np.linalg.norm(q + step) - q - (step - q * (q @ step))
        measured.append(np.linalg.norm(rest))
        claimed.append(float(sites.unit_vector(np.array(r))) + 1e-14)
        row = attention_pair(rng)
        measured.append(row[0])
        claimed.append(row[1])
    return np.array(measured), np.array(claimed)


def attention_pair(rng):
    """One row with random first- and second-order deviations: (remainder, its bound)."""
    n, d = int(rng.integers(2, 7)), int(rng.integers(1, 4))
    p, v = rng.dirichlet(np.full(n, 0.5)), rng.standard_normal((n, d))
    size = 10.0 ** rng.uniform(-3, 0.3)
    dev, b, eta = rng.standard_normal(n) * size, size**2 * rng.standard_normal(n), size * 0.3
    dv, e = size * rng.standard_normal((n, d)), eta * rng.choice([-1, 1], n)
    w = p * np.exp(dev + b + e)
    centred, o = dev - p @ dev, p @ v
    linear = (p * centred) @ v + p @ dv
    rest = w @ (v + dv) / w.sum() - o - linear
    spread = np.linalg.norm(v - o, axis=1)[None]
    row = sites.Row(
        p[None], np.abs(centred)[None], np.array([eta]), np.abs(b)[None], spread,
        np.linalg.norm(dv, axis=1), np.array([np.linalg.norm(linear)]),
    )  # fmt: skip
    cbar, ball = sites.attention(row)
    return np.linalg.norm(rest), float(ball[0] + ((cbar + eta) * row.p * spread).sum()) + 1e-13


def adversary(eps, rng):
    """An attention kernel off by exactly eps, signs towards a random direction."""

    def attend(q, k, v, scale, blocks):
        parts, stop = [], 0
        for length in blocks:
            rows, stop = slice(stop, stop + length), stop + length
            z = scale * (q[:, :, rows] @ np.swapaxes(k[:, :, :stop], 2, 3))
            a, values = np.exp(z - z.max(-1, keepdims=True)), v[:, :, :stop]
            u = rng.standard_normal((values.shape[-1], 1))
            o = a @ values / a.sum(-1, keepdims=True)
            a = a * (1 + eps * np.sign(np.swapaxes(values @ u, 2, 3) - o @ u))
            parts.append(a @ values / a.sum(-1, keepdims=True))
        return np.concatenate(parts, axis=2)

    return attend


def perturbed(trials, seed):
    """(measured, claimed) of every logit under kernel errors of 1e-3."""
    eps, rng = 1e-3, np.random.default_rng(seed)
    model, tokens = tiny(seed)
    plan = protocol.Plan(64, 64, slacks=(4.0, 8.0, 12.0), floor=2.0**-20)
    found = protocol.certify(start(model, tokens, math.atanh(eps) * (1 + 1e-12)), plan)
    wide = model.to(Backend())
    moved = [
        np.abs(teacher_forced_logits(wide, [1], tokens, adversary(eps, rng))[0] - found.end.centre)
        for _ in range(trials)
    ]
    return np.array(moved), np.broadcast_to(found.end.bound, (trials, *found.end.bound.shape))


def exact_run(seed):
    """(|exact - float64 run|, bound) of every logit, the exact ones in balls."""
    model, tokens = tiny(seed, attn_l2_norm=bool(seed % 2))
    found = protocol.certify(start(model, tokens), protocol.Plan(16))
    with precision(300):
        low, high = teacher_forced_logits(model.to(Backend("balls")), [1], tokens).bounds()
    centre = found.end.centre
    return np.maximum(centre - low[0], high[0] - centre), found.end.bound


def backward(trials, seed):
    """(measured, claimed) of every logit under kernel errors of 1e-3, in reverse mode."""
    eps, rng = 1e-3, np.random.default_rng(seed)
    model, tokens = tiny(seed)
    plan = protocol.Plan(64, 64, slacks=(4.0, 8.0, 12.0), floor=2.0**-20)
    begin = replace(start(model, tokens, math.atanh(eps) * (1 + 1e-12)), taped=True)
    found = protocol.certify(begin, plan)
    shape = found.end.centre.shape
    wanted = [Functional(t, i) for t in range(shape[0]) for i in range(shape[1])]
    bound = certify_functionals(begin, found.tape, wanted).reshape(shape)
    wide = model.to(Backend())
    moved = [
        np.abs(teacher_forced_logits(wide, [1], tokens, adversary(eps, rng))[0] - found.end.centre)
        for _ in range(trials)
    ]
    return np.array(moved), np.broadcast_to(bound, (trials, *shape))


def exact_image(seed):
    """(|exact - float64 decoder|, bound) of every pixel of the raw image."""
    model, tokens = tiny(seed)
    start = Picture(model.vae_weights, model.vae, *latent(model, tokens[0]))
    found = protocol.certify(start, protocol.Plan(16, split=False))
    with precision(200):
        balls = model.to(Backend("balls"))
        f_hat = accumulate(balls.vae_weights, model.vae, split_scales(model.vae, tokens))[-1]
        low, high = decode(balls.vae_weights, model.vae, f_hat).bounds()
    centre = found.end.centre.reshape(low.shape)
    return np.maximum(centre - low, high - centre), found.end.bound.reshape(low.shape)


def exact_maps(seed):
    """(|exact - float64 sampler|, bound) of every entry of FlowAR's maps, guided."""
    settings = FlowSettings(2, Fraction(5, 2))
    config = replace(flow_preset("flowar-tiny-cross"), scales=(1, 2), model_width=16, flow_width=16)
    model, noise = random_flow_model(config, seed), draw_noise(config, 1, seed)
    found = flow_error_of(model, [1], noise, settings=settings, samples=16)
    with precision(400):
        where = Backend("balls")
        placed, latents = model.to(where), [where.array(x) for x in noise]
        ends = [s.map.bounds() for s in sample_maps(placed, [1], latents, settings)]
    measured = [
        np.maximum(c - low, high - c).ravel()
        for c, (low, high) in zip(found.centre, ends, strict=True)
    ]
    return np.concatenate(measured), np.concatenate([b.ravel() for b in found.bound])


def exponentials(trials, rng):
    """(measured, claimed) of the ensembles' exp: the kernel certified anew, its bits, its error."""
    kernel = _kernel("float64")
    held = (*map(float, kernel.polynomial.coefficients), *map(float, kernel.reduction.constants))
    same = held == (*COEFFICIENTS, PER_LN2, *LN2)
    x = rng.uniform(-700, 700, trials)
    with precision(120):
        off = [
            abs(float(ball(float(y)) / ball(float(at)).exp() - 1))
            for y, at in zip(exp(x), x, strict=True)
        ]
    proved = certify_exp_error("float64")
    return [*off, proved if same else math.inf], [proved] * trials + [ERROR]


def rates(trials, rng):
    """Failure rates of a unit group, of norms and of forms, against d' = 1e-2."""
    m, chance = 16, Fraction(1, 100)
    gauss = (rng.standard_normal((trials, m)) ** 2).mean(1) < gauss_quantile(m, chance)
    wave = np.sin(np.pi * rng.random((trials, m))) ** 2
    cauchy = wave.mean(1) <= cauchy_quantile(m, chance)
    return gauss.mean(), cauchy.mean()


def measure(trials: int = 2000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Ratios measured / claimed; the device plays no part."""
    rng = np.random.default_rng(seed)
    norms, forms = rates(100 * trials, rng)
    few = max(2, trials // 100)
    most = 0.01 + 4 * math.sqrt(0.01 / (100 * trials))  # the rates themselves are sampled
    return [
        summarise("ensemble-sites", "remainders of layers", site_pairs(trials, rng), NONE),
        summarise("ensemble-sites", "exp", exponentials(trials, rng), NONE),
        summarise("ensemble-norms", "failures at 1e-2", ([norms], [most]), NONE),
        summarise("ensemble-forms", "failures at 1e-2", ([forms], [most]), NONE),
        summarise("ensemble-representation", "kernel errors of 1e-3", NONE, perturbed(few, seed)),
        summarise("ensemble-reverse", "kernel errors of 1e-3", NONE, backward(few, seed)),
        summarise("ensemble-run", "float64 against balls", exact_run(seed), NONE),
        summarise("ensemble-flow", "FlowAR's maps against balls", exact_maps(seed), NONE),
        summarise("ensemble-run", "decoder against balls", exact_image(seed), NONE),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
