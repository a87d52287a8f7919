"""Does any model within a kernel error leave the bound that `varnum error` proves?

    python checks/attack/ensemble_violations.py --comparisons 1000000

Random tiny models (l2-normalised heads and plain ones), kernel errors 1e-2 .. 1e-5, certified by
the protocol; then random, corner and greedy errors, 50 at a time; float64 runs against balls.
Prints comparisons, violations and the largest share of a bound that was reached; exit code 1 with
a violation.
"""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np

from varnum.model.backend import Backend
from varnum.model.generate import teacher_forced_logits
from varnum.proof.checking import load
from varnum.propagate.ensemble import protocol
from varnum.verdict import Unknown

BATCH = 50
claims = load("ensembles")


def attend(kind, eps, rng):
    """An attention kernel with errors of its own for every row of the batch."""

    def kernel(q, k, v, scale, blocks):
        parts, stop = [], 0
        for length in blocks:
            rows, stop = slice(stop, stop + length), stop + length
            z = scale * (q[:, :, rows] @ np.swapaxes(k[:, :, :stop], 2, 3))
            a, values = np.exp(z - z.max(-1, keepdims=True)), v[:, :, :stop]
            if kind == 0:
                e = rng.uniform(-1, 1, a.shape)
            elif kind == 1:
                e = rng.choice([-1.0, 1.0], a.shape)
            else:
                u = rng.standard_normal((len(q), 1, values.shape[-1], 1))
                o = a @ values / a.sum(-1, keepdims=True)
                e = np.sign(np.swapaxes(values @ u, 2, 3) - o @ u)
            a = a * (1 + eps * e)
            parts.append(a @ values / a.sum(-1, keepdims=True))
        return np.concatenate(parts, axis=2)

    return kernel


def one(seed, rounds):
    """(comparisons, violations, largest share) of one model."""
    rng = np.random.default_rng(seed)
    model, tokens = claims.tiny(seed, attn_l2_norm=bool(seed % 2), depth=1 + seed % 3)
    eps = 10.0 ** -(2 + seed % 4)
    plan = protocol.Plan(32, 64, slacks=(4.0, 8.0, 12.0), floor=2.0**-20)
    found = protocol.certify(claims.start(model, tokens, math.atanh(eps) * (1 + 1e-12)), plan)
    if isinstance(found, Unknown):
        return 0, 0, 0.0, 1
    wide, end = model.to(Backend()), found.end
    many, broken, share = 0, 0, 0.0
    for round_ in range(rounds):
        batch = np.repeat(tokens, BATCH, axis=0)
        kernel = attend(round_ % 3, eps, rng)
        moved = np.abs(teacher_forced_logits(wide, [1] * BATCH, batch, kernel) - end.centre)
        many += moved.size
        broken += int((~(moved <= end.bound)).sum())
        share = max(share, float((moved / end.bound).max()))
    off, bound = claims.exact_run(seed)
    return many + off.size, broken + int((~(off <= bound)).sum()), share, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--comparisons", type=int, default=10**6)
    parser.add_argument("--rounds", type=int, default=30, help="batches of 50 for each model")
    args = parser.parse_args()
    many = broken = refused = seed = 0
    share = 0.0
    while many < args.comparisons:
        found = one(seed, args.rounds)
        many, broken, share = many + found[0], broken + found[1], max(share, found[2])
        refused, seed = refused + found[3], seed + 1
    print(f"{many} comparisons, {seed} models ({refused} refused): {broken} violations, "
          f"largest share of a bound {share:.3g}")  # fmt: skip
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
