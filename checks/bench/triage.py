"""Triage against what happens: verdicts of `vn.triage`, what is certified and compared, time.

python checks/bench/triage.py [--heads FILE.npz ..] [--random var-d16] [--layers 3] [--error ..]

Truth: `certified`, vn.attention takes low rank by itself; `compared`, the audit's leading monomials
keep the target at fewer operations. A verdict is wrong if it says "pays" and neither does, or
"cannot pay" and one does. Seconds are CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import varnum as vn
from varnum.audit.leading_monomials import certify_output, fit_leading, most_features
from varnum.integrations.triage import block_causal, triage

HEADS = Path(__file__).parents[2] / "tests" / "data" / "heads"


def of_files(paths: list[str]) -> Iterator[tuple[str, Any, Any, Any, float, tuple[int, ...]]]:
    for path in paths:
        with np.load(path) as file:
            arrays = {name: file[name].astype(np.float64) for name in file.files}
        for name in arrays:
            if name.startswith("q"):
                q, k, v = (arrays[letter + name[1:]] for letter in "qkv")
                yield f"{Path(path).stem}{name[1:]}", q, k, v, q.shape[1] ** -0.5, (len(q),)


def of_model(name: str, layers: int) -> Iterator[tuple[str, Any, Any, Any, float, tuple[int, ...]]]:
    from varnum.audit.layer_run import run_layers
    from varnum.model.config import with_settings
    from varnum.model.random_weights import random_model

    model = random_model(*with_settings(name, {}), 0)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, model.var.vocab_size, (1, model.var.length))
    for layer in run_layers(model, np.array([0]), tokens):
        if layer.index == layers:
            return
        for h in range(0, layer.q.shape[1], 5):
            q, k, v = (np.ascontiguousarray(x[0, h]) for x in (layer.q, layer.k, layer.v))
            at = f"random {name} {layer.index}.{h}"
            yield at, q, k, v, float(layer.factors[h]), model.var.lengths


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--heads", nargs="*", default=sorted(map(str, HEADS.glob("*.npz"))))
    parser.add_argument("--random", default="var-d16")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--error", nargs="*", default=["1e-1", "1e-2"])
    given = parser.parse_args()
    wrong, times = 0, []
    heads = [*of_files(given.heads)]
    if given.layers:
        heads += of_model(given.random, given.layers)
    for name, q, k, v, scale, lengths in heads:
        mask = block_causal(lengths, len(q)) if len(lengths) > 1 else None
        full = lengths if len(lengths) > 1 else None
        exact = vn.attention(q, k, v, sigma=1 / scale, output_error="1e-6", scales=full,
                             method="exact")  # fmt: skip
        lead = fit_leading(q, k, scale, most_features(lengths, q.shape[1], v.shape[1]))
        for error in given.error:
            began = time.process_time()
            found = triage(q, k, v, scale=scale, output_error=error, mask=mask)
            times.append(time.process_time() - began)
            made = vn.attention(q, k, v, sigma=1 / scale, output_error=error, scales=full)
            certified = made.certificate.rows_exact < made.certificate.rows
            known = (exact.output, exact.certificate.certified_error)
            compared = certify_output(lead, v, lengths, q.shape[1], known, float(error)).rank > 0
            pays = certified or compared
            bad = (found.verdict == "pays" and not pays) or (found.verdict == "cannot pay" and pays)
            wrong += bad
            print(
                f"{name:28} {error:5} {found.verdict:10} certified {certified!s:5} compared "
                f"{compared!s:5} {'WRONG' if bad else ''} spread {found.spread[1]:.2f} "
                f"{found.spread[2]:.2f} rank {found.rank} {made.certificate.method}"
            )
    print(
        f"{len(heads)} heads, {wrong} verdicts wrong; CPU ms a head: median "
        f"{1e3 * float(np.median(times)):.1f}, largest {1e3 * max(times):.1f}"
    )


if __name__ == "__main__":
    main()
