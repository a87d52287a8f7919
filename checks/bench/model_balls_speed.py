"""The transformer's forward pass in balls against the same pass on mpmath matrices, in one run.

Same random weights, same inputs, same working precision; mpmath has no error bounds, so its numbers
(at twice the precision) must lie inside the balls. Claimed: balls at least 25 times faster.

    python checks/bench/model_balls_speed.py --bits 128
"""

from __future__ import annotations

import argparse
import sys
import time

import mpmath
import numpy as np
from mpmath import mp

from varnum.balls.questions import certified_digits
from varnum.balls.scalar import precision
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.quantizer import teacher_maps
from varnum.model.random_weights import random_model
from varnum.model.transformer import teacher_forced

CLAIMED = 25


def matrix(x):
    """A NumPy array of floats or mpf, (n,) or (m, n), as an mpmath matrix of rows."""
    return mp.matrix(np.atleast_2d(x).tolist())


def add_rows(x, row):
    return mp.matrix([[x[i, j] + row[j] for j in range(x.cols)] for i in range(x.rows)])


def mp_weights(weights):
    """State dict -> mpmath matrices (exact: the values are binary fractions)."""
    rows = {n: x.reshape(-1, x.shape[-1] if x.ndim > 1 else x.size) for n, x in weights.items()}
    return {name: matrix(x.astype(float)) for name, x in rows.items()}


def mp_forward(w, config, label, maps):
    """Logits (L, V) as an mpmath matrix, for one label and maps [(p_s^2, Cvae)] of mpf."""
    width, heads, d = config.embed_dim, config.num_heads, config.head_dim
    c = w["class_emb.weight"][label, :]

    def linear(name, x, bias=True):
        y = x * w[f"{name}.weight"].T
        return add_rows(y, w[f"{name}.bias"]) if bias else y

    def entries(function, x):
        return x.apply(function)

    def silu(t):
        return t / (1 + mp.exp(-t))

    def gelu(t):
        inner = mp.sqrt(2 / mp.pi) * (t + mp.mpf(44715) / 10**6 * t**3)
        return t / 2 * (1 + mp.tanh(inner))

    def modulated(x, scale, shift):
        eps = mp.mpf(str(config.norm_eps))
        rows = []
        for row in x.tolist():
            mean = mp.fsum(row) / width
            spread = mp.sqrt(mp.fsum((t - mean) ** 2 for t in row) / width + eps)
            rows.append(
                [(t - mean) / spread * (1 + scale[j]) + shift[j] for j, t in enumerate(row)]
            )
        return mp.matrix(rows)

    def attention(i, x):
        name = f"blocks.{i}.attn"
        bias = [*w[f"{name}.q_bias"], *w[f"{name}.zero_k_bias"], *w[f"{name}.v_bias"]]
        qkv = add_rows(linear(f"{name}.mat_qkv", x, bias=False), bias)
        out = mp.matrix(x.rows, width)
        for h in range(heads):
            q, k, v = (qkv[:, j * width + h * d : j * width + (h + 1) * d] for j in range(3))
            scale = 1 / (4 * mp.sqrt(d))
            if config.attn_l2_norm:
                cap = mp.mpf(float(np.float32(np.log(100))))
                scale = mp.exp(min(w[f"{name}.scale_mul_1H11"][h], cap))
                q, k = (unit_rows(t) for t in (q, k))
            logits = q * k.T * scale
            for a in range(x.rows):
                seen = ends[a]
                weights = [mp.exp(logits[a, b]) for b in range(seen)]
                total = mp.fsum(weights)
                for j in range(d):
                    out[a, h * d + j] = mp.fdot(weights, v[:seen, j]) / total
        return linear(f"{name}.proj", out)

    def unit_rows(t):
        return mp.matrix([[u / mp.sqrt(mp.fdot(r, r)) for u in r] for r in t.tolist()])

    level = np.repeat(np.arange(config.scales), config.lengths)
    ends = np.cumsum(config.lengths)[level].tolist()
    rows = (c + w["pos_start"]).tolist() if config.lengths[0] == 1 else None
    assert rows, "the first scale has one token in every preset"
    for tokens in maps:
        rows += linear("word_embed", tokens).tolist()
    x = mp.matrix(rows) + w["pos_1LC"]
    x = x + mp.matrix([w["lvl_embed.weight"][int(s), :].tolist()[0] for s in level])
    gate = entries(silu, c)
    for i in range(config.depth):
        six = linear(f"blocks.{i}.ada_lin.1", gate)
        g1, g2, s1, s2, b1, b2 = (six[0, j * width : (j + 1) * width] for j in range(6))
        y = attention(i, modulated(x, s1, b1))
        x = mp.matrix([[x[a, j] + g1[j] * y[a, j] for j in range(width)] for a in range(x.rows)])
        y = entries(gelu, linear(f"blocks.{i}.ffn.fc1", modulated(x, s2, b2)))
        y = linear(f"blocks.{i}.ffn.fc2", y)
        x = mp.matrix([[x[a, j] + g2[j] * y[a, j] for j in range(width)] for a in range(x.rows)])
    two = linear("head_nm.ada_lin.1", gate)
    return linear("head", modulated(x, two[0, :width], two[0, width:]))


def as_mpf(ball):
    """The midpoint of a ball, exactly."""
    mantissa, exponent = ball.mid().man_exp()
    return mp.ldexp(mp.mpf(int(mantissa)), int(exponent))


def pair(var, vae, labels=(1, 2), seed=0):
    """(balls: () -> logits, mpmath: () -> logits) for the same weights, labels and tokens."""
    model = random_model(var, vae, seed)
    balls = model.to(Backend("balls"))
    tokens = np.random.default_rng(seed).integers(var.vocab_size, size=(len(labels), var.length))
    with precision(2048):  # maps of more precision than either pass uses
        maps = teacher_maps(balls.vae_weights, vae, tokens)
    with mp.workprec(2048):
        weights = mp_weights(model.var_weights)
        mp_maps = [
            [mp.matrix([[as_mpf(t.item()) for t in row] for row in m[b]]) for m in maps]
            for b in range(len(labels))
        ]
    return (
        lambda: teacher_forced(balls.var_weights, var, np.array(labels), maps),
        lambda: [mp_forward(weights, var, *one) for one in zip(labels, mp_maps, strict=True)],
    )


def inside(logits, reference):
    """Whether each mpmath number lies in its ball (its own rounding, 2 precisions up, aside)."""
    flat = [t for logits_of_one in reference for t in logits_of_one]
    for ball, value in zip(logits.entries(), flat, strict=True):
        mantissa, exponent = ball.rad().man_exp()
        radius = mp.ldexp(mp.mpf(int(mantissa)), int(exponent))
        if abs(as_mpf(ball) - value) > radius:
            return False
    return True


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="var-tiny")
    parser.add_argument("--bits", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(argv)
    balls, mpmath_pass = pair(*preset(options.preset))
    ball_times, mp_times = [], []
    for _ in range(options.repeats):
        for _ in range(4):  # short: one run would mostly time what else the machine does
            start = time.perf_counter()
            with precision(options.bits):
                logits = balls()
            ball_times.append(time.perf_counter() - start)
        start = time.perf_counter()
        with mp.workprec(options.bits):
            mpmath_pass()
        mp_times.append(time.perf_counter() - start)
    with mp.workprec(2 * options.bits + 64):
        ok = inside(logits, mpmath_pass())
    ratio = min(mp_times) / min(ball_times)
    digits = int(certified_digits(logits, scale=1).min())
    print(f"{options.preset}, {options.bits} bits in, {digits} digits certified")
    print(f"mpmath backend: {mpmath.libmp.BACKEND}; its numbers lie inside the balls: {ok}")
    print(
        f"balls {min(ball_times):.3f} s, mpmath {min(mp_times):.3f} s: "
        f"{ratio:.1f} times faster, claimed {CLAIMED}"
    )
    return 0 if ok and ratio >= CLAIMED else 1


if __name__ == "__main__":
    sys.exit(main())
