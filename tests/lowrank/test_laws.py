"""The laws of `varnum.lowrank.method.Fitted`, for every method of the table, and false versions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.floats.norms import prefix_norms
from varnum.lowrank.choose import candidates, choose
from varnum.lowrank.method import METHODS, Answer, method
from varnum.lowrank.problem import Problem, Target
from varnum.verdict import Unknown

D, D_V, SIGMA = 6, 4, 2.5
PROOFS = Path(__file__).parents[2] / "proofs"
LEFT = 1e-9  # of rounding in float64, in units of the range


def head(count, seed, size=0.5, dtype=np.float64):
    """Correlated tokens q, k (count, D) and values (count, D_V), one column far from 0."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((D, D)))[0]
    q, k = ((rng.standard_normal((count, D)) * size * 0.5 ** np.arange(D)) @ turn for _ in "qk")
    v = rng.standard_normal((count, D_V)) + np.array([0, 0, 100, 0])
    return tuple(part.astype(dtype) for part in (q, k, v))


def problem(name, seed=0, count=700, error=1e-2, dtype=np.float64, view=None):
    promise = "output" if method(name).promises == "output" else "kernel"
    return Problem(*head(count, seed, dtype=dtype), SIGMA, Target(promise, error), view)


def fitted(asked, name):
    found = method(name).fit(asked)
    assert not isinstance(found, Unknown), found.reason
    return found


def oracle(q, k, v):
    """softmax attention in long double, (n, D_V)."""
    logits = q.astype(np.longdouble) @ k.astype(np.longdouble).T / np.longdouble(SIGMA)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights @ v.astype(np.longdouble) / weights.sum(1, keepdims=True)


def errors(out, q, k, v):
    """(n,) largest error of each row in units of the range of its column."""
    return (abs(out - oracle(q, k, v)) / np.ptp(v.astype(np.longdouble), axis=0)).max(1)


def law_parts(make, k, v, q):
    """Law 1: adding in parts equals adding at once."""
    whole, parts = make(), make()
    whole.add(k, v)
    for start in range(0, len(k), 90):
        parts.add(k[start : start + 90], v[start : start + 90])
    (a, bound_a), (b, bound_b) = whole.attend(q), parts.attend(q)
    apart = (abs(a - b) / np.ptp(v, axis=0)).max(1)
    assert (apart <= bound_a + bound_b).all()
    assert apart.max() < LEFT


def law_bounds(make, k, v, q):
    """Law 2: the bounds hold, for tokens that are not those it was fitted to."""
    made = make()
    made.add(k, v)
    out, bound = made.attend(q)
    assert bound.shape == (len(q),)
    assert not np.isnan(bound).any()
    sure = np.isfinite(bound)
    assert (errors(out[sure], q[sure], k, v) <= bound[sure]).all()
    return sure.mean()


@pytest.mark.parametrize("name", METHODS)
def test_added_in_parts_or_at_once(name):
    def make():
        return fitted(problem(name), name)

    q, k, v = head(700, 0)
    law_parts(make, k, v, q[:100])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("seed", "size"), [(0, 0.5), (1, 0.2), (2, 0.5), (3, 3.0)])
def test_bounds_hold_for_new_tokens(name, seed, size):
    q, k, v = head(300, seed, size)
    sure = law_bounds(lambda: fitted(problem(name), name), k, v, q)
    if size == 0.2 or name == "exact":
        assert sure == 1  # it does say something


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("view", [None, (1, 40, 600, 59)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_answer_is_within_its_bounds(name, view, dtype):
    asked = problem(name, view=view, dtype=dtype)
    found = fitted(asked, name).answer()
    ends = np.cumsum(view or [len(asked.q)])
    start = 0
    for end in ends:
        seen = slice(0, end)
        q, k, v = asked.q[start:end], asked.k[seen], asked.v[seen]
        if end > 1:
            assert errors(found.output[start:end], q, k, v).max() <= found.output_error
        start = end
    assert found.error(asked.target.of) <= asked.target.error


@pytest.mark.parametrize("name", METHODS)
def test_an_answer_stays_what_it_is(name):
    asked = problem(name)
    before = [part.copy() for part in (asked.q, asked.k, asked.v)]
    made = fitted(asked, name)
    first = made.answer().output.copy()
    made.add(*head(30, 5)[1:])
    made.attend(head(9, 6)[0])
    assert (made.answer().output == first).all()
    assert (fitted(asked, name).answer().output == first).all()
    for old, new in zip(before, (asked.q, asked.k, asked.v), strict=True):
        assert (old == new).all()


@pytest.mark.parametrize("name", METHODS)
def test_what_is_kept_are_copies(name):
    q, k, v = head(50, 8)
    made = fitted(problem(name), name)
    made.add(k, v)
    first = made.attend(q)[0].copy()
    k[:], v[:] = 9, 9
    assert (made.attend(q)[0] == first).all()


@pytest.mark.parametrize("name", METHODS)
def test_no_keys_no_output(name):
    with pytest.raises(InputError, match="keys come first"):
        fitted(problem(name), name).attend(head(3, 0)[0])


@pytest.mark.parametrize("name", [name for name in METHODS if name != "exact"])
def test_a_hard_problem_is_unknown_with_a_reason(name):
    q, k, v = head(600, 0, size=60.0)
    asked = Problem(q, k, v, 1.0, Target(method(name).promises, 1e-3))
    found = method(name).fit(asked)
    assert isinstance(found, Unknown)
    assert len(found.reason) > 10


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is(name):
    found = method(name)
    assert found.name == name
    assert found.promises in ("kernel", "output")
    assert found.cost(problem(name)) >= 0
    assert set(found.claims) <= {page.stem for page in PROOFS.glob("*.md")}


def test_auto_tries_the_cheap_ones_first():
    asked = problem("pivots")
    names = [one.name for one in sorted(candidates(asked), key=lambda m: m.cost(asked))]
    assert [name for name in names if name in ("pivots", "monomials")] == ["monomials", "pivots"]
    promised = {"recovery", "moments", "clusters"}
    assert promised <= {m.name for m in candidates(problem("moments"))}
    assert not promised & {*names}


def test_auto_fits_nothing_where_exact_attention_is_over_sooner(monkeypatch):
    """Measured before: 94 times exact attention's time for 16 heads like this one."""
    generator = np.random.default_rng(3)
    q, k, v = (generator.standard_normal((64, 64)) * 0.3 for _ in range(3))
    asked = Problem(q, k, v, 8.0, Target("kernel", 1e-3))

    def never(*_):
        raise AssertionError("fitted")

    for name in ("pivots", "monomials"):
        monkeypatch.setattr(type(method(name)), "fit", never)
    chosen = choose(asked)
    assert chosen.method == "exact"
    assert "64 coordinates" in chosen.reason


@pytest.mark.parametrize(("size", "most"), [(1.0, 30), (4.5, 20_000)])
def test_monomials_that_cannot_pay_or_round_too_much_are_not_certified(monkeypatch, size, most):
    """Before: 260 times exact attention's time, for a degree that rounding kills."""
    from varnum.lowrank.monomials import polynomial_kernel

    def never(*_):
        raise AssertionError("certified")

    monkeypatch.setattr(polynomial_kernel, "certify_least_degree", never)
    generator = np.random.default_rng(0)
    q, k = (generator.uniform(-1, 1, (40, 2)) * size for _ in range(2))
    assert isinstance(polynomial_kernel.fit_polynomial(q, k, 1.0, 1e-9, most), Unknown)


def test_norms_of_first_coordinates_are_never_below():
    generator = np.random.default_rng(5)
    x = generator.standard_normal((7, 9)) * 10.0 ** generator.integers(-170, 3, (7, 1))
    found = prefix_norms(x)
    for size in range(10):
        exact = max(sum(Fraction(float(c)) ** 2 for c in row[:size]) for row in x)
        assert exact <= Fraction(float(found[size])) ** 2 <= exact * (1 + Fraction(1, 10**12))
    assert prefix_norms(np.full((2, 3), 1e-170))[3] >= 1e-170 * 1.7


def test_one_that_fails_by_name_is_unknown_and_by_auto_exact():
    q, k, v = head(100, 0, size=60.0)
    asked = Problem(q, k, v, 1.0, Target("kernel", 1e-3))
    assert isinstance(choose(asked, "pivots"), Unknown)
    assert choose(asked).method == "exact"


class Dummy:
    """Answers with the mean of the values, and a bound that it makes up."""

    name, claims, promises = "dummy", (), "output"
    bound, copies = 1.0, True

    rank, said, work = 1, "rank 1", 0.0

    def __init__(self):
        self.k, self.v = [], []

    def cost(self, _):
        return 0.0

    def fit(self, _):
        return type(self)()

    def add(self, _, v):
        self.v.append(v)

    def attend(self, q):
        mean = np.concatenate(self.v).mean(0)
        return np.tile(mean, (len(q), 1)), np.full(len(q), self.bound)

    def answer(self):
        return Answer(np.zeros((1, 1)), self.bound, np.inf, self.rank)


class Bold(Dummy):
    """A bound that is too small."""

    bound = 1e-3


class Forgetful(Dummy):
    """Keeps the last part only."""

    def add(self, _, v):
        self.v = [v]


def test_the_laws_notice_false_methods():
    q, k, v = head(300, 0, size=2.0)
    assert law_bounds(Dummy, k, v, q) == 1
    law_parts(Dummy, k, v, q)
    with pytest.raises(AssertionError):
        law_bounds(Bold, k, v, q)
    with pytest.raises(AssertionError):
        law_parts(Forgetful, k, v, q)


def test_a_new_method_takes_one_line_in_the_table(monkeypatch):
    """ "auto" finds it, without any other change."""
    import sys
    from types import ModuleType

    made = ModuleType("dummy_room")
    made.DUMMY = Dummy()
    monkeypatch.setitem(sys.modules, "dummy_room", made)
    for name in set(METHODS) - {"recovery", "moments", "clusters", "exact"}:
        monkeypatch.delitem(METHODS, name)
    monkeypatch.setitem(METHODS, "dummy", "dummy_room:DUMMY")
    monkeypatch.setattr("varnum.lowrank.choose._FEW", 0.0)
    assert "dummy" in {m.name for m in candidates(problem("moments"))}
    taken = choose(problem("moments"))
    assert not isinstance(taken, Unknown)
    assert taken.method == "dummy"  # it promises to take no time
    assert taken.reason.startswith("dummy: rank 1; recovery: low rank does not pay")
