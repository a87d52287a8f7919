"""What is asked: attention of one head, and an error that its kernel or its output may have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from varnum.floats.arrays import to_double
from varnum.floats.rounding import dtype_name
from varnum.tensor import Tensor

Promise = Literal["kernel", "output"]
_FUSED, _PASSES = (1e-9, 2e-11), (6e-9, 4e-11)  # seconds a pair, and a coordinate of it, one core
_SHARE = 0.999  # of the kernel error that spends a target: the rest is for the rounding of sums


@dataclass(frozen=True)
class Target:
    """error in (0, 1), of what `of` names.

    "kernel": every entry exp(q.k/sigma), relative, up to a factor per row. "output": every entry of
    the output, in units of the range of its value column over the keys that the row sees.
    """

    of: Promise
    error: float


@dataclass(frozen=True)
class Problem:
    """softmax(q k^T / sigma) v of one head, q (L_q, d), k (L_k, d), v (L_k, d_v), within `target`.

    Checked arrays of one backend, float32 or float64; sigma at most two ulps off. view: tokens per
    scale, block-causal, sum = L_q = L_k; None: every query sees every key. seconds: about what
    fitting may take, None for no limit; beat: the part of exact attention's time that an answer
    has to take less than; expected: queries and keys that what is fitted will serve, where more are
    to come. No guarantee rests on these three.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    sigma: float
    target: Target
    view: tuple[int, ...] | None = None
    seconds: float | None = None
    beat: float = 1.0
    expected: tuple[int, int] | None = None

    @property
    def pairs(self) -> float:
        """Query-key pairs that exact attention looks at."""
        if self.expected is not None:
            return float(self.expected[0]) * self.expected[1]
        if self.view is None:
            return float(int(self.q.shape[0]) * int(self.k.shape[0]))
        counts = np.array(self.view, dtype=np.float64)
        return float((counts * np.cumsum(counts)).sum())

    @property
    def exact_seconds(self) -> float:
        """About what exact attention takes: fused in torch; only time rests on it."""
        once, coordinate = _FUSED if not isinstance(self.q, np.ndarray) else _PASSES
        width = int(self.q.shape[1]) + int(self.v.shape[1])
        slow = 2.0 if dtype_name(self.q) == "float64" else 1.0
        return slow * self.pairs * (once + coordinate * width)

    @cached_property
    def wide(self) -> tuple[Tensor, Tensor]:
        """q and k as float64 NumPy arrays, exactly."""
        return to_double(self.q), to_double(self.k)

    @property
    def kernel_error(self) -> float:
        """The kernel error that is enough: e costs tanh(artanh(e)/2) of the output.

        2 t/(1 + t^2) spends t (claim softmax-relative).
        """
        error = self.target.error
        return error if self.target.of == "kernel" else 2 * error / (1 + error * error) * _SHARE
