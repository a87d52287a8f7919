"""The five lemmas, exhaustively on small forms; versions that are slightly false are seen."""

from __future__ import annotations

from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.circuit import lemmas
from varnum.circuit.evaluate import all_inputs, evaluate
from varnum.circuit.form import Form, total
from varnum.circuit.gates import Builder


def start(weights: list[int], offset: int = 0) -> tuple[Builder, list[Form], Form]:
    """A builder, its input bits and the form offset + sum w x."""
    b = Builder()
    bits = b.bits(len(weights))
    return b, bits, total([offset, *(x * w for x, w in zip(bits, weights, strict=True))])


def values(b: Builder, form: Form) -> np.ndarray:
    """The form on all inputs, by running its gates alone."""
    gates = [n for n in form.terms if n >= b.inputs]
    circuit = b.finish([Form({n: 1}, 0, 0, 1) for n in gates] or [b.output(form * 0)])
    x = all_inputs(b.inputs)
    out = evaluate(circuit, x)
    held = {n: out[:, i] for i, n in enumerate(gates)} | {n: x[:, n] for n in range(b.inputs)}
    return np.full(len(x), form.const) + sum(w * held[n] for n, w in form.terms.items())


def plain(weights: list[int], offset: int = 0) -> np.ndarray:
    return offset + all_inputs(len(weights)).astype(int) @ np.array(weights)


@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=5),
    st.lists(st.integers(-9, 9), min_size=60, max_size=60),
)
def test_telescope_computes_any_function_in_one_layer(weights: list[int], f: list[int]) -> None:
    b, _, form = start(weights)
    made = lemmas.telescope(b, form, lambda m: f[m + 25])
    assert (values(b, made) == np.array([f[m + 25] for m in plain(weights)])).all()
    assert b.depth(made) <= 1
    assert made.low <= values(b, made).min()
    assert made.high >= values(b, made).max()
    changes = sum(f[m + 25] != f[m + 24] for m in range(form.low + 1, form.high + 1))
    assert len(made.terms) == changes


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=4), st.integers(-6, 8))
def test_a_threshold_and_a_bit_are_one_gate(weights: list[int], m: int) -> None:
    b, bits, form = start([*weights, 0])
    made = lemmas.and_bit(b, form, m, bits[-1])
    expected = (plain([*weights, 0]) >= m) & all_inputs(len(weights) + 1)[:, -1]
    assert (values(b, made) == expected).all()


def test_too_small_a_weight_of_the_bit_is_wrong_just_above_the_least_value() -> None:
    """B = hi - m for hi - m + 1: the bit is not needed where the form is at its top."""
    b, bits, form = start([1, 1, 0])
    for m in (1, 2):
        bound = form.high - m
        gate = b.gate(form + bits[2] * bound, m + bound)
        right = (plain([1, 1, 0]) >= m) & all_inputs(3)[:, 2]
        assert (values(b, gate) != right).any()


@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=3),
    st.lists(st.integers(0, 3), min_size=1, max_size=3),
)
def test_ratio_is_the_clipped_floor(above: list[int], below: list[int]) -> None:
    b = Builder()
    bits = b.bits(len(above) + len(below))
    a = total(x * w for x, w in zip(bits, above, strict=False))
    over = total([1, *(x * w for x, w in zip(bits[len(above) :], below, strict=True))])
    made = lemmas.ratio(b, a, over, -2, 3)
    zeros = [0] * len(below)
    expected = plain([*above, *zeros]) // plain([0] * len(above) + below, 1)
    assert (values(b, made) == np.clip(expected, -2, 3)).all()


def test_ratio_refuses_a_divisor_that_may_be_zero() -> None:
    b, _, form = start([1, 1])
    with pytest.raises(ValueError, match="not above 0"):
        lemmas.ratio(b, form, form, 0, 1)
    with pytest.raises(ValueError, match="not above 0"):
        lemmas.root_ratio(b, form, form, 1, 1)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_root_ratio_is_the_floor_of_the_real_quotient(k: int) -> None:
    b = Builder()
    bits = b.bits(6)
    a = total([-4, *(x * w for x, w in zip(bits, (1, 2, 4), strict=False))])
    variance = total([1, *(x * w for x, w in zip(bits[3:], (1, 2, 5), strict=True))])
    made = lemmas.root_ratio(b, lemmas.telescope(b, a, lambda m: m * abs(m)), variance, k, 4)
    x = all_inputs(6).astype(int)
    top, below = x @ [1, 2, 4, 0, 0, 0] - 4, x @ [0, 0, 0, 1, 2, 5] + 1
    expected = [
        max(-4, min(4, isqrt(k * s * s // v) if s >= 0 else -isqrt(-(-k * s * s // v) - 1) - 1))
        for s, v in zip(top.tolist(), below.tolist(), strict=True)
    ]
    assert (values(b, made) == expected).all()


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=4),
    st.lists(st.integers(-3, 3), min_size=1, max_size=4),
)
def test_products_of_forms_are_one_layer(left: list[int], right: list[int]) -> None:
    b = Builder()
    bits = b.bits(max(len(left), len(right)))
    forms = [total(x * w for x, w in zip(bits, ws, strict=False)) for ws in (left, right)]
    made = lemmas.multiply(b, *forms)
    n = len(bits)
    pad = [ws + [0] * (n - len(ws)) for ws in (left, right)]
    assert (values(b, made) == plain(pad[0]) * plain(pad[1])).all()
    assert b.depth(made) <= 1


def test_a_form_or_an_input_is_no_output() -> None:
    """A dropped last layer leaves the value right, so only the kind of node can tell."""
    b, bits, form = start([1, 1])
    for wrong in (form, bits[0], b.gate(form, 1) + b.gate(form, 2)):
        with pytest.raises(ValueError, match="outputs must be gates"):
            b.finish([wrong])
