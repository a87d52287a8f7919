"""A place of the run with its samples, and the ensemble: noise in, suprema out, rounding charged.

Claims ensemble-norms, ensemble-forms. L tokens, M samples (Gauss first, then Cauchy), n entries.
The centre is a float64 run; `samples` are the pushed noise; what is not yet covered by a group is
kept beside them: `entry` (rounding, entrywise), `ball` (remainders, l2) and, of the samples
themselves, `err` (l2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from varnum.floats.rounding import UNIT, gamma
from varnum.propagate.ensemble.chance import (
    LIPSCHITZ,
    cauchy_quantile,
    cauchy_radius,
    gauss_quantile,
)
from varnum.propagate.ensemble.noise import Noise
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.ensemble.spectrum import largest_eigenvalue
from varnum.propagate.forms import Floats

U = UNIT["float64"]
LEAST = 1e-140  # below it squares leave float64; no radius is smaller


class Refused(ArithmeticError):
    """A site's inequality does not hold for the radii that were fixed."""


@dataclass
class Cloud:
    """One place: centre (L, n), samples (L, M, n), entry (L, n), ball (L,), err (L, M)."""

    centre: Floats
    samples: Floats
    entry: Floats
    ball: Floats
    err: Floats


@dataclass
class Pilot:
    """Radii as the pilot finds them: rounding plus `slack` times the remainder."""

    slack: float
    radii: list[Floats] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    certifies = False

    def radius(self, where: str, rounding: Floats, remainder: Floats, least: Floats) -> Floats:
        """The radius to be fixed at a place; raises Refused where it is no finite number."""
        found = np.maximum((rounding + self.slack * remainder) * (1 + 2.0**-20), least) + LEAST
        if not np.isfinite(found).all():
            raise Refused(where)
        self.radii.append(found)
        self.names.append(where)
        return found

    def end(self) -> None:
        """Nothing to check."""


@dataclass
class Fixed:
    """Radii fixed before the noise: every site is recomputed and must stay within."""

    radii: list[Floats]
    place: int = 0
    certifies = True

    def radius(self, where: str, rounding: Floats, remainder: Floats, least: Floats) -> Floats:
        """The fixed radius; raises Refused unless rounding + remainder is certainly within it."""
        kept = self.radii[self.place]
        self.place += 1
        value = (rounding + remainder) * UP
        if kept.shape != value.shape or not (np.isfinite(value).all() and (value <= kept).all()):
            raise Refused(where)
        return kept

    def end(self) -> None:
        """Every radius was asked for."""
        if self.place != len(self.radii):
            raise Refused("the walk has other places than the pilot's")


class Ensemble:
    """The noise of one try and what it says; `chance`: d' of each single form."""

    def __init__(
        self,
        noise: Noise,
        ledger: Pilot | Fixed,
        lengths: tuple[int, ...],
        chance: Fraction,
        floor: float = 0.0,
    ) -> None:
        self.noise, self.ledger, self.floor = noise, ledger, floor
        self.samples = noise.gauss + noise.cauchy
        self.scale_of = np.repeat(np.arange(len(lengths)), lengths)
        self._total = np.zeros(len(lengths))  # sum of t, per scale
        self._theta = np.zeros((len(lengths), self.samples))  # per scale
        self.forms_used = 0
        self.place = 0
        self._c = gauss_quantile(noise.gauss, chance)
        self._x = cauchy_quantile(noise.cauchy, chance) if noise.cauchy else 0.0

    # --- noise in ---------------------------------------------------------------------------

    def inject(self, cloud: Cloud, where: str, first: int = 0, parts: int = 1) -> Cloud:
        """A ball group per token that covers entry and ball; charges err to it."""
        rounding = l2(cloud.entry)
        least = self.floor * self.norm(cloud.samples, first, False) if self.floor else rounding * 0
        least = np.maximum(least, 2.0**-70 * l2(cloud.centre))
        radius = self.ledger.radius(where, rounding, cloud.ball, least)
        self.add_noise(cloud, radius, first)
        return Cloud(
            cloud.centre,
            cloud.samples,
            np.zeros_like(cloud.centre),
            np.zeros_like(cloud.ball),
            np.zeros_like(cloud.err),
        )

    def add_noise(self, cloud: Cloud, radius: Floats, first: int) -> None:
        """Noise of ball groups (L,) into the samples, in place."""
        gauss, width = self.noise.gauss, cloud.centre.shape[-1]
        weight = np.sqrt(radius)  # t = radius: kappa/sqrt t
        self.place += 1
        for token in range(len(radius)):
            noise = self.noise.draw(self.place, first + token, width, 1)
            noise[:gauss] *= weight[token]
            noise[gauss:] *= radius[token]
            cloud.samples[token] += noise
            cloud.err[token] += 4 * U * l2(noise)
        self.count_groups(radius, first)
        self.charge(cloud, radius, first)

    def count_groups(self, t: Floats, first: int) -> None:
        """Adds t (L,) to the totals of the tokens' scales."""
        np.add.at(self._total, self.scale_of[first : first + len(t)], t * UP)

    def charge(self, cloud: Cloud, radius: Floats, first: int) -> None:
        """The samples' own rounding goes to the groups of this radius."""
        err = (cloud.err + 2 * U * l2(cloud.samples)) * UP
        share = err / radius[:, None]
        share = np.where(np.isfinite(share), share, np.inf)
        np.maximum.at(self._theta, self.scale_of[first : first + len(radius)], share)

    # --- suprema out ------------------------------------------------------------------------

    def factor(self, first: int, count: int) -> tuple[Floats, Floats]:
        """Per token: sqrt(T)/(sqrt c - Theta), and the Cauchy loss."""
        total = np.cumsum(self._total) * UP
        theta = np.maximum.accumulate(self._theta, axis=0)
        gauss = self.noise.gauss
        mean = np.sqrt((theta[:, :gauss] ** 2).mean(1)) * UP
        left = np.sqrt(self._c) * (1 - 2.0**-40) - np.sqrt(total) * mean * UP
        factor = np.where(left > 0, np.sqrt(total) / np.where(left > 0, left, 1.0) * UP, np.inf)
        loss = np.minimum(1.0, LIPSCHITZ * theta[:, gauss:]).mean(1) if self.noise.cauchy else mean
        scales = self.scale_of[first : first + count]
        return factor[scales], loss[scales] * UP

    def norm(self, samples: Floats, first: int, counted: bool = True) -> Floats:
        """sup ||delta|| per token: (L, M, n) -> (L,)."""
        part = samples[:, : self.noise.gauss]
        count, m, n = part.shape
        if counted:
            self.forms_used += count
        turned = np.swapaxes(part, 1, 2)
        gram = (part @ turned if m <= n else turned @ part) / m
        size = np.trace(gram, axis1=1, axis2=2)
        top = largest_eigenvalue(gram) + gamma(n + m + 4) * size
        factor, _ = self.factor(first, count)
        return infinite(factor * np.sqrt(top) * UP + LEAST)

    def forms(self, values: Floats, fuzz: Floats, first: int) -> Floats:
        """sup |u.delta| per form: values (L, M, k), rounding of the values (L, M) -> (L, k)."""
        gauss = self.noise.gauss
        count, _, k = values.shape
        self.forms_used += count * k * (2 if self.noise.cauchy else 1)
        factor, loss = self.factor(first, count)
        part = values[:, :gauss]
        square = np.einsum("lmk,lmk->lk", part, part) / gauss
        lost = np.sqrt((fuzz[:, :gauss] ** 2).mean(1))
        bound = factor[:, None] * (np.sqrt(square) + lost[:, None]) * UP * UP
        if self.noise.cauchy:
            for token in range(count):
                size = np.abs(values[token, gauss:]) + fuzz[token, gauss:, None]
                radius = cauchy_radius(size, float(loss[token]), self._x) * UP
                bound[token] = np.minimum(bound[token], radius)
        return infinite(bound + LEAST)


def hidden(ensemble: Ensemble, x: Cloud, first: int) -> Floats:
    """What the samples' uncharged rounding adds to a norm: the f of claim ensemble-norms."""
    factor, _ = ensemble.factor(first, len(x.centre))
    return np.asarray(factor * np.sqrt((x.err[:, : ensemble.noise.gauss] ** 2).mean(1)) * UP)


def l2(x: Floats) -> Floats:
    """Not below the norm over the last axis, rounding included."""
    return np.asarray(np.sqrt(np.einsum("...n,...n->...", x, x)) * UP + LEAST)


def infinite(x: Floats) -> Floats:
    """NaN becomes infinite."""
    return np.asarray(np.where(np.isnan(x), np.inf, x))
