"""float-forward: rounding of products in float32 and bfloat16 against gamma_k |A||B|.

Adversary: entries of one sign just above a rounding boundary. With torch the products run there
(`--device cuda` on a GPU, TF32 off); without it NumPy does float32.
"""

from __future__ import annotations

import importlib.util
import sys

import numpy as np

from varnum.proof.checking import Measurement, main, summarise
from varnum.propagate.forward_rounding import Arithmetic, certify_product_rounding

GROUP = 100


def _product(a, b, dtype, device):
    if importlib.util.find_spec("torch") is None:
        return (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float64)
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    kind = getattr(torch, dtype)
    x, y = (torch.tensor(m, device=device).to(kind) for m in (a, b))
    return (x @ y).double().cpu().numpy()


def _round(x, dtype):
    if dtype == "float32":
        return x.astype(np.float32).astype(np.float64)
    bits = x.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


def _case(rng, dtype, k, device, sign):
    arithmetic = Arithmetic.of(dtype)
    a, b = rng.normal(size=(GROUP, k)), rng.normal(size=(k, 1))
    if sign:  # one sign, mantissas just above a rounding boundary
        a, b = (
            1 + rng.random((GROUP, k)) * float(arithmetic.mu) * 8,
            np.ones((k, 1)) * (1 + float(arithmetic.mu) * 2 * rng.integers(0, 3)),
        )
    a, b = _round(a, dtype), _round(b, dtype)
    error = np.abs(_product(a, b, dtype, device) - a @ b)[:, 0]
    return error, certify_product_rounding(a, b, arithmetic)[:, 0] + 2.0**-52 * np.abs(a @ b)[:, 0]


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Rounding error of an inner product against its bound."""
    rng = np.random.default_rng(seed)
    torch = importlib.util.find_spec("torch") is not None
    results = []
    for dtype, k in (("float32", 64), ("bfloat16", 32)) if torch else (("float32", 64),):
        groups = -(-trials // GROUP)
        random, adversarial = (
            [_case(rng, dtype, k, device, sign) for _ in range(groups)] for sign in (False, True)
        )
        pairs = [
            tuple(np.concatenate(p) for p in zip(*s, strict=True)) for s in (random, adversarial)
        ]
        results.append(summarise("float-forward", f"{dtype}, inner length {k}", *pairs))
    return results


if __name__ == "__main__":
    sys.exit(main(measure, on_gpu=True))
