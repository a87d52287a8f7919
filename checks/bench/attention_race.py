"""One head, everything on it: time and error of exact attention, of peers, of what is certified.

Processor seconds of this thread, float32, torch with one thread, in one run; each is the median of
a few, exact attention before and after. Errors: the largest over rows and columns, in units of the
range of V, against float64 attention of up to 2048 rows spread evenly.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass

import numpy as np
import torch
from peers import PEERS

import varnum as vn

_ROWS = 2048


@dataclass(frozen=True)
class Result:
    """speed: how many times faster than fused exact attention."""

    name: str
    size: int
    speed: float
    error: float
    certified: float | None = None
    low_rank: float | None = None  # share of the rows that did not run exactly


class Race:
    """A head (q, k, v, sigma), flat: every query sees every key."""

    def __init__(self, q, k, v, sigma, repeats=3):
        parts = (np.ascontiguousarray(part, dtype=np.float32) for part in (q, k, v))
        self.q, self.k, self.v = (torch.from_numpy(part) for part in parts)
        self.sigma, self.repeats = sigma, repeats
        self.rows = np.unique(np.linspace(0, len(self.q) - 1, _ROWS).astype(int))
        wide = [part.double() for part in (self.q[self.rows], self.k, self.v)]
        self.spread = self.v.amax(0) - self.v.amin(0)
        self.truth = _fused(*wide, sigma).float()
        self.exact, _ = self.timed(lambda: _fused(self.q, self.k, self.v, sigma))

    def timed(self, run):
        """Median processor seconds, and what `run` gave."""
        spent = []
        for _ in range(self.repeats):
            began = time.thread_time()
            found = run()
            spent.append(time.thread_time() - began)
        return float(np.median(spent)), found

    def error(self, output):
        """Largest, in units of the range."""
        off = (output[self.rows] - self.truth).abs()[:, self.spread > 0]
        worst = float((off / self.spread[self.spread > 0]).max())
        return worst if worst == worst else float("inf")

    def peer(self, name, size):
        """One peer at one size."""
        attend = importlib.import_module(f"peers.{PEERS[name][0]}").attend
        seconds, output = self.timed(lambda: attend(self.q / self.sigma, self.k, self.v, size, 0))
        return Result(name, size, self.exact / seconds, self.error(output)), output

    def guaranteed(self, target, method="auto"):
        """vn.attention at a target; None where a method asked for by name certifies nothing."""
        options = {"sigma": self.sigma, "output_error": target, "method": method}
        try:
            seconds, found = self.timed(lambda: vn.attention(self.q, self.k, self.v, **options))
        except vn.InputError:
            return None, None
        c = found.certificate
        share = 1 - c.rows_exact / c.rows
        bound, error = c.certified_error, self.error(found.output)
        made = Result(c.method, c.rank, self.exact / seconds, error, bound, share)
        return made, found


def _fused(q, k, v, sigma):
    given = (q[None, None], k[None, None], v[None, None])
    return torch.nn.functional.scaled_dot_product_attention(*given, scale=1 / sigma)[0, 0]
