"""Tokens that no kernel within an error can change: by forward bounds, and by reverse mode besides.

python checks/bench/margins.py
"""

from __future__ import annotations

import time

import numpy as np

from varnum.cli.sources import load_model
from varnum.propagate.ensemble.error import error_of


def main() -> None:
    """One line per input of var-tiny and kernel error."""
    model = load_model(None, None, None, "var-tiny", 0)
    for eps in ("1e-3", "5e-3", "8e-3", "1.2e-2"):
        for seed in range(4):
            draw = np.random.default_rng(seed)
            tokens = draw.integers(0, model.var.vocab_size, (1, model.var.length))
            started = time.process_time()
            found = error_of(model, 3, tokens, kernel_error=eps, margins=True)
            forward = found.tokens_certain - found.tokens_by_reverse
            print(
                f"{eps}, tokens {seed}: {found.verdict}, {forward} + {found.tokens_by_reverse} of "
                f"{found.tokens}, {found.differences} passes, {time.process_time() - started:.1f} s"
            )


if __name__ == "__main__":
    main()
