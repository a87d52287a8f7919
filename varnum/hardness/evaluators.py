"""Attention kernels that may evaluate a head, by name."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

import numpy as np

from varnum.errors import InputError
from varnum.floats.rounding import EXACT_U
from varnum.hardness.decide import Evaluate, Outputs, evaluate_exact
from varnum.hardness.flowar_flow import evaluate_flowar_flow, flowar_flow
from varnum.hardness.flowar_run import evaluate_flowar_wrapped
from varnum.hardness.flowar_wrap import flowar_wrap
from varnum.hardness.head import Head
from varnum.hardness.wrap import evaluate_wrapped, wrap
from varnum.lowrank.method import METHODS

TARGET = Fraction(1, 100)  # output error asked of low-rank attention; V's range is 1


def evaluate_lowrank(head: Head, method: str = "auto") -> Outputs:
    """varnum.attention at output error 1/100 with its certificate; it may decide for exact.

    Raises InputError where a method asked for by name certifies nothing.
    """
    from varnum._attention import attention

    output, certificate = attention(
        *head.arrays(), sigma=head.sigma, output_error=TARGET, method=method
    )
    # sigma reaches the kernel as a float, two ulps off at most: logits move by 4 u M at most
    error = Fraction(certificate.output_error) + 4 * EXACT_U * head.M
    name = f"low rank asked; {certificate.method}, rank {certificate.rank}: {certificate.reason}"
    return Outputs(np.asarray(output)[:, 0], error, name)


EVALUATORS: dict[str, Evaluate] = {
    "exact": evaluate_exact,
    "lowrank": evaluate_lowrank,
    **{name: partial(evaluate_lowrank, method=name) for name in METHODS if name != "exact"},
    "var-wrap": lambda head: evaluate_wrapped(wrap(head)),
    "flowar-wrap": lambda head: evaluate_flowar_wrapped(flowar_wrap(head)),
    "flowar-flow": lambda head: evaluate_flowar_flow(flowar_flow(head)),
}


def evaluator(name: str) -> Evaluate:
    """Look up a kernel; raises InputError that lists the names."""
    if name not in EVALUATORS:
        raise InputError(f"attention: no {name!r}; known: {', '.join(EVALUATORS)}")
    return EVALUATORS[name]
