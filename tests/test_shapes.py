"""The shapes that docstrings state, checked by name with jaxtyping: one letter is one size."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import varnum as vn
from varnum.lowrank.method import METHODS, method
from varnum.lowrank.problem import Problem, Target
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.generate import Settings, generate
from varnum.model.random_weights import random_model
from varnum.verdict import Unknown

jaxtyping = pytest.importorskip("jaxtyping", reason="jaxtyping is not installed: the extra 'test'")
Float, Float64, jaxtyped = jaxtyping.Float, jaxtyping.Float64, jaxtyping.jaxtyped


def fits(**arrays):
    """Whether `name=(array, "n d")` all hold with one size per letter."""
    with jaxtyped("context"):
        return all(isinstance(a, Float[np.ndarray, shape]) for a, shape in arrays.values())


def test_a_wrong_shape_is_seen():
    q, k = np.zeros((3, 4)), np.zeros((5, 4))
    assert fits(q=(q, "n d"), k=(k, "m d"))
    assert not fits(q=(q, "n d"), k=(k, "n d"))
    assert not fits(q=(q, "n d"), k=(k.T, "m d"))
    assert not fits(q=(q.astype(int), "n d"))


def heads(*lead, n, d, d_v, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((*lead, n, width)) * 0.1 for width in (d, d, d_v))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("n", "d", "d_v"), [(1, 1, 1), (2, 3, 1), (40, 5, 7), (64, 1, 3)])
def test_every_method(name, n, d, d_v):
    q, k, v = heads(n=n, d=d, d_v=d_v)
    promise = "output" if method(name).promises == "output" else "kernel"
    made = method(name).fit(Problem(q, k, v, 1.0, Target(promise, 0.1)))
    if isinstance(made, Unknown):
        assert made.reason
        return
    made.add(k, v)
    out, bound = made.attend(q[: n - n // 2])
    assert fits(
        q=(q[: n - n // 2], "r d"), k=(k, "n d"), v=(v, "n v"), out=(out, "r v"), bound=(bound, "r")
    )
    assert fits(q=(q, "n d"), v=(v, "n v"), out=(made.answer().output, "n v"))


@pytest.mark.parametrize(
    ("lead", "shape"),
    [((), "n {}"), ((3,), "h n {}"), ((2, 3), "b h n {}"), ((1, 2, 3), "c b h n {}")],
)
def test_attention(lead, shape):
    q, k, v = heads(*lead, n=20, d=4, d_v=3)
    found = vn.attention(q, k, v, output_error="1e-1", sigma="sqrt")
    assert fits(
        q=(q, shape.format("d")), k=(k, shape.format("d")),
        v=(v, shape.format("v")), out=(found.output, shape.format("v")),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["var-tiny", "var-tiny-plain", "var-tiny-shared"])
def test_what_a_scale_produced(name):
    model = random_model(*preset(name), seed=0).to(Backend("numpy"))
    labels, var = np.array([1, 2]), preset(name)[0]
    scales = list(generate(model, labels, Settings(cfg=Fraction(3, 2))))
    assert len(scales) == len(var.patch_nums)
    for found, side, after in zip(scales, var.patch_nums, [*var.patch_nums[1:], None], strict=True):
        assert found.tokens.shape == (len(labels), side * side)
        assert fits(
            tokens=(found.tokens.astype(float), "b l"), logits=(found.logits, "b l v"),
            raw=(found.raw_logits, "2*b l v" if found.raw_logits.shape[0] > 2 else "b l v"),
            f_hat=(found.f_hat, "b c p p"),
        )  # fmt: skip
        if after is None:
            assert found.next_map is None
        else:
            assert fits(f_hat=(found.f_hat, "b c p p"), next=(found.next_map, "b c s s"))
            assert found.next_map.shape[-1] == after
