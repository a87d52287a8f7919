"""Error against time: published approximations, and what varnum certifies, head by head.

Every query sees every key, one thread, float32; the heads are synthetic (v = K W), of random
weights, capped and trained, and say so. Peers have no bound: their error is measured. What varnum
certifies is drawn at its bound, its measured error below it.

    python checks/bench/frontier.py --length 5461
    python checks/bench/frontier.py --plot docs/images/frontier.svg
"""

from __future__ import annotations

import argparse

import torch
from attention_heads import capped_heads, random_heads, synthetic, trained
from attention_race import Race
from peers import PEERS

from varnum.outward import at_most

TARGETS = ("1e-1", "3e-2", "1e-2", "3e-3", "1e-3")
_MARKS = ("o", "s", "^", "v", "D", "P", "X", "*")
_COLOURS = ("#999999", "#000000", "#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#F0E442", "#0072B2")


def run(head, repeats):
    """All results on one head; the peers' names and sizes, and the targets."""
    name, kind, q, k, v, sigma, _ = head
    race = Race(q, k, v, sigma, repeats)
    print(f"\n{name} ({kind}), L = {len(k)}, exact {race.exact:.3f} s")
    print("method               size  times faster      error  certified  rows at low rank")
    found = []
    for peer, (_, sizes) in PEERS.items():
        for size in sizes:
            if size < len(k):
                found.append(race.peer(peer, size)[0])
    for target in TARGETS:
        made, _ = race.guaranteed(target)
        found.append(made)
    for r in found:
        bound = "none" if r.certified is None else at_most(r.certified, 2)
        share = "" if r.low_rank is None else f"{100 * r.low_rank:.0f} %"
        print(f"{r.name:20} {r.size:5} {r.speed:12.2f}  {r.error:9.1e}  {bound:>9}  {share:>6}")
    return f"{name}, L = {len(k)} ({kind})", found


def draw(heads, path):
    """One panel per head."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.hashsalt": "varnum", "font.size": 8}
    from matplotlib import pyplot

    columns = min(len(heads), 3)
    rows = -(-len(heads) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(4 * columns, 3.2 * rows), squeeze=False, sharey=True
    )
    for axis, (title, found) in zip(axes.flat, heads, strict=False):
        for (peer, _), mark, colour in zip(PEERS.items(), _MARKS, _COLOURS, strict=True):
            own = [r for r in found if r.name == peer and r.certified is None]
            axis.plot([r.speed for r in own], [r.error for r in own], mark, ls=":", lw=0.8,
                      ms=4, color=colour, label=f"{peer} (measured)")  # fmt: skip
        sure = [r for r in found if r.certified is not None]
        axis.plot([r.speed for r in sure], [r.certified for r in sure], "o-", color="#D55E00",
                  ms=5, label="varnum, certified")  # fmt: skip
        axis.plot([r.speed for r in sure], [max(r.error, 1e-6) for r in sure], "o", mfc="none",
                  color="#D55E00", ms=4, label="the same, measured")  # fmt: skip
        axis.axvline(1, color="#888888", lw=0.6)
        axis.set(xscale="log", yscale="log", title=title, xlabel="times faster than fused exact")
        axis.set_ylim(1e-6, 2)
    for axis in axes.flat[len(heads) :]:
        axis.set_visible(False)
    for row in axes:
        row[0].set_ylabel("largest error over range of V")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=5, frameon=False)
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)
    print(f"wrote {path}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=5461, choices=(5461, 21845))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plot", help="file for the picture")
    parser.add_argument("--cache", help="folder for the random heads")
    options = parser.parse_args()
    torch.set_num_threads(1)
    synthetic_length = 16384 if options.length > 16384 else options.length
    heads = [
        synthetic(synthetic_length, 2.0),
        *random_heads(options.length, 2, options.cache),
        *capped_heads(5456 if options.length < 16384 else options.length, 1),
    ]
    heads += [head for head in trained() if head[0] in ("image 4.2", "text 2.5")]
    found = [run(head, options.repeats) for head in heads]
    if options.plot:
        draw(found, options.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
