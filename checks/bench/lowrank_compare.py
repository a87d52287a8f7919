"""Output error at equal rank: pivots and moments against five published linear attentions.

Written from their papers: FAVOR+ (Choromanski et al. 2021, positive orthogonal features), random
Fourier features (Rahimi and Recht 2007), TensorSketch (Pham and Pagh 2013) of the Taylor
polynomial, Nystromformer (Xiong et al. 2021, segment-mean landmarks), degree-2 Taylor. None of them
has a bound; errors are sampled, in units of range(V); the last column is what is certified.

    python checks/bench/lowrank_compare.py --rank 256
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from lowrank_heads import correlated, values

from varnum.lowrank.features import attend
from varnum.lowrank.frame import fit_frame
from varnum.lowrank.pivots.pivot_kernel import certify_kernel, fit_kernel
from varnum.lowrank.pivots.recompress import Turn, fit_turn, side
from varnum.lowrank.pivots.residual import fit_pivot_map
from varnum.verdict import Unknown


def normalised(kernel, v):
    """Attention from a kernel matrix that may have negative entries."""
    return (kernel @ v) / kernel.sum(1, keepdims=True)


def favor(x, y, rank, rng):
    blocks = [np.linalg.qr(rng.standard_normal((x.shape[1],) * 2))[0]
              for _ in range(-(-rank // x.shape[1]))]  # fmt: skip
    directions = np.concatenate(blocks)[:rank]
    directions *= np.linalg.norm(rng.standard_normal((rank, x.shape[1])), axis=1)[:, None]

    def features(t):
        return np.exp(t @ directions.T - 0.5 * (t**2).sum(1, keepdims=True))

    return features(x) @ features(y).T


def fourier(x, y, rank, rng):
    directions = rng.standard_normal((rank // 2, x.shape[1]))

    def features(t):
        wave = t @ directions.T
        size = np.exp(0.5 * (t**2).sum(1, keepdims=True))
        return size * np.concatenate([np.cos(wave), np.sin(wave)], axis=1)

    return features(x) @ features(y).T


def tensor_sketch(x, y, rank, rng, degree=4):
    """A sketch per degree; the rank is shared among the degrees 2 .. degree."""
    share = (rank - 1 - x.shape[1]) // (degree - 1)
    kernel = 1 + x @ y.T
    for m in range(2, degree + 1):
        buckets = rng.integers(0, share, (m, x.shape[1]))
        signs = rng.choice([-1.0, 1.0], (m, x.shape[1]))

        def sketch(t, buckets=buckets, signs=signs, m=m):
            product = 1
            for level in range(m):
                count = np.zeros((len(t), share))
                np.add.at(count.T, buckets[level], (t * signs[level]).T)
                product = product * np.fft.fft(count)
            return np.fft.ifft(product).real

        kernel = kernel + sketch(x) @ sketch(y).T / math.factorial(m)
    return kernel


def nystromformer(x, y, rank, v):
    def softmax(logits):
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return weights / weights.sum(1, keepdims=True)

    landmarks = [np.array([part.mean(0) for part in np.array_split(t, rank)]) for t in (x, y)]
    middle = np.linalg.pinv(softmax(landmarks[0] @ landmarks[1].T))
    return softmax(x @ landmarks[1].T) @ (middle @ (softmax(landmarks[0] @ y.T) @ v))


def pivots_of_rank(q, k, rank):
    """The recompressed pivot kernel of a given rank, whatever it certifies."""
    frame = fit_frame(q, k, 1.0)
    x, y = frame.queries(q), frame.keys(k)
    pivots = fit_pivot_map(np.concatenate([x, y]), 1e-9, 2 * rank)
    sides = [side(pivots, tokens, 0.0) for tokens in (x, y)]
    turn = fit_turn(*sides, target=np.inf, rounds=1)
    return certify_kernel(frame, pivots, Turn(turn.a, turn.b, min(rank, len(turn.a))), q, k)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rank", type=int, default=256)
    parser.add_argument("--d", type=int, default=64)
    parser.add_argument("--length", type=int, default=1360)
    parser.add_argument("--M", type=float, default=2.0)
    options = parser.parse_args()
    rng, d, rank = np.random.default_rng(0), options.d, options.rank
    q, k = correlated(d, options.length, 0)
    size = (options.M / np.abs(q @ k.T).max()) ** 0.5
    q, k, v = q * size, k * size, values(options.length, d)  # sigma = 1, largest logit M
    exact = normalised(np.exp(q @ k.T), v)
    spread = np.ptp(v, axis=0)
    found = {
        "FAVOR+": normalised(favor(q, k, rank, rng), v),
        "random Fourier": normalised(fourier(q, k, rank, rng), v),
        "TensorSketch": normalised(tensor_sketch(q, k, rank, rng), v),
        "Nystromformer": nystromformer(q, k, rank, v),
        "Taylor 2": normalised(1 + q @ k.T + (q @ k.T) ** 2 / 2, v),
    }
    ranks = dict.fromkeys(found, rank) | {"Taylor 2": (d + 2) * (d + 1) // 2}
    kernel = pivots_of_rank(q, k, rank)
    name, certified = f"pivots (from {kernel.pivots})", {}
    found[name], certified[name] = attend(kernel, v)
    for eps in (1e-1, 1e-2):
        kernel = fit_kernel(q, k, 1.0, eps)
        if not isinstance(kernel, Unknown):
            name = f"pivots, eps {eps:g}"
            found[name], certified[name] = attend(kernel, v)
            ranks[name] = kernel.rank
    left, values_, right = np.linalg.svd(np.exp(q @ k.T))
    found["truncated SVD"] = normalised((left[:, :rank] * values_[:rank]) @ right[:rank], v)
    print(f"d {d}, L {options.length}, largest logit {options.M}; largest error over range(V)")
    print("method                rank     sampled   certified")
    for name, out in found.items():
        error = float((np.abs(out - exact) / spread).max())
        bound = f"{certified[name]:.1e}" if name in certified else "none"
        print(f"{name:20} {ranks.get(name, rank):5} {error:11.1e} {bound:>11}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
