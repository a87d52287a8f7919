"""Certified fixed points of a given network: candidates from floats, each proved on its own.

Not all of them: that is what `count` proves, in few dimensions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from varnum.loop.loop_certificate import Certificate, certify_fixed_point, polish
from varnum.loop.net import Floats, Net
from varnum.verdict import Unknown

_APART = 1e-6  # candidates nearer than this are tried once


def certify_points(
    net: Net, starts: int = 64, seed: int = 0, say: Callable[[str], None] = lambda _: None
) -> tuple[list[Certificate], int]:
    """Fixed points near where iteration and Newton's method end; all different.

    Returns the certificates and how many candidates were not certified.
    """
    rng = np.random.default_rng(seed)
    spread = 1.0 if net.g.image is not None else 2.0
    tried: list[Floats] = []
    found: list[Certificate] = []
    failed = 0
    for i in range(starts):
        x = rng.uniform(-spread, spread, net.d) if i else np.zeros(net.d)
        say(f"start {i + 1} of {starts}: {len(found)} certified")
        for candidate in (_settled(net, x), _newton(net, x)):
            if candidate is None or _seen(candidate, tried):
                continue
            tried.append(candidate)
            proved = certify_fixed_point(net, candidate)
            if isinstance(proved, Unknown):
                failed += 1
            elif all(_differ(proved, other) for other in found):
                found.append(proved)
    return sorted(found, key=lambda c: c.point), failed


def _settled(net: Net, x: Floats) -> Floats | None:
    with np.errstate(all="ignore"):
        for _ in range(500):
            before, x = x, net.estimate(x)
            if not np.isfinite(x).all():
                return None
            if np.abs(x - before).max() <= 1e-13:
                return x
    return None


def _newton(net: Net, x: Floats) -> Floats | None:
    with np.errstate(all="ignore"):
        return polish(net, x, steps=30)


def _seen(x: Floats, tried: list[Floats]) -> bool:
    return any(np.abs(x - y).max() < _APART for y in tried)


def _differ(a: Certificate, b: Certificate) -> bool:
    """Whether the two fixed points are certainly different: their enclosures are disjoint."""
    gap = max(abs(x - y) for x, y in zip(a.point, b.point, strict=True))
    return gap * (1 - 1e-12) > float(a.entry_within + b.entry_within) * (1 + 1e-12)
