"""Claim tsf-asymmetric: heads learn in proportion to their value weights, as long as they agree."""

from __future__ import annotations

from typing import Any

import numpy as np


def logit_gradient(x: Any, y: Any, p: Any, v: Any) -> Any:
    """dLoss/dlogit (H, N, T) of the loss sum (o - y)^2, o = sum_h v_h p_h.x, p (H, N, T).

    2 (o - y) v_h p_j (x_j - c_h), c_h = p_h.x. Works on exact numbers in object arrays too.
    """
    c = (p * x[None]).sum(2)  # (H, N)
    o = (v[:, None] * c).sum(0)
    return 2 * (o - y)[None, :, None] * v[:, None, None] * p * (x[None] - c[:, :, None])


def estimate_alignment(updates: Any, v: Any) -> float:
    """How far updates (H, ..) are v_h times one direction: 1 exactly so, 0 not at all.

    |projection on v|/|updates|: the share of their size that is v_h u for the best u.
    """
    flat = np.asarray(updates, dtype=np.float64).reshape(len(v), -1)
    unit = np.asarray(v, dtype=np.float64) / np.linalg.norm(np.asarray(v, dtype=np.float64))
    size = float(np.linalg.norm(flat))
    return float(np.linalg.norm(unit @ flat)) / size if size else 0.0
