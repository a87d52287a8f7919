"""Chosen logits in reverse mode against the forward bounds: a random 4 x 128 model, 100 logits.

python checks/bench/reverse.py: per ensemble the forward and the reverse bound, and CPU seconds.
"""

from __future__ import annotations

import time

import numpy as np

from varnum.model.config import VaeConfig, VarConfig
from varnum.model.random_weights import random_model
from varnum.propagate.ensemble import protocol
from varnum.propagate.ensemble.embeddings import conditions, embedded
from varnum.propagate.ensemble.reverse import Functional, certify_functionals


def main() -> None:
    """One line per ensemble."""
    sides, sizes = (1, 2, 3, 4, 5), {"vocab_size": 256, "Cvae": 8}
    var = VarConfig(sides, depth=4, embed_dim=128, num_heads=4, num_classes=10, **sizes)
    vae = VaeConfig(sides, ch=32, ch_mult=(1,), num_res_blocks=1, **sizes)
    model, rng = random_model(var, vae, 0), np.random.default_rng(0)
    x, error = embedded(model, 1, rng.integers(0, 256, var.length))
    start = protocol.Start(model.var_weights, var, x, error, conditions(model, 1), taped=True)
    wanted = [Functional(*(int(rng.integers(n)) for n in (var.length, 256))) for _ in range(100)]
    for gauss, cauchy in ((16, 0), (64, 0), (64, 256)):
        began = time.process_time()
        found = protocol.certify(start, protocol.Plan(gauss, cauchy))
        between = time.process_time()
        if not isinstance(found, protocol.Accepted) or found.tape is None:
            print(gauss, cauchy, found)
            continue
        back = certify_functionals(start, found.tape, wanted)
        forward = np.array([found.end.bound[u.token, u.plus] for u in wanted])
        print(
            f"Gauss {gauss:3} Cauchy {cauchy:3}  forward {forward.max():.2e} "
            f"reverse {back.max():.2e}  CPU s {between - began:.1f} + "
            f"{time.process_time() - between:.1f}"
        )


if __name__ == "__main__":
    main()
