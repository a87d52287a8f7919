r"""Certified rank against the singular-value reference, the lower bound and the published one.

Claimed: at eps = 1e-2 on correlated heads (d = 8, 16, 64; L = 680, 2240; largest entry 1; sigma =
sqrt(d)) the certified entrywise rank is at most 1.5 times the reference.

    python checks/bench/lowrank_rank.py
    python checks/bench/lowrank_rank.py --largest 1 2 --eps 1e-1 1e-2 1e-3 \
        --kinds correlated isotropic
    python checks/bench/lowrank_rank.py --plot rank.png
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction

import numpy as np
from lowrank_heads import correlated, isotropic

from varnum.approx.closed import certify_degree_closed_form
from varnum.approx.target import relative
from varnum.lowrank.counting import rank_published
from varnum.lowrank.limits import certify_rank_lower, estimate_rank_reference
from varnum.lowrank.monomials.polynomial_kernel import fit_polynomial
from varnum.lowrank.pivots.pivot_kernel import fit_kernel
from varnum.verdict import Unknown

KINDS = {"correlated": correlated, "isotropic": isotropic}
CLAIMED = 1.5


def measure(kind, d, length, largest, eps, seed):
    """One line of the table; returns certified rank and reference."""
    q, k = KINDS[kind](d, length, seed, largest)
    sigma = d**0.5
    began = time.perf_counter()
    kernel = fit_kernel(q, k, sigma, eps)
    seconds = time.perf_counter() - began
    polynomial = fit_polynomial(q, k, sigma, eps)
    rank = None if isinstance(kernel, Unknown) else kernel.rank
    lower = certify_rank_lower(q, k, sigma, eps)
    reference = estimate_rank_reference(q, k, sigma, eps, most=length)
    box = d * largest**2 / sigma
    degree = certify_degree_closed_form(relative(Fraction(box)), Fraction(eps))
    monomials = "-" if isinstance(polynomial, Unknown) else polynomial.rank
    certified = "-" if isinstance(kernel, Unknown) else f"{kernel.certified:.2e}"
    pivots = "-" if isinstance(kernel, Unknown) else kernel.pivots
    ratio = float("nan") if rank is None else rank / reference
    print(
        f"{kind:10} {d:3} {length:6} {largest:4g} {eps:7.0e} {np.abs(q @ k.T).max() / sigma:6.2f}"
        f" {lower:6} {'-' if rank is None else rank:>6} {reference:6} {ratio:6.2f}"
        f" {pivots:>6} {monomials:>7} {float(rank_published(d, degree)):10.2e} {certified:>9}"
        f" {seconds:7.2f}",
        flush=True,
    )
    return rank, reference, lower


def plot(path, rows):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    labels = [label for label, *_ in rows]
    for index, name in enumerate(("certified", "reference", "proved lower bound"), start=1):
        axes.plot(labels, [row[index] for row in rows], "o-", label=name)
    axes.set_ylabel("rank")
    axes.tick_params(axis="x", rotation=60)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dims", type=int, nargs="+", default=[8, 16, 64])
    parser.add_argument("--lengths", type=int, nargs="+", default=[680, 2240])
    parser.add_argument("--largest", type=float, nargs="+", default=[1.0])
    parser.add_argument("--eps", type=float, nargs="+", default=[1e-2])
    parser.add_argument("--kinds", nargs="+", default=["correlated"], choices=KINDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot")
    options = parser.parse_args()
    print(
        "kind         d      L    R     eps      M  lower   rank    ref  ratio pivots   monom  "
        "published certified seconds"
    )
    rows, good = [], True
    for kind in options.kinds:
        for d in options.dims:
            for length in options.lengths:
                for largest in options.largest:
                    for eps in options.eps:
                        found = measure(kind, d, length, largest, eps, options.seed)
                        rows.append((f"{kind[:4]} {d} {length} {largest:g} {eps:g}", *found))
                        if (kind, largest, eps) == ("correlated", 1.0, 1e-2):
                            good &= found[0] is not None and found[0] <= CLAIMED * found[1]
    if options.plot:
        plot(options.plot, rows)
    print(f"claimed: at most {CLAIMED} times the reference at eps 1e-2, R 1, correlated: {good}")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
