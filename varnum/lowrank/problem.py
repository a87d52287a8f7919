"""What is asked: attention of one head, and an error that its kernel or its output may have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from varnum.floats.arrays import to_double

Promise = Literal["kernel", "output"]
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
    fitting may take, None for no limit; no guarantee rests on it.
    """

    q: Any
    k: Any
    v: Any
    sigma: float
    target: Target
    view: tuple[int, ...] | None = None
    seconds: float | None = None

    @cached_property
    def wide(self) -> tuple[Any, Any]:
        """q and k as float64 NumPy arrays, exactly."""
        return to_double(self.q), to_double(self.k)

    @property
    def kernel_error(self) -> float:
        """The kernel error that is enough: e costs tanh(artanh(e)/2) of the output.

        2 t/(1 + t^2) spends t (claim softmax-relative).
        """
        error = self.target.error
        return error if self.target.of == "kernel" else 2 * error / (1 + error * error) * _SHARE
