"""Exact attention for the tests: softmax in extended precision, written once."""

from __future__ import annotations

import numpy as np


def wide(array):
    """An array of NumPy or torch in long double."""
    if hasattr(array, "double"):  # torch, bfloat16 too
        array = array.double().numpy()
    return np.asarray(array).astype(np.longdouble)


def weights(q, k, sigma=1.0):
    """Softmax weights (.., L, S) of q (.., L, d), k (.., S, d), logits q.k / sigma."""
    logits = wide(q) @ wide(k).swapaxes(-1, -2) / np.longdouble(sigma)
    found = np.exp(logits - logits.max(-1, keepdims=True))
    return found / found.sum(-1, keepdims=True)


def softmax(q, k, v, sigma=1.0, scales=None):
    """Output (.., L, d_v); `scales`: the rows of a scale see the keys up to its end."""
    if scales is None:
        return weights(q, k, sigma) @ wide(v)
    outputs, start = [], 0
    for end in np.cumsum(scales):
        outputs.append(softmax(q[start:end], k[:end], v[:end], sigma))
        start = end
    return np.concatenate(outputs)


def ranges(v, rows, scales=None):
    """Range of each column of v (S, d_v) over the keys that each row sees, (rows, d_v)."""
    if scales is None:
        return np.broadcast_to(np.ptp(wide(v), axis=0), (rows, v.shape[1]))
    seen = [np.ptp(wide(v[:end]), axis=0) for end in np.cumsum(scales)]
    return np.repeat(seen, scales, axis=0)
