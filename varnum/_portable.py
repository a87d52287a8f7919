"""The attention certificate as a file: hashes, method, bounds; `varnum.recheck` reads it."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from varnum._certificate import Certificate
from varnum._version import __version__
from varnum.balls.exact import to_text
from varnum.floats.inputs import owned
from varnum.floats.rounding import dtype_name
from varnum.lowrank.method import method as find
from varnum.tensor import Tensor

SCHEMA = "varnum/attention-certificate/1"


def fixed(array: Tensor) -> tuple[Tensor, dict[str, object]]:
    """A copy that nobody else can write to, and its hash, shape and dtype.

    sha256 is over the numbers row after row, least byte first. bfloat16, which files of NumPy do
    not have, is written as float32, which holds it exactly.
    """
    if dtype_name(array) == "bfloat16" and not isinstance(array, np.ndarray):
        array = array.float()
    copy = owned(array)
    host = copy if isinstance(copy, np.ndarray) else copy.cpu().numpy()
    plain = np.ascontiguousarray(host, dtype=host.dtype.newbyteorder("<"))
    facts: dict[str, object] = {
        "sha256": hashlib.sha256(plain.tobytes()).hexdigest(),
        "shape": [int(n) for n in plain.shape],
        "dtype": dtype_name(host),
    }
    return copy, facts


def document(
    certificate: Certificate,
    arrays: dict[str, dict[str, object]],
    sigma: str | int | float | Fraction,
    scales: Sequence[int] | str | None,
) -> str:
    """The one text of a certificate; empty where the target is not reached: nothing to write."""
    if not (certificate.reached and math.isfinite(certificate.output_error)):
        return ""
    body: dict[str, object] = {
        "schema": SCHEMA,
        "versions": {"varnum": __version__, "numpy": np.__version__, "torch": _torch()},
        **arrays,
        "sigma": sigma if sigma in ("sqrt", "4sqrt", "d") else to_text(Fraction(sigma)),
        "scales": [int(n) for n in scales] if isinstance(scales, tuple) else scales,
        "kind": certificate.kind,
        "target": certificate.asked,
        "bound": certificate.certified_error,
        "output_bound": certificate.output_error,
        "heads": [
            {
                "method": head.method, "bound": head.certified_error,
                "output_bound": head.output_error, "rank": head.rank, "rows": head.rows,
                "rows_exact": head.rows_exact, "tested": bool(head.tested),
            }
            for head in certificate.heads
        ],
        "word": certificate.word,
        "claims": sorted({c for name in certificate.method.split("+") for c in find(name).claims}),
    }  # fmt: skip
    text = _plain(body)
    return _plain({**body, "digest": "sha256:" + hashlib.sha256(text.encode()).hexdigest()})


def _plain(body: dict[str, object]) -> str:
    return json.dumps(body, sort_keys=True, indent=1, allow_nan=False) + "\n"


def _torch() -> str | None:
    module = sys.modules.get("torch")
    return None if module is None else str(module.__version__)
