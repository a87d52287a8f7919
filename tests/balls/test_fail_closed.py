"""A ball that stopped saying anything (NaN, infinite) never looks certain again."""

import numpy as np
import pytest
from flint import arb

from varnum.balls import namespace as bp
from varnum.balls import questions
from varnum.balls.array import BallArray
from varnum.errors import InputError
from varnum.verdict import Unknown

WIDE = BallArray(arb(0, 1))
SOURCES = {
    "sqrt of a ball that touches negatives": lambda: bp.sqrt(BallArray(arb(0, 1e-30))),
    "sqrt of a negative": lambda: bp.sqrt(BallArray(-1)),
    "log of a ball that touches zero": lambda: bp.log(BallArray(arb(1, 1))),
    "log of zero": lambda: bp.log(BallArray(0)),
    "log1p at -1": lambda: bp.log1p(BallArray(-1)),
    "division by a ball around zero": lambda: 1 / WIDE,
    "division by zero": lambda: BallArray(1) / 0,
    "zero by zero": lambda: BallArray(0) / 0,
    "negative power around zero": lambda: WIDE**-2,
    "std of a constant": lambda: bp.std(BallArray([arb(1, 0.1), arb(1, 0.1)])),
    "undefined input": lambda: BallArray(arb("nan")),
    "infinite input": lambda: BallArray(arb("inf")),
    "unbounded input": lambda: BallArray(arb(0, float("inf"))),
}
THEN = {
    "+": lambda x: x + 1,
    "-": lambda x: x - x,
    "* 0": lambda x: x * 0,
    "0 *": lambda x: 0 * x,
    "/": lambda x: 1 / x,
    "0 /": lambda x: 0 / x,
    "neg": lambda x: -x,
    **{f"** {n}": lambda x, n=n: x**n for n in (-2, -1, 0, 1, 2, 3)},
    **{
        name: getattr(bp, name)
        for name in (
            "exp",
            "expm1",
            "log",
            "log1p",
            "sqrt",
            "tanh",
            "sin",
            "cos",
            "sinh",
            "cosh",
            "erf",
        )
    },
    **{name: getattr(bp, name) for name in ("abs", "square", "sum", "mean", "max")},
    "min": bp.min,
    "var": bp.var,
    "maximum": lambda x: bp.maximum(x, 10**9),
    "maximum 2": lambda x: bp.maximum(10**9, x),
    "minimum": lambda x: bp.minimum(x, -(10**9)),
    "clip": lambda x: bp.clip(x, -1, 1),
    "clip to it": lambda x: bp.clip(BallArray(0), x, x),
    "sum with others": lambda x: bp.sum(bp.stack([BallArray(1), x])),
    "max with others": lambda x: bp.max(bp.stack([BallArray(10**9), x])),
    "max with others 2": lambda x: bp.max(bp.stack([x, BallArray(10**9)])),
    "min with others": lambda x: bp.min(bp.stack([x, BallArray(-(10**9))])),
    "matmul with zeros": lambda x: bp.reshape(x, (1, 1)) @ bp.zeros((1, 1)),
    "large matmul with zeros": lambda x: bp.broadcast_to(x, (64, 64)) @ bp.zeros((64, 64)),
    "where": lambda x: bp.where(True, x, 0),
    "reshape": lambda x: bp.reshape(x, (1, 1)).mT,
    "again an array": lambda x: BallArray([x.item()]),
}


def _assert_says_nothing(x):
    assert not bp.isfinite(x).any()
    for other in (0, -(10**12), 10**12, x):
        assert not questions.certainly_less(x, other).any()
        assert not questions.certainly_less(other, x).any()
        assert not questions.certainly_at_most(x, other).any()
        assert not questions.certainly_at_most(other, x).any()
        assert questions.possibly_equal(x, other).all()
    with pytest.raises(ArithmeticError, match="unbounded"):
        questions.contains(x, 0)
    assert np.isnan(x.estimate()).all()
    assert np.isposinf(x.radius_upper()).all()
    low, high = x.bounds()
    assert np.isneginf(low).all()
    assert np.isposinf(high).all()
    assert (questions.certified_digits(x) == 0).all()
    row = bp.reshape(x, (-1,))
    assert isinstance(questions.argmax_certain(row), Unknown)
    beside = bp.concat([BallArray([10**9]), row])
    assert isinstance(questions.argmax_certain(beside), Unknown)
    assert isinstance(questions.raise_precision_until(lambda: x, 1, limit=128), Unknown)
    # the usual comparison with a reference must not pass either
    assert not (np.abs(x.estimate()) <= x.radius_upper() + 1e-10).any()


@pytest.mark.parametrize("source", SOURCES)
def test_sources_say_nothing(source):
    _assert_says_nothing(SOURCES[source]())


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("source", ["sqrt of a negative", "division by a ball around zero"])
def test_nothing_stays_nothing(source, then):
    _assert_says_nothing(THEN[then](SOURCES[source]()))


def test_every_function_that_computes_is_tried_above():
    names = {n for n, f in vars(bp).items() if callable(f) and f.__module__ == bp.__name__}
    names = {n for n in names if n[0] != "_"}
    move = "asarray astype broadcast_to concat expand_dims flip matrix_transpose moveaxis"
    move += (
        " permute_dims repeat squeeze stack take tile unstack full ones ones_like zeros zeros_like"
    )
    by_operator = "add subtract multiply divide negative pow matmul vecdot std"
    assert names - set(THEN) == {*move.split(), *by_operator.split(), "isdtype", "isfinite"}


@pytest.mark.parametrize("bad", [arb("nan"), arb(0, float("inf"))])
@pytest.mark.parametrize("size", [3, 64])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("factor", [0, 1])
def test_one_undefined_entry_undoes_its_row_or_column_of_a_product(bad, size, others, factor):
    """flint itself answers 0 for undefined times a large zero matrix."""
    entries = np.full((size, size), arb(others), dtype=object)
    entries[1, 2] = bad
    undefined, plain = BallArray(entries), BallArray(np.full((size, size), factor))
    says = bp.isfinite(undefined @ plain)
    assert says.any(axis=1).tolist() == [row != 1 for row in range(size)]
    says = bp.isfinite(plain @ undefined)
    assert says.any(axis=0).tolist() == [column != 2 for column in range(size)]


def test_overflow_is_no_infinity_that_compares():
    huge = bp.exp(bp.exp(BallArray([100, 10**6])))
    assert not questions.certainly_less(huge, 0).any()
    assert questions.certainly_at_most(0, huge).all() or not bp.isfinite(huge).all()
    assert np.isposinf(huge.bounds()[1]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "make", [float, lambda v: np.array([1.0, v]), lambda v: [[1, v]], np.float32]
)
def test_nan_and_infinity_are_refused_at_the_door(bad, make):
    with pytest.raises(InputError, match=r"(?i)nan|inf"):
        bp.asarray(make(bad))
    with pytest.raises(InputError, match=r"(?i)nan|inf"):
        BallArray([1, 2]) + np.asarray(make(bad))
