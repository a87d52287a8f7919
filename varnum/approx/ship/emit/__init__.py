"""Source code for a kernel: one file per language, all from the same list of operations."""

from __future__ import annotations

from collections.abc import Callable

from varnum.approx.ship.emit import c, cuda, python, triton
from varnum.approx.ship.kernel import Kernel

LANGUAGES: dict[str, Callable[[Kernel, str], str]] = {
    "c": c.source,
    "cuda": cuda.source,
    "triton": triton.source,
    "python": python.source,
}
"""Language -> source(kernel, certificate): the text of a file."""
