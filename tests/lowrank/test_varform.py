"""Small scales done at once have the bound and the output of scales done one by one."""

import numpy as np
import pytest

from tests.support.backends import BACKENDS, placed
from tests.support.oracle import softmax
from varnum.errors import InputError
from varnum.floats.norms import farthest
from varnum.floats.softmax_error import exact_error
from varnum.lowrank.scales import attend_scales
from varnum.lowrank.stream import VarAttention
from varnum.verdict import Unknown

SCALES = (2, 3, 4)
ANY = 1e9  # a target that every bound meets


def draw(scales=SCALES, seed=0):
    rng = np.random.default_rng(seed)
    count = sum(scales)
    return [rng.standard_normal((count, width)).astype(np.float32) for width in (5, 5, 2)]


def one_by_one(q, k, v, scales, sigma, target=ANY):
    work, start = VarAttention(sigma, target), 0
    work.choice = Unknown("exact throughout")
    for end in np.cumsum(scales):
        work.step(q[start:end], k[start:end], v[start:end])
        start = end
    return work.outcome.certified


def change(q, k, v, which):
    if which == "narrow first":
        v[: SCALES[0]] = v[: SCALES[0]] * np.float32(1e-3) + 1000
    if which == "constant, then not":
        v[SCALES[0] :] = [5, -5]
    if which == "constant below":
        v[SCALES[0] :] = [-5, 5]
    if which == "late query":
        q[-1] *= 300
    if which == "late key":
        k[-1] *= 300
    if which == "early key":
        k[0] *= 300


CHANGES = (
    "nothing", "narrow first", "constant, then not", "constant below", "late query", "late key",
    "early key",
)  # fmt: skip


@pytest.mark.parametrize("sigma", [0.01, 2.0])
@pytest.mark.parametrize("which", CHANGES)
@pytest.mark.parametrize("scales", [SCALES, (1, 1, 200, 300), (2, 3, 600)])
def test_the_common_bound_is_not_below_any_of_its_scales(which, scales, sigma):
    q, k, v = draw(scales)
    change(q, k, v, which)
    out, outcome = attend_scales(q, k, v, scales, sigma, ANY, low_rank=False)
    assert outcome.certified >= one_by_one(q, k, v, scales, sigma) > 0
    assert outcome.rows == outcome.exact == sum(scales)
    if sigma == 2.0:
        exact = softmax(q, k, v, sigma, scales)
        start = 0
        for end in np.cumsum(scales):
            spread = np.ptp(v[:end].astype(np.longdouble), axis=0)
            off = np.abs(out[start:end] - exact[start:end])
            assert (off <= outcome.certified * spread).all()
            assert (off <= 1e-3 * (spread + 0.1)).all()
            start = end


def test_a_bound_that_misses_the_target_is_left_to_float64():
    """Long keys: float32 alone is off by more than the target."""
    q, k, v = draw()
    change(q, k, v, "late key")
    _, outcome = attend_scales(q, k, v, SCALES, 2.0, 1e-6)
    assert outcome.certified == one_by_one(q, k, v, SCALES, 2.0, 1e-6)
    assert outcome.certified < one_by_one(q, k, v, SCALES, 2.0) / 3


def test_a_column_that_is_constant_so_far_comes_out_exactly():
    q, k, v = draw((3, 30, 60))
    v[:33, 0] = np.float32(7.1)
    out, _ = attend_scales(q, k, v, (3, 30, 60), 2.0, ANY)
    assert (out[:33, 0] == np.float32(7.1)).all()
    assert (out[33:, 0] != np.float32(7.1)).all()


def test_an_early_long_key_counts_for_late_long_queries():
    q, k, v = draw()
    q[:2] *= np.float32(1e-3)
    change(q, k, v, "early key")
    far_q, far_k = (np.linalg.norm(part.astype(float), axis=1).max() for part in (q, k))
    assert one_by_one(q, k, v, SCALES, 2.0) >= exact_error(far_q / 2, far_k, 1, 0.5, 5, q)


@pytest.mark.parametrize("size", [1.0, 1e-25, 3e-40])
def test_a_norm_is_not_below_the_exact_one(size):
    array = (np.random.default_rng(1).standard_normal((9, 40)) * size).astype(np.float32)
    assert farthest(array) >= np.linalg.norm(array.astype(np.longdouble), axis=1).max()


def test_rows_whose_bound_is_no_number_are_done_exactly():
    """Squares of these queries overflow: nan, which no comparison with the target may let pass."""
    rng = np.random.default_rng(3)
    q, k, v = (rng.standard_normal((600, 3)).astype(np.float32) / 4 for _ in range(3))
    work = VarAttention(2.0, 1e-2)
    work.step(q, k, v)
    assert work.state is not None
    before = work.outcome.exact
    assert before < 600
    work.step(q[:7] * np.float32(1e25), k[:7], v[:7])
    assert work.outcome.exact == before + 7
    assert not work.outcome.certified <= 1e-2


TOKENS = np.ones((3, 2), np.float32)
WRONG = {
    "sigma: 0.0 is not allowed": ({"sigma": 0.0}, []),
    "sigma: 'sqrt' is not allowed": ({"sigma": "sqrt"}, []),
    "target: nan is not allowed": ({"target": float("nan")}, []),
    "target: -1 is not allowed": ({"target": -1}, []),
    "q: holds nan or inf": ({}, [(TOKENS * np.nan, TOKENS, TOKENS)]),
    "v: holds nan or inf": ({}, [(TOKENS,) * 3, (TOKENS, TOKENS, TOKENS * np.inf)]),
    "k: head dimension 1": ({}, [(TOKENS, TOKENS[:, :1], TOKENS)]),
    "v: 2 tokens, but k has 3": ({}, [(TOKENS, TOKENS, TOKENS[:2])]),
    "q: dtype int64 is not allowed": ({}, [(TOKENS.astype(int),) * 3]),
    "q: shape": ({}, [(TOKENS[0],) * 3]),
    "q: float32 of shape": ({}, [(TOKENS[None],) * 3]),
    "q: float16 of shape": ({}, [(TOKENS.astype(np.float16),) * 3]),
    "differ from earlier scales": ({}, [(TOKENS,) * 3, (TOKENS.astype(float),) * 3]),
    "overflow float32": ({}, [(TOKENS * np.float32(1e30),) * 3]),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_step_refuses_what_it_cannot_certify(message):
    options, steps = WRONG[message]

    def attempt():
        work = VarAttention(**{"sigma": 4.0, "target": 1e-2, **options})
        for step in steps:
            work.step(*step)

    with pytest.raises(InputError, match=message) as caught:
        attempt()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_offset_of_the_values_changes_nothing(backend, dtype):
    """V, V + 100 and V + 1000: the same rows are certified, and the output moves with them."""
    rng = np.random.default_rng(0)
    q, k = ((rng.standard_normal((1300, 12)) * 0.6 ** np.arange(12)).astype(dtype) for _ in "qk")
    v = (rng.integers(-(2**11), 2**11, (1300, 3)) / 2**10).astype(dtype)  # V + 1000 is exact
    v[:, 2] = 7
    found = []
    for offset in (0, 100, 1000, -1000):
        moved = v + dtype(offset)
        given = placed(backend, q, k, moved)
        for scales in (None, (1, 30, 600, 669)):
            out, outcome = attend_scales(*given, scales, 3.4, 1e-2)
            out = np.asarray(out).astype(np.longdouble)
            assert (out[:, 2] == 7 + offset).all()
            found.append((outcome.exact, out - offset))
            assert outcome.certified <= 1e-2
            if scales is None:
                some = slice(None, None, 13)
                logits = q[some].astype(np.longdouble) @ k.T.astype(np.longdouble) / 3.4
                weights = np.exp(logits)
                exact = weights @ moved / weights.sum(1, keepdims=True)
                assert (
                    abs(out[some] - exact)[:, :2] <= outcome.certified * np.ptp(v[:, :2], 0)
                ).all()
    for i in (0, 1):
        for exact, out in found[i::2]:
            assert exact < 650
            assert abs(exact - found[i][0]) <= 1  # v + 1000 is rounded: a row may stand at the edge
            assert abs(out - found[i][1]).max() < 1e-2


def test_steps_take_the_offset_of_their_first_values():
    q, k, v = draw((1, 600, 700), seed=4)
    q, k, v = q / 4, k / 4, v + np.float32(1000)
    work, start = VarAttention(2.0, 1e-2), 0
    outs = []
    for end in (1, 601, 1301):
        outs.append(work.step(q[start:end], k[start:end], v[start:end]))
        start = end
    exact = softmax(q, k, v, 2.0, (1, 600, 700))
    spread = np.ptp(v[:601].astype(np.longdouble), axis=0)
    off = abs(np.vstack(outs) - exact)
    assert (off[0] == 0).all()
    assert (off <= work.outcome.certified * spread).all()
    assert work.outcome.certified <= 1e-2
    assert work.outcome.exact < 130  # of 1300


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("seed", range(5))
def test_what_an_offset_costs(seed, size):
    """v - c and its range are what `cost` says they are, against exact differences."""
    from fractions import Fraction

    from varnum.floats.values import Offset, ValueRange

    rng = np.random.default_rng(seed)
    v = (rng.standard_normal((7, 1)) * size + rng.uniform(0.5, 2)).astype(np.float32)
    offset = Offset.of(v)
    if size == 1.0 and offset is None:
        return
    shifted = v - offset.vector
    values = [Fraction(float(x)) for x in v[:, 0]]
    spread = max(values) - min(values)
    if not spread:
        assert offset.cost(ValueRange.of(shifted)) < 1e-6
        return
    claimed = Fraction(offset.cost(ValueRange.of(shifted)))
    worst = Fraction(0)
    for weights in rng.dirichlet(np.ones(7), 50):
        p = [Fraction(float(w)) for w in weights]
        total = sum(p)
        inner = sum(w * Fraction(float(x)) for w, x in zip(p, shifted[:, 0], strict=True)) / total
        exact = sum(w * x for w, x in zip(p, values, strict=True)) / total
        found = Fraction(float(np.float32(float(inner)) + offset.vector[0]))
        rounding = abs(Fraction(float(np.float32(float(inner)))) - inner)
        worst = max(worst, abs(found - exact) - rounding)
    assert worst <= claimed * spread
    assert claimed * spread <= 2.0**-24 * 8
