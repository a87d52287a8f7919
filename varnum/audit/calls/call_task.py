"""One query head of one attention call as a piece of work."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.audit.calls.view import View
from varnum.audit.task import Target

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CallTask:
    """q (Lq, d), k (Lk, d), v (Lk, dv) as captured, widened to float64; padding is dropped.

    bias (Lq, Lk): what is added to the logits and cannot be folded into q and k. view None: the
    mask is no interval per row, then `mask` (Lq, Lk) says it. bound: of |logit| for all tokens.
    reason: why there are no ranks, "" where there are.
    """

    names: dict[str, Any]
    q: Floats
    k: Floats
    v: Floats
    scale: float
    view: View | None
    targets: tuple[Target, ...]
    mask: Any = None
    bias: Floats | None = None
    softcap: float | None = None
    bound: Fraction | None = None
    reason: str = ""
    every_rank: bool = False


def checksum(*arrays: Any) -> int:
    """CRC-32 of arrays, so that a resumed file refuses other inputs."""
    found = 0
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).tobytes(), found)
    return found
