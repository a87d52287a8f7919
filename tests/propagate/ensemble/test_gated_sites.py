"""FlowAR's sites: one deviation, exactly pushed, against the true layer in long doubles.

`Point` is an ensemble of one sample that *is* the deviation, so suprema are its own norms: what is
left of the true layer must be within entry and ball. Its inject makes no place.
"""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from varnum.propagate.ensemble import gated_sites as gs
from varnum.propagate.ensemble.cloud import Cloud, l2
from varnum.propagate.ensemble.cloud_attention import head
from varnum.propagate.ensemble.gated_sites import Steady
from varnum.propagate.ensemble.sampler_clouds import euler

WIDE = np.longdouble


class Point:
    """Suprema of the one deviation that row 0 holds."""

    rows = drawn = 1
    split, noise = False, SimpleNamespace(cauchy=0)

    def __init__(self) -> None:
        self.places: list[Cloud] = []

    def norm(self, samples: Any, err: Any, first: int) -> Any:
        return l2(samples[:, 0])

    def forms(self, values: Any, err: Any, first: int) -> Any:
        return np.abs(values[:, 0])

    def inject(self, cloud: Cloud, where: str, first: int = 0) -> Cloud:
        self.places.append(cloud)
        return cloud

    def keep(self, where: str, **found: Any) -> None:
        return


def cloud(rng: Any, tokens: int, width: int, size: float) -> Cloud:
    """A place with a deviation of about this size."""
    none = np.zeros((tokens, width))
    delta = size * rng.standard_normal((tokens, 1, width))
    return Cloud(rng.standard_normal((tokens, width)), delta, none, none[:, 0], none[:, :1] * 1.0)


def moved(x: Cloud) -> Any:
    return x.centre.astype(WIDE) + x.samples[:, 0]


def rms(x: Any) -> Any:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + WIDE(10) ** -6)


def normal_gelu(x: Any) -> Any:
    import mpmath

    with mpmath.workprec(100):
        exact = [mpmath.ncdf(mpmath.mpf(float(t))) for t in x.ravel()]
    # Phi at the float nearest to x, then one step of the slope to x
    low = np.array([WIDE(str(v)) for v in exact]).reshape(x.shape)
    near = x.astype(float).astype(WIDE)
    return x * (low + (x - near) * np.exp(-near * near / 2) / np.sqrt(2 * WIDE(np.pi)))


def silu(x: Any) -> Any:
    return x / (1 + np.exp(-x))


def turned(x: Any, angle: Any) -> Any:
    c, s = np.cos(angle), np.sin(angle)
    out = np.empty_like(x)
    out[:, 0::2] = x[:, 0::2] * c - x[:, 1::2] * s
    out[:, 1::2] = x[:, 0::2] * s + x[:, 1::2] * c
    return out


def attended(q: Any, k: Any, v: Any) -> Any:
    z = q @ k.T / np.sqrt(WIDE(q.shape[1]))
    a = np.exp(z - z.max(-1, keepdims=True))
    return (a / a.sum(-1, keepdims=True)) @ v


def site(name: str, rng: Any, size: float) -> tuple[Cloud, Any]:
    """The layer's cloud, and the true layer at the moved input."""
    ensemble: Any = Point()
    tokens, width = 4, 6
    x, y = (cloud(rng, tokens, width, size) for _ in range(2))
    if name == "norm":
        return gs.rms_norm(ensemble, x, 1e-6)[0], rms(moved(x))
    if name in ("product", "shift"):
        n, far = gs.rms_norm(ensemble, x, 1e-6)
        found = gs.scaled(ensemble, n, far, y, 1.0)
        if name == "product":
            return found, rms(moved(x)) * (1 + moved(y))
        z = cloud(rng, tokens, width, size)
        return gs.summed(found, z), rms(moved(x)) * (1 + moved(y)) + moved(z)
    if name == "steady":
        by = Steady(rng.standard_normal(width), np.full(width, size))
        n, far = gs.rms_norm(ensemble, x, 1e-6)
        off = size * rng.choice([-1, 1], width)
        return gs.scaled(ensemble, n, far, by), rms(moved(x)) * (by.value + off)
    if name == "silu":
        return gs.silu(ensemble, x, ""), silu(moved(x))
    if name == "gate":
        return gs.gated(ensemble, x, y, ""), normal_gelu(moved(x)) * moved(y)
    if name == "rotary":
        angle = rng.uniform(0, 16, (tokens, width // 2))
        off = size * rng.uniform(-1, 1)
        cosines, sines = np.cos(angle + off), np.sin(angle + off)
        found = gs.rotated(x, cosines, sines, abs(off) + 2.0**-52)
        return found, turned(moved(x), angle.astype(WIDE))
    if name == "resample":
        rows = rng.standard_normal((3, 2))
        grid = moved(x).reshape(2, 2, width)
        true = np.einsum("ai,bj,ijc->abc", rows.astype(WIDE), rows.astype(WIDE), grid)
        return gs.resampled(ensemble, x, rows, ""), true.reshape(9, width)
    if name == "euler":
        z = cloud(rng, tokens, width, size)
        h, g = Fraction(-1, 7), Fraction(13, 5)
        parts = [moved(y), moved(z)]
        wide = WIDE(13) / 5
        true = moved(x) - (parts[1] + wide * (parts[0] - parts[1])) / WIDE(7)
        return euler(ensemble, x, [y, z], h, g, ""), true
    assert name == "attention"
    k, v = (cloud(rng, 7, width, size) for _ in range(2))  # three of them cached
    none, bare = np.zeros((4, width)), np.zeros((4, 1))
    out = Cloud(none.copy(), np.zeros((4, 1, width)), none, bare[:, 0], bare)
    scale = 1 / float(np.sqrt(width))
    head(ensemble, x, k, v, scale, 0.0, (4,), "", out, slice(0, width), 3)
    (row,) = ensemble.places  # head keeps centre and samples of what it injects
    return row, attended(moved(x), moved(k), moved(v))


NAMES = [
    "norm", "product", "shift", "steady", "silu", "gate", "rotary", "resample", "euler",
    "attention",
]  # fmt: skip
LINEAR = {"resample", "euler"}


def left(name: str, rng: Any, size: float) -> tuple[Any, Any]:
    """(what the linear part leaves, its bound) per token; a coefficient's error is in `err`."""
    found, true = site(name, rng, size)
    rest = np.maximum(np.abs(true - found.centre - found.samples[:, 0]) - found.entry, 0)
    return np.sqrt((rest**2).sum(-1)).astype(float), found.ball + found.err[:, 0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0.0, 1e-6, 1e-2, 0.2])
def test_remainders_are_covered(name: str, size: float) -> None:
    worst = 0.0
    for seed in range(30):
        rest, bound = left(name, np.random.default_rng(seed), size)
        assert (rest <= bound * (1 + 1e-12) + 1e-18).all()
        worst = max(worst, float((rest / (bound + 1e-300)).max()))
    if size == 1e-2 and name not in LINEAR | {"rotary"}:
        assert worst > 0.003  # of the right order: a bound of nothing would be seen


@pytest.mark.parametrize("name", NAMES)
def test_rounding_is_covered(name: str) -> None:
    """Without deviations what is left is rounding; inputs over many magnitudes."""
    worst = 0.0
    for seed in range(40):
        found, true = site(name, np.random.default_rng(seed), 0.0)
        rest = np.abs(true - found.centre).astype(float)
        assert (rest <= found.entry + found.ball[:, None] * (1 + 1e-12)).all()
        worst = max(worst, float((rest / (found.entry + 1e-300)).max()))
    assert worst > 1e-4


def test_own_tokens_are_not_split_off_beside_a_cache():
    rng = np.random.default_rng(0)
    x, k, v = cloud(rng, 4, 6, 0.1), cloud(rng, 7, 6, 0.1), cloud(rng, 7, 6, 0.1)
    ensemble = SimpleNamespace(split=True)
    with pytest.raises(ArithmeticError, match="beside a cache"):
        head(ensemble, x, k, v, 0.4, 0.0, (4,), "place", x, slice(0, 6), 3)
