"""Attention kernels that may evaluate a head, by name."""

from __future__ import annotations

from varnum.errors import InputError
from varnum.hardness.decide import Evaluate, evaluate_exact
from varnum.hardness.wrap import evaluate_wrapped, wrap

EVALUATORS: dict[str, Evaluate] = {
    "exact": evaluate_exact,
    "var-wrap": lambda head: evaluate_wrapped(wrap(head)),
}


def evaluator(name: str) -> Evaluate:
    """Look up a kernel; raises InputError that lists the names."""
    if name not in EVALUATORS:
        raise InputError(f"attention: no {name!r}; known: {', '.join(EVALUATORS)}")
    return EVALUATORS[name]
