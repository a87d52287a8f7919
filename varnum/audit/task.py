"""One head as a piece of work: everything that its rows depend on, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.audit.apriori import NormalisedHead, PlainHead
from varnum.formulas import softmax as softmax_forms

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """An output error and the kernel error that keeps it (claim softmax-relative), exactly."""

    output_error: Fraction
    eps: Fraction

    @classmethod
    def of(cls, output_error: Fraction) -> Target:
        """0 < output_error < 1."""
        return cls(output_error, softmax_forms.budget_eps.exact(tau=output_error))

    @property
    def eps_float(self) -> float:
        """A float below eps."""
        return float(np.nextafter(float(self.eps), 0.0))

    @property
    def error_float(self) -> float:
        """A float below output_error."""
        return float(np.nextafter(float(self.output_error), 0.0))


@dataclass(frozen=True)
class HeadTask:
    """One head of one layer on one prompt: everything its rows depend on. q, k, v (L, d)."""

    names: dict[str, Any]  # model, prompt, label, layer, head: copied into the rows
    q: Floats
    k: Floats
    v: Floats
    scale: float
    weights: NormalisedHead | PlainHead
    sides: tuple[int, ...]
    targets: tuple[Target, ...]
    every_rank: bool = False  # fit pivots even where they cannot pay
