import copy
import math
import operator
from fractions import Fraction
from functools import partial

import array_api_compat
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from varnum.balls import namespace as bp
from varnum.balls.array import BallArray, ball_dtype
from varnum.balls.questions import contains
from varnum.balls.scalar import precision
from varnum.errors import InputError

X = BallArray([[1, Fraction(1, 3)], [0.5, arb(2, 0.25)]])


def test_array_api_compat_finds_the_namespace():
    assert array_api_compat.array_namespace(X) is bp
    assert array_api_compat.array_namespace(X, X * 2, 3) is bp
    assert array_api_compat.is_array_api_obj(X)
    assert array_api_compat.device(X) == "cpu"
    assert array_api_compat.size(X) == 4
    assert X.to_device("cpu") is X
    with pytest.raises(ValueError, match="cpu"):
        X.to_device("cuda")
    with pytest.raises(TypeError, match="Multiple namespaces"):
        array_api_compat.array_namespace(X, np.ones(2))


def test_attributes():
    assert (X.shape, X.ndim, X.size, len(X), X.dtype) == ((2, 2), 2, 4, 2, ball_dtype)
    assert BallArray(3).shape == ()
    assert X[0, 0].shape == ()
    assert X.T.shape == bp.zeros((2, 2)).shape
    assert bp.zeros((3, 4, 5)).mT.shape == (3, 5, 4)
    with pytest.raises(ValueError, match="two axes"):
        _ = bp.zeros((3, 4, 5)).T
    assert "0.333333 +/-" in repr(X)
    assert [row.shape for row in X] == [(2,), (2,)]


@given(
    hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint64, np.int8]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
def test_numpy_arrays_come_in_exactly(array):
    x = bp.asarray(array)
    assert x.shape == array.shape
    exact = [Fraction(v) for v in array.ravel().tolist()]
    assert [Fraction(int(b.fmpq().p), int(b.fmpq().q)) for b in x.entries()] == exact
    assert all(b.is_exact() for b in x.entries())


@pytest.mark.parametrize(
    "value",
    [
        [1, "x"],
        [1, None],
        [True, 2],
        [[1], [1, 2]],
        np.array(["1"]),
        np.array([1j]),
        np.array([1], dtype="datetime64[s]"),
        np.ones(2, dtype=np.longdouble),
        [np.longdouble(1)],
        np.array([True]),
        {"a": 1},
        1j,
        True,
    ],
)
def test_what_is_no_exact_number_is_refused(value):
    with pytest.raises(InputError, match=r"allowed|expected|not a decimal"):
        BallArray(value)


def test_decimal_strings_and_mixed_lists():
    assert contains(
        BallArray(["0.1", 2**70 + 1, Fraction(2, 3)]), [Fraction(1, 10), 2**70 + 1, Fraction(2, 3)]
    ).all()


def test_dtypes_of_the_namespace():
    mask = np.array([True, False])
    assert bp.asarray(mask) is mask
    assert bp.asarray([1, 0], dtype=bp.bool).dtype == np.bool_
    assert bp.asarray([1, 0], dtype=bp.int64).dtype == np.int64
    assert contains(bp.astype(mask, bp.ball), [1, 0]).all()
    assert bp.full((2,), 3, dtype=bp.int64).tolist() == [3, 3]
    assert bp.full((2, 3), Fraction(1, 3)).shape == (2, 3)
    for dtype in (np.float64, np.float32, np.complex128):
        with pytest.raises(TypeError, match="dtypes ball"):
            bp.asarray([1.0], dtype=dtype)
    with pytest.raises(TypeError, match="bounds"):
        bp.asarray(X, dtype=bp.int64)
    assert bp.isdtype(X.dtype, "real floating")
    assert bp.isdtype(X.dtype, ("bool", "numeric"))
    assert not bp.isdtype(X.dtype, "integral")
    assert bp.isdtype(bp.int64, "integral")
    assert not bp.isdtype(bp.int64, "real floating")
    assert bp.isdtype(bp.bool, "bool")
    assert bp.asarray(X) is X


REFUSED = {
    **{
        op.__name__: partial(op, X, 1)
        for op in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
    },
    "other side": lambda: X > 1,
    "numpy other side": lambda: np.ones((2, 2)) < X,
    "numpy equal": lambda: np.ones((2, 2)) == X,
    "ball equal": lambda: X == X,
    "is none": lambda: X == None,  # noqa: E711
    "bool": lambda: bool(X[0, 0]),
    "if": lambda: 1 if X[0, 0] else 2,
    "and": lambda: X[0, 0] and 1,
    "not": lambda: not X[0, 0],
    "any": lambda: any(X[0]),
    "all": lambda: all(X[0]),
    "float": lambda: float(X[0, 0]),
    "int": lambda: int(X[0, 0]),
    "complex": lambda: complex(X[0, 0]),
    "index": lambda: [1, 2][X[0, 0]],
    "range": lambda: range(X[0, 0]),
    "math": lambda: math.exp(X[0, 0]),
    "python max": lambda: max(X[0]),
    "sorted": lambda: sorted(X[0]),
    "in": lambda: 1 in X,
    "setitem": lambda: operator.setitem(X, 0, 1),
    "array": lambda: np.asarray(X),
    "array of arrays": lambda: np.array([X, X]),
    "float array": lambda: np.array(X[0, 0], dtype=float),
    "list of arrays": lambda: BallArray([X[0], X[1]]),
    "numpy.exp": lambda: np.exp(X),
    "numpy.maximum": lambda: np.maximum(X, 1),
    "numpy.add.reduce": lambda: np.add.reduce(X),
    "numpy.add out": lambda: np.add(np.ones(1), X[0, 0], out=np.ones(1)),
    "numpy.max": lambda: np.max(X),
    "numpy.clip": lambda: np.clip(X, 0, 1),
    "numpy.where": lambda: np.where(X, 0, 1),
    "numpy.concatenate": lambda: np.concatenate([X, X]),
    "numpy.isfinite": lambda: np.isfinite(X),
    "numpy.allclose": lambda: np.allclose(X, 1),
    "numpy iadd": lambda: operator.iadd(np.ones((2, 2)), X),
    "ball index": lambda: X[X[0, 0]],
    "ball slice": lambda: X[: X[0, 0]],
    "numpy index": lambda: np.ones(3)[X[0, 0]],
    "take": lambda: bp.take(X, X[0]),
    "where on balls": lambda: bp.where(X, X, 0),
    "where on a list": lambda: bp.where([True], X, 0),
    "where on ints": lambda: bp.where(np.array([1, 0]), X, 0),
    "where on objects": lambda: bp.where(np.array([True, False], dtype=object), X, 0),
    "pow ball": lambda: X**X,
    "pow float": lambda: X**0.5,
    "pow fraction": lambda: X ** Fraction(1, 2),
    "pow bool": lambda: X**True,
    "rpow": lambda: 2**X,
    "hash": lambda: hash(X),
    "iterate a number": lambda: list(X[0, 0]),
    "len of a number": lambda: len(X[0, 0]),
    "add list": lambda: operator.add(X, [1, 2]),
    "add str": lambda: X + "1",
    "add bool": lambda: X + True,
    **{
        name: partial(getattr(bp, name), X)
        for name in (
            *("argmax", "argmin", "sort", "argsort", "nonzero", "sign", "any", "all"),
            *("floor", "ceil", "round", "trunc"),
        )
    },
    **{
        name: partial(getattr(bp, name), X, 1)
        for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
    },
}
# Refused by Python itself, so the message is Python's.
PLAIN = {
    "hash",
    "len of a number",
    "add list",
    "add str",
    "add bool",
    "iterate a number",
    "pow bool",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_way_out(name):
    with pytest.raises(TypeError) as caught:
        REFUSED[name]()
    if name not in PLAIN:
        ways = "certainly_|bounds|namespace|concat|argmax_certain|contains|int arrays|sqrt|exp"
        assert any(way in str(caught.value) for way in ways.split("|")), caught.value


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no 'einsum'"):
        _ = bp.einsum
    assert not hasattr(X, "sort")


def test_arrays_never_change():
    x = BallArray([1, 2, 3])
    before = x.estimate().tolist()
    y = x
    y += 1
    for alias in (x[1:], bp.reshape(x, (3, 1)), x.T if x.ndim == 2 else x):
        with pytest.raises(TypeError, match="where, concat"):
            alias[0] = 5
        with pytest.raises(ValueError, match="read-only"):
            alias._balls[...] = arb(5)
    source = np.array([1.0, 2.0])
    z = BallArray(source)
    source[0] = 9
    assert z.estimate().tolist() == [1, 2]
    assert x.estimate().tolist() == before
    assert y.estimate().tolist() == [2, 3, 4]
    assert copy.copy(x).estimate().tolist() == before


def test_arithmetic_takes_scalars_and_numpy_on_both_sides():
    x = BallArray([3, 5])
    for other in (
        2,
        2.0,
        Fraction(2),
        np.float64(2),
        np.float32(2),
        np.int64(2),
        np.array([2, 2]),
        arb(2),
    ):
        for op in (operator.add, operator.sub, operator.mul, operator.truediv):
            for left, right in ((x, other), (other, x)):
                result = op(left, right)
                assert isinstance(result, BallArray)
                exact = [
                    op(Fraction(3 if left is x else 2), Fraction(2 if left is x else 3)),
                    op(Fraction(5 if left is x else 2), Fraction(2 if left is x else 5)),
                ]
                assert contains(result, exact).all()
    assert (np.eye(2) @ x).estimate().tolist() == [3, 5]
    assert (x @ np.eye(2)).estimate().tolist() == [3, 5]
    assert sum(x).estimate() == 8


def test_shapes_that_do_not_fit_are_errors():
    for wrong in (
        lambda: X + np.ones(3),
        lambda: X @ np.ones((3, 2)),
        lambda: X @ BallArray(2),
        lambda: bp.reshape(X, (3,)),
        lambda: bp.max(bp.zeros((2, 0)), axis=1),
        lambda: bp.zeros((2, 1, 3)) @ bp.zeros((3, 3, 2)),
    ):
        with pytest.raises(ValueError):  # noqa: PT011  NumPy's own words
            wrong()
    for wrong in (lambda: X[5], lambda: bp.sum(X, axis=2), lambda: bp.take(X, [7], axis=0)):
        with pytest.raises(IndexError):
            wrong()


def test_each_operation_uses_the_precision_in_force():
    x = BallArray([1, 2]) / 3
    with precision(200):
        y = BallArray([1, 2]) / 3
    assert (y.radius_upper() < x.radius_upper() * 1e-30).all()
    assert ctx.prec == 53


def test_sums_over_nothing():
    assert bp.sum(bp.zeros((2, 0)), axis=1).estimate().tolist() == [0, 0]
    assert bp.sum(bp.zeros((0,))).estimate() == 0
    assert bp.max(bp.zeros((0, 3)), axis=1).shape == (0,)
    assert not bp.isfinite(bp.mean(bp.zeros((0,))))


def test_variance_with_a_correction():
    x = BallArray([[1, 2, 6]])
    assert contains(bp.var(x, axis=1, correction=1), [7]).all()
    assert contains(bp.mean(x, axis=np.int64(1)), [3]).all()
    for correction in (3, 4):  # nothing left to divide by
        assert not bp.isfinite(bp.var(x, axis=1, correction=correction)).any()


def test_item_and_entries_hand_over_balls():
    assert X[0, 0].item() == arb(1)
    assert len(X.entries()) == 4
    with pytest.raises(ValueError, match="size 1"):
        X.item()
