"""seth-head and ov-head: exhaustive, at the limit, in balls, and false versions that fail."""

import itertools
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from varnum.balls.scalar import arb, ball, certainly_less, precision
from varnum.errors import InputError
from varnum.floats.softmax_error import softmax_head_error
from varnum.hardness.decide import evaluate_exact, inject, rows_with_partner
from varnum.hardness.head import Head, ov_head, seth_head
from varnum.hardness.reduce import ov_to_hamming

LIMIT = Fraction("0.1249")


def balls_output(head: Head, row: int):
    """The exact output of a row in balls: the definition, nothing shared with the evaluation."""
    dots = head.keys.astype(int) @ head.queries[row].astype(int)
    weights = [(ball(head.rate) * int(x)).exp() for x in dots]
    return sum(weights[:-1], arb(0)) / sum(weights, arb(0))


def words(m):
    return [np.array(bits, np.int8) for bits in itertools.product((-1, 1), repeat=m)]


def distances(x, y):
    return (x[:, None, :] != y[None]).sum(axis=2)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)])
def test_seth_head_is_right_on_every_small_instance(n, m):
    assert_all_right(
        n, m, itertools.product(itertools.combinations_with_replacement(words(m), n), repeat=2)
    )


def test_seth_head_is_right_on_every_instance_with_two_words_of_three_bits():
    assert_all_right(
        2, 3, itertools.product(itertools.combinations_with_replacement(words(3), 2), repeat=2)
    )


def assert_all_right(n, m, sides):
    """Every instance up to the order of words, every t < t' <= m, error 0.1249, all rows."""
    seen = 0
    for x, y in ((np.array(a), np.array(b)) for a, b in sides):
        nearest = distances(x, y).min(axis=1)
        for t, far in itertools.combinations(range(m + 1), 2):
            outputs = evaluate_exact(seth_head(x, y, t, far))
            moved = inject(outputs, LIMIT)
            flagged = np.isin(np.arange(n), rows_with_partner(moved))
            assert flagged[nearest <= t].all()
            assert not flagged[nearest >= far].any()
            bound = float(outputs.error)
            assert (outputs.values[nearest <= t] >= 0.5 - bound).all()
            assert (outputs.values[nearest >= far] <= 0.25 + bound).all()
            seen += 1
    assert seen > 0


def test_outputs_and_rounding_bound_against_balls():
    rng = np.random.default_rng(0)
    for m, n in ((1, 1), (7, 3), (40, 30), (300, 5)):
        x, y = (rng.choice([-1, 1], (n, m)).astype(np.int8) for _ in "xy")
        t = int(rng.integers(0, m))
        head = seth_head(x, y, t, t + 1, Fraction(7, 3))
        outputs = evaluate_exact(head)
        with precision(200):
            for row in range(n):
                exact = balls_output(head, row)
                assert certainly_less(
                    abs(ball(Fraction(outputs.values[row])) - exact), outputs.error
                )
    assert outputs.error < Fraction(1, 10**8)


def test_the_two_ends_are_attained():
    # one key exactly at t: output 1/2; all n keys exactly at t': output 1/4.
    near = seth_head(np.ones((1, 4), np.int8), np.array([[1, 1, 1, -1]], np.int8), 1, 2)
    far = seth_head(np.ones((1, 4), np.int8), np.array([[1, 1, -1, -1]] * 3, np.int8), 1, 2)
    with precision(200):
        assert abs(2 * balls_output(near, 0) - 1) < 1e-12
        assert abs(4 * balls_output(far, 0) - 1) < 1e-12


def test_slightly_false_versions_fail():
    far = np.array([[1, 1, -1, -1]] * 3, np.int8)
    head = seth_head(np.ones((1, 4), np.int8), far, 1, 2)
    weak = Head(head.claim, head.queries, head.keys, head.s * 0.97, head.sigma, head.width)
    with precision(100):  # 6 % less rate: the output of a row without partner exceeds 1/4
        assert certainly_less(Fraction(1, 4), balls_output(weak, 0))
    with pytest.raises(InputError, match="below 1/8"):
        rows_with_partner(inject(evaluate_exact(head), Fraction(1, 8)))
    moved = inject(evaluate_exact(head), Fraction("0.1251"))
    assert moved.values[0] > 0.375  # a wrong verdict, were it not refused


def test_injected_error_pushes_every_row_towards_the_threshold():
    rng = np.random.default_rng(1)
    head = seth_head(*(rng.choice([-1, 1], (20, 6)).astype(np.int8) for _ in "xy"), 2, 3)
    plain, moved = evaluate_exact(head), inject(evaluate_exact(head), LIMIT)
    step = np.abs(moved.values - plain.values)
    np.testing.assert_allclose(step, 0.1249, rtol=1e-12)
    assert (np.abs(moved.values - 0.375) < np.abs(plain.values - 0.375)).all()
    assert moved.error >= plain.error + LIMIT


@pytest.mark.parametrize("m", [1, 2])
def test_ov_head_and_the_hamming_identity_on_every_small_instance(m):
    bits = [np.array(b, np.int8) for b in itertools.product((0, 1), repeat=m)]
    for u, v in itertools.product(itertools.product(bits, repeat=2), repeat=2):
        u, v = np.array(u), np.array(v)
        common = u.astype(int) @ v.T.astype(int)
        a, b, near = ov_to_hamming(u, v)
        assert (distances(a, b) == near + 2 * common).all()
        truth = (common == 0).any(axis=1)
        for head in (ov_head(u, v), seth_head(1 - 2 * a, 1 - 2 * b, near, near + 2)):
            flagged = rows_with_partner(inject(evaluate_exact(head), LIMIT))
            assert np.isin(np.arange(2), flagged).tolist() == truth.tolist()


def test_logits_stay_within_M_and_entries_within_s():
    rng = np.random.default_rng(2)
    x, y = (rng.choice([-1, 1], (9, 11)).astype(np.int8) for _ in "xy")
    for t in (0, 4, 5, 8):
        head = seth_head(x, y, t, t + 2, Fraction(5))
        q, k, _ = head.arrays()
        assert np.abs(q @ k.T).max() / 5 <= float(head.M) * (1 + 1e-12)
        assert np.abs(q).max() == np.abs(k[:-1]).max() == head.s
    u, v = (rng.integers(0, 2, (9, 11)).astype(np.int8) for _ in "uv")
    head = ov_head(u, v)
    assert int((head.queries.astype(int) @ head.keys.T).min()) * head.rate >= -head.M


def test_rounding_bound_gives_up_instead_of_lying():
    assert softmax_head_error(Fraction(10**15), 100, 100) == 1
    assert softmax_head_error(Fraction(700), 100, 1025) < Fraction(1, 10**9)


@pytest.mark.parametrize("sigma", [Fraction(0), Fraction(-1), Fraction(10**10)])
def test_bad_sigma(sigma):
    with pytest.raises(InputError, match=r"^sigma"):
        ov_head(np.ones((1, 1), np.int8), np.ones((1, 1), np.int8), sigma)


def test_bad_thresholds():
    word = np.ones((1, 3), np.int8)
    with pytest.raises(InputError, match=r"^thresholds"):
        seth_head(word, word, 2, 2)


def test_memory_grows_with_n_d_not_with_n_squared():
    rng = np.random.default_rng(4)
    n, d = 3000, 8
    head = ov_head(*(rng.integers(0, 2, (n, d)).astype(np.int8) for _ in "uv"))
    tracemalloc.start()
    evaluate_exact(head)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * n * d * 8 < n * n * 8 / 20
