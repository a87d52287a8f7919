"""Views, groups and settings: every row within its bound, against long double."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.oracle import softmax
from varnum.floats.values import ValueRange
from varnum.lowrank.problem import Problem, Target
from varnum.lowrank.recovery import recovery_state, view_attention
from varnum.lowrank.recovery.groups import nearest
from varnum.lowrank.recovery.recovery_method import RECOVERY, RecoveryFit
from varnum.lowrank.recovery.recovery_settings import fixed
from varnum.lowrank.recovery.recovery_state import Open, RecoveryState
from varnum.verdict import Unknown

LONG = np.longdouble


def head(count, seed=0, size=1.0, d=6, dtype=np.float32):
    """Correlated tokens, values that depend on the keys, one column far from 0."""
    rng = np.random.default_rng(seed)
    q, k = (rng.standard_normal((count, d)) * size * 0.6 ** np.arange(d) + 0.2 for _ in "qk")
    v = k @ rng.standard_normal((d, 3)) + np.array([0, 50, 0])
    return tuple(part.astype(dtype) for part in (q, k, v))


def worst(output, q, k, v, view, sigma=1.0):
    """Largest error over the range of what each row sees."""
    ends = np.cumsum(view)
    largest, start = 0.0, 0
    for end in ends:
        seen = v[:end].astype(LONG)
        spread = np.ptp(seen, axis=0)
        if spread.min() > 0:
            off = abs(output[start:end] - softmax(q[start:end], k[:end], v[:end], sigma)) / spread
            largest = max(largest, float(off.max()))
        start = end
    return largest


VIEWS = {
    "causal": (1,) * 900,
    "blocks of 30": (30,) * 30,
    "pyramid": (1, 4, 16, 64, 256, 559),
    "one": (900,),
    "uneven": (100, 450, 3, 3, 344),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_keep_the_target(name):
    q, k, v = head(900, size=0.7)
    view = VIEWS[name]
    made = RECOVERY.fit(Problem(q, k, v, 1.0, Target("output", 1e-2), view))
    assert isinstance(made, RecoveryFit)
    answer = made.answer()
    assert worst(answer.output, q, k, v, view) <= answer.output_error <= 1e-2
    assert answer.rows_exact < 600  # the state answers the others


def test_missed_rows_of_small_scales_run_exactly():
    q, k, v = head(900, size=0.7)
    view = VIEWS["blocks of 30"]
    asked = Problem(q, k, v, 1.0, Target("output", 1e-2), view)
    answer = view_attention.attend_view(asked, fixed(q, k, v, 1.0), None)
    assert 510 < answer.rows_exact < 900  # beyond the first 510, which never ask the state
    assert worst(answer.output, q, k, v, view) <= answer.output_error <= 1e-2


@pytest.mark.parametrize("groups", [2, 5])
def test_groups_keep_their_bounds_and_help_steep_heads(groups):
    q, k, v = head(600, 1, 1.5)
    exact = softmax(q, k, v, 1.0)
    medians = []
    for count in (1, groups):
        made = fixed(q, k, v, 1.0, groups=count, block=64).state()
        made.add(k[:250], v[:250])
        made.add(k[250:], v[250:])
        out, error = made.attend(q)
        true = (abs(out - exact) / np.ptp(v.astype(LONG), axis=0)).max(1)
        sure = np.isfinite(error)
        assert (true[sure] <= error[sure]).all()
        medians.append(np.median(error))
    assert medians[1] < medians[0]


def open_block(seed=0):
    """A state of 200 keys and an open block of 40 that rows see in part."""
    q, k, v = head(240, seed, dtype=np.float64)
    v[-1] += 1000  # a key that only the last row sees
    made = RecoveryState(fixed(q, k, v, 1.0).lenses[0], 50, (2,), v.mean(0))
    made.add(k[:200], v[:200])
    ends = 1 + np.arange(40)
    seen = ValueRange.running(v[200:], ends, ValueRange.of(v[:200]))
    out, error = made.attend(q[200:], seen, Open(k[200:], v[200:], ends))
    spread = (seen.high - seen.low).astype(LONG)
    exact = np.array(
        [softmax(q[i : i + 1], k[: i + 1], v[: i + 1], 1.0)[0] for i in range(200, 240)]
    )
    return (abs(out - exact) / spread).max(1), error


def test_an_open_block_is_weighed_exactly():
    true, error = open_block()
    assert (true <= error).all()


def test_an_open_block_that_rows_see_whole_is_noticed(monkeypatch):
    """Rows that see keys that come after them."""
    monkeypatch.setattr(recovery_state, "beside", lambda mask, like: np.zeros_like(mask))
    true, error = open_block()
    assert (true > error).any()


def partly_open(seed):
    """Largest ratio of error to bound where a few keys are in the state and a few are not."""
    rng = np.random.default_rng(seed)
    q, k = rng.standard_normal((6, 1)) * 2, rng.standard_normal((5, 1)) * 2
    v = rng.choice([-1.0, 1.0], (5, 1))
    v[0] = -v[1]
    made = RecoveryState(fixed(q, k[:2], v, 1.0).lenses[0], 2, (), v.mean(0))
    made.add(k[:2], v[:2])
    out, error = made.attend(q, ValueRange.of(v), Open(k[2:], v[2:], np.full(6, 3)))
    return float((abs(out - softmax(q, k, v, 1.0)).max(1) / 2 / np.maximum(error, 1e-300)).max())


def test_few_keys_partly_open(monkeypatch):
    assert 0.3 < max(partly_open(seed) for seed in range(150)) <= 1
    plain = recovery_state._Weighed.of

    def heavier(self, *given):
        found, slip, mass = plain(self, *given)
        return found, slip, 3 * mass

    monkeypatch.setattr(recovery_state._Weighed, "of", heavier)
    assert max(partly_open(seed) for seed in range(150)) > 1


def test_each_row_has_the_bound_of_its_group():
    q, k, v = head(300, 4)
    made = fixed(q, k, v, 1.0, groups=3, block=64).state()
    made.add(k, v)
    out, error = made.attend(q)
    owners = nearest(made.first, made.centres, q)
    for index, alone in enumerate(made.states):
        mine = owners == index
        other, bound = alone.attend(q[mine])
        assert np.allclose(out[mine], other, atol=1e-4)
        assert np.allclose(error[mine], bound, rtol=1e-3)


def test_rows_that_miss_run_exactly(monkeypatch):
    q, k, v = head(700, 2, 0.7)
    problem = Problem(q, k, v, 1.0, Target("output", 3e-3))
    answer = view_attention.attend_view(problem, fixed(q, k, v, 1.0, block=700), None)
    assert 0 < answer.rows_exact < 700
    assert worst(answer.output, q, k, v, (700,)) <= answer.output_error <= 3e-3
    monkeypatch.setattr(view_attention._Run, "_repair", lambda *_: None)
    answer = view_attention.attend_view(problem, fixed(q, k, v, 1.0, block=700), None)
    assert worst(answer.output, q, k, v, (700,)) > answer.output_error


def test_both_ways_to_the_block_norms_bound_the_same():
    q, k, v = head(600, 3)
    for block, tops in ((20, ()), (600, (3, 2))):
        one, other = (
            fixed(q, k, v, 1.0, block=block, tops=tops, sharp=sharp).state()
            for sharp in (True, False)
        )
        for made in (one, other):
            made.add(k, v)
        (a, sharp), (b, blunt) = one.attend(q), other.attend(q)
        assert abs(a - b).max() < 1e-4
        assert (sharp <= blunt * 1.01).all()
        assert np.median(blunt / sharp) < 1.5


@pytest.mark.parametrize(
    ("count", "said"), [(900, "sums over the keys take as long"), (4000, "the median row would")]
)
def test_where_it_cannot_pay_the_estimate_says_so(count, said):
    q, k, v = head(count, 0, 30.0)
    problem = Problem(q, k, v, 1.0, Target("output", 1e-3), seconds=1.0)
    found = RECOVERY.fit(problem)
    assert isinstance(found, Unknown)
    assert said in found.reason


def test_torch_and_numpy_agree():
    torch = pytest.importorskip("torch")
    q, k, v = head(700)
    made = [fixed(*part, 1.0, groups=3, block=40, tops=(2, 1)).state()
            for part in ((q, k, v), [torch.tensor(x) for x in (q, k, v)])]  # fmt: skip
    made[0].add(k, v)
    made[1].add(torch.tensor(k), torch.tensor(v))
    a, error = made[0].attend(q)
    b, other = made[1].attend(torch.tensor(q))
    assert abs(a - b.numpy()).max() < 1e-3
    assert np.allclose(error, other, rtol=1e-2)


def test_keys_that_wait_for_a_full_block_count():
    q, k, v = head(300, 5, 0.5, dtype=np.float64)
    made = fixed(q, k, v, 1.0, block=1000).state()
    for part in (slice(0, 200), slice(200, 300)):
        made.add(k[part], v[part])
    out, error = made.attend(q)
    true = (abs(out - softmax(q, k, v, 1.0)) / np.ptp(v, axis=0)).max(1)
    assert (true <= error).all()
    assert np.median(error) < 0.2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_first_scales_see_little_of_the_range_and_pay_for_values_far_from_0(dtype):
    """Values 1000 + small: what is taken from them costs the rows of a small range most."""
    q, k, v = head(100, 3, dtype=dtype)
    v[:, :] = 1000 + np.arange(100)[:, None] ** 3 * dtype(1e-4)
    view = (1, 1, 1) + (1,) * 97
    answer = RECOVERY.fit(Problem(q, k, v, 1.0, Target("output", 1e-2), view)).answer()
    assert worst(answer.output, q, k, v, view) <= answer.output_error


def test_images_of_one_size_do_not_meet_a_block_at_the_same_place():
    q, k, v = head(25, 3, 0.7)
    rng = np.random.default_rng(0)
    q, k, v = (
        np.tile(part, (80, 1)) + 0.05 * rng.standard_normal((2000, part.shape[1]))
        for part in (q, k, v)
    )
    order = rng.permutation(2000)
    medians = []
    for keys, values in ((k, v), (k[order], v[order])):
        made = fixed(q, k, v, 1.0, block=16).state()  # 125 blocks would be 5 places each
        made.add(keys, values)
        medians.append(float(np.median(made.attend(q[:200])[1])))
    assert 0.7 < medians[0] / medians[1] < 1.4
