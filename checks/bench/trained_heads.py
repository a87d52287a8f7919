"""Heads of trained models: what certifies, and what costs nothing beside it.

For each head and target: errors of mean(V) and of centred degree one (no attention was needed where
they are within it), the share of rows that recovery certifies at low rank and its time, what "auto"
takes and its time, and what a sample of 256 rows says about Nystrom with 128 random keys: a share
of rows that may exceed the target, with high probability (chance 1e-3). Times: fused exact
attention's over these, processor seconds of one thread.

    python checks/bench/trained_heads.py
    python checks/bench/trained_heads.py heads.npz --targets 1e-1
"""

from __future__ import annotations

import argparse
from fractions import Fraction

import torch
from attention_heads import capped_heads, random_heads, trained
from attention_race import Race

import varnum as vn
from varnum.outward import at_most

COLUMNS = (
    "head", "kind", "L", "target", "mean V", "degree 1", "recovery: rows at low rank", "times",
    "auto", "times", "Nystrom 128, sampled: rows above",
)  # fmt: skip


def lines(head, targets, method, repeats):
    """One line of the table for each target."""
    name, kind, q, k, v, sigma, _ = head
    race = Race(q, k, v, sigma, repeats)
    mean, first = (race.peer(peer, 1)[0].error for peer in ("mean of V", "degree 1, centred"))
    nystrom = race.peer("Nystrom, uniform", min(128, len(k) // 2))[1]
    for target in targets:
        low, _ = race.guaranteed(target, method)
        best, _ = race.guaranteed(target)
        if bool(torch.isfinite(nystrom).all()):
            sampled = vn.sample_check(
                race.q, race.k, race.v, nystrom, output_error=target, sigma=sigma
            )
            above = f"at most {at_most(100 * Fraction(sampled.share_above), 2)} %"
        else:
            above = "not finite"
        rows = "0 %" if low is None else f"{100 * low.low_rank:.1f} %"
        times = "" if low is None else f"{low.speed:.2g}"
        yield (
            name, kind, str(len(k)), target, f"{mean:.1e}", f"{first:.1e}", rows, times,
            best.name, f"{best.speed:.2g}", above,
        )  # fmt: skip


def shown(cells):
    """A line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="arrays q_NAME, k_NAME, v_NAME each")
    parser.add_argument("--targets", nargs="+", default=["1e-1", "3e-2", "1e-2"])
    parser.add_argument("--method", default="recovery")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="random and capped heads too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    heads = [*trained(options.files)]
    if options.all:
        heads += [*random_heads(5461, 3), *capped_heads(5456, 2)]
    print(shown(COLUMNS))
    print(shown("---" for _ in COLUMNS))
    for head in heads:
        for line in lines(head, options.targets, options.method, options.repeats):
            print(shown(line), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
