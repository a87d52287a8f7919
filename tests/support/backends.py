"""The same arrays on each backend."""

from __future__ import annotations

import pytest

BACKENDS = ("numpy", "torch")
TORCH = "the torch backend is optional"


def placed(backend, *arrays):
    """NumPy arrays on a backend, the same memory; skips where torch is not installed."""
    if backend == "numpy":
        return list(arrays)
    torch = pytest.importorskip("torch", reason=TORCH)
    return [torch.from_numpy(array) for array in arrays]
