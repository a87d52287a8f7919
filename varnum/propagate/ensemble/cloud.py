"""A place of the run with its samples, and the ensemble: noise in, suprema out, rounding charged.

Claims ensemble-norms, ensemble-forms. L tokens, R rows of samples (`Ensemble`), n entries.
The centre is a float64 run; `samples` are the pushed noise; what is not yet covered by a group is
kept beside them: `entry` (rounding, entrywise), `ball` (remainders, l2) and, of the samples
themselves, `err` (l2). A cloud's arrays are NumPy's or torch's; radii and books are NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypedDict, TypeVar, Unpack, cast

import numpy as np

from varnum.floats.rounding import UNIT, gamma
from varnum.model.backend import namespace
from varnum.propagate.ensemble.chance import (
    LIPSCHITZ,
    cauchy_quantile,
    cauchy_radius,
    gauss_quantile,
)
from varnum.propagate.ensemble.engine import Array, host, moved, pieces, square_sum, zeros
from varnum.propagate.ensemble.largest_eigenvalue import largest_eigenvalue
from varnum.propagate.ensemble.noise import Noise
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.forms import Floats

A = TypeVar("A")
U = UNIT["float64"]
_NOISE, _FORMS = 2**19, 2**22  # numbers of a temporary
LEAST = 1e-140  # below it squares leave float64; no radius is smaller
_BESIDE = 2.0**-50  # of the largest radius so far: smaller noise rounds by more than its radius


class Kept(TypedDict, total=False):
    """What a walk keeps of a place for a backward pass, each where it reads it; see there."""

    x: Array
    y: Array
    s: Array
    off: Array
    norm: Array
    size: Array
    slope: Array
    q: Array
    k: Array
    v: Array
    scale: float
    norms: tuple[Array, Array, Array]
    form: Array


class Refused(ArithmeticError):
    """A site's inequality does not hold for the radii that were fixed."""


@dataclass
class Cloud:
    """One place: centre (L, n), samples (L, R, n), entry (L, n), ball (L,), err (L, R)."""

    centre: Array
    samples: Array
    entry: Array
    ball: Array
    err: Array


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
    named: dict[str, list[Floats]] = field(default_factory=dict)
    certifies = True

    def radius(self, where: str, rounding: Floats, remainder: Floats, least: Floats) -> Floats:
        """The fixed radius; raises Refused unless rounding + remainder is certainly within it."""
        kept = self.radii[self.place]
        self.place += 1
        value = (rounding + remainder) * UP
        if kept.shape != value.shape or not (np.isfinite(value).all() and (value <= kept).all()):
            raise Refused(where)
        self.named.setdefault(where, []).append(kept)
        return kept

    def end(self) -> None:
        """Every radius was asked for."""
        if self.place != len(self.radii):
            raise Refused("the walk has other places than the pilot's")


class Ensemble:
    """The noise of one try and what it says; `chance`: d' of each single form.

    Rows of samples: Gauss, Cauchy, and with `split` the Gauss ones again without what came from
    other tokens ("own"). sup <= own(T of the token) + rest(T of all): claim ensemble-norms.
    """

    def __init__(
        self,
        noise: Noise,
        ledger: Pilot | Fixed,
        lengths: tuple[int, ...],
        chance: Fraction,
        floor: float = 0.0,
        split: bool = True,
    ) -> None:
        self.noise, self.ledger, self.floor, self.split = noise, ledger, floor, split
        self.drawn = noise.gauss + noise.cauchy
        self.rows = self.drawn + (noise.gauss if split else 0)
        self.gauss = slice(0, noise.gauss)
        self.cauchy = slice(noise.gauss, self.drawn)
        self.own = slice(self.drawn, self.rows)
        self.scale_of = np.repeat(np.arange(len(lengths)), lengths)
        tokens = len(self.scale_of)
        self._total = np.zeros(len(lengths))  # sum of t, per scale
        self._own_total = np.zeros(tokens)
        self._theta = np.zeros((len(lengths), self.drawn))  # per scale
        self._own_theta = np.zeros((tokens, noise.gauss))
        self._largest = 0.0  # radius so far
        self.forms_used = 0
        self.place = 0
        self.tape: dict[str, list[Kept]] | None = (
            None  # for a backward pass: claim ensemble-reverse
        )
        self._c = np.sqrt(gauss_quantile(noise.gauss, chance)) * (1 - 2.0**-40)
        self._x = cauchy_quantile(noise.cauchy, chance) if noise.cauchy else 0.0

    # --- noise in ---------------------------------------------------------------------------

    def inject(self, cloud: Cloud, where: str, first: int = 0) -> Cloud:
        """A ball group per token that covers entry and ball; charges err to it."""
        rounding = host(l2(cloud.entry))
        least = np.maximum(2.0**-70 * host(l2(cloud.centre)), _BESIDE * self._largest)
        if self.floor and not self.ledger.certifies:
            used = self.forms_used
            reach = host(self.norm(cloud.samples, cloud.err, first))
            least = np.maximum(least, self.floor * reach)
            self.forms_used = used  # no part of a bound
        radius = self.ledger.radius(where, rounding, host(cloud.ball), least)
        self._largest = max(self._largest, float(radius.max()))
        self._add_noise(cloud, radius, first)
        xp = namespace(cloud.centre)
        return Cloud(
            cloud.centre,
            cloud.samples,
            xp.zeros_like(cloud.centre),
            xp.zeros_like(cloud.ball),
            xp.zeros_like(cloud.err),
        )

    def _add_noise(self, cloud: Cloud, radius: Floats, first: int) -> None:
        width = cloud.centre.shape[-1]
        root = np.sqrt(radius)[:, None, None]  # t = radius: kappa/sqrt t
        place = self.next_place()
        for part in pieces(len(radius), self.drawn * width, _NOISE):
            tokens = part.stop - part.start
            noise = self.noise.block(place, first + part.start, tokens, width, 1)
            noise[:, self.gauss] *= root[part]
            noise[:, self.cauchy] *= radius[part, None, None]
            drawn = moved(noise, cloud.samples)
            self.put(cloud.samples[part], drawn)
            cloud.err[part] += 4 * U * self.like_rows(l2(drawn))
        self.count_groups(radius, first)
        self._charge(cloud, radius, first)

    def keep(self, where: str, **found: Unpack[Kept]) -> None:
        """What a backward pass needs of a place, if one was asked for."""
        if self.tape is not None:
            arrays = {k: x if isinstance(x, float) else _hosted(x) for k, x in found.items()}
            self.tape.setdefault(where, []).append(cast("Kept", arrays))

    def next_place(self) -> int:
        """A number for a place, the same in every walk."""
        self.place += 1
        return self.place

    def put(self, rows: Array, noise: Array) -> None:
        """Adds tokens' noise (.., drawn, n) to their rows (.., R, n); it is each token's own."""
        rows[..., : self.drawn, :] += noise
        if self.split:
            rows[..., self.own, :] += noise[..., self.gauss, :]

    def like_rows(self, values: Array) -> Array:
        """Per drawn sample -> per row, (.., drawn) -> (.., R)."""
        if not self.split:
            return values
        return namespace(values).concat([values, values[..., self.gauss]], axis=-1)

    def count_groups(self, t: Floats, first: int) -> None:
        """Adds t (l,) to the totals of the tokens and of their scales."""
        here = slice(first, first + len(t))
        np.add.at(self._total, self.scale_of[here], t * UP)
        self._own_total[here] += t * UP

    def _charge(self, cloud: Cloud, radius: Floats, first: int) -> None:
        """The samples' own rounding goes to the groups of this radius."""
        share = host(cloud.err + 2 * U * l2(cloud.samples)) * UP / radius[:, None]
        share = np.where(np.isfinite(share), share, np.inf)
        here = slice(first, first + len(radius))
        np.maximum.at(self._theta, self.scale_of[here], share[:, : self.drawn])
        if self.split:
            self._own_theta[here] = np.maximum(self._own_theta[here], share[:, self.own])

    # --- suprema out ------------------------------------------------------------------------

    def norm(self, samples: Array, err: Array, first: int) -> Array:
        """sup ||delta|| per token: (l, R, n), rounding of the rows (l, R) -> (l,)."""
        xp = namespace(samples)

        def root(part: Array) -> Array:
            count, m, n = part.shape
            self.forms_used += count
            turned = part.mT
            gram = (xp.matmul(part, turned) if m <= n else xp.matmul(turned, part)) / m
            size = xp.linalg.trace(gram)
            return xp.sqrt(largest_eigenvalue(gram) + gamma(n + m + 4) * size) * UP

        return self._gauss(samples, err, first, root, (-1,))

    def forms(self, values: Array, err: Array, first: int) -> Array:
        """sup |u.delta| per form: (l, R, k), rounding of the rows (l, R) -> (l, k)."""
        if self.noise.cauchy:
            return self._cauchy_forms(values, err, first)

        def root(part: Array) -> Array:
            self.forms_used += part.shape[0] * part.shape[2]
            return namespace(part).sqrt(square_sum(part, 1) / part.shape[1]) * UP

        return self._gauss(values, err, first, root, (-1, 1))

    def _gauss(
        self,
        values: Array,
        err: Array,
        first: int,
        root: Callable[[Array], Array],
        shape: tuple[int, ...],
    ) -> Array:
        """sqrt T (root + rms f)/(sqrt c - Theta), split where there are own rows.

        root: root of the largest second moment of samples, each number one form; shape: its own.
        """
        here = slice(first, first + len(values))

        def over_tokens(x: Array) -> Array:
            return (moved(x, values) if isinstance(x, np.ndarray) else x).reshape(shape)

        scales = self.scale_of[here]
        total = np.sqrt(np.cumsum(self._total) * UP)[scales] * UP
        theta = np.maximum.accumulate(self._theta[:, self.gauss], axis=0)[scales]
        factor = over_tokens(self._factor(total, theta))
        if not self.split:
            lost = over_tokens(_rms(err[:, self.gauss]))
            return infinite(factor * (root(values[:, self.gauss]) + lost) * UP + LEAST)
        mine = np.sqrt(self._own_total[here] * UP) * UP
        own_theta = self._own_theta[here]
        own = over_tokens(self._factor(mine, own_theta)) * (
            root(values[:, self.own]) + over_tokens(_rms(err[:, self.own]))
        )
        both = over_tokens(_rms(err[:, self.gauss] + err[:, self.own]))
        travelled = over_tokens(_rms(theta + own_theta)) * own
        rest = root(values[:, self.gauss] - values[:, self.own])
        return infinite((own + factor * (rest + both + travelled)) * UP * UP + LEAST)

    def _factor(self, total: Floats, theta: Floats) -> Floats:
        """sqrt(T)/(sqrt c - Theta), infinite where nothing is left."""
        left = self._c - total * _rms(theta) * UP
        return np.asarray(np.where(left > 0, total / np.where(left > 0, left, 1.0) * UP, np.inf))

    def _cauchy_forms(self, values: Array, err: Array, first: int) -> Array:
        count, _, k = values.shape
        xp = namespace(values)
        self.forms_used += count * k
        scales = self.scale_of[first : first + count]
        theta = np.maximum.accumulate(self._theta[:, self.cauchy], axis=0)
        loss = np.minimum(1.0, LIPSCHITZ * theta).mean(1)[scales] * UP
        lost = moved(loss, values)[:, None] + zeros((count, k), values)
        bound = zeros((count, k), values)
        for part in pieces(count, self.noise.cauchy * k, _FORMS):
            size = xp.abs(values[part, self.cauchy]) + err[part, self.cauchy, None]
            flat = xp.moveaxis(size, 1, 0).reshape((self.noise.cauchy, -1))
            found = cauchy_radius(flat, lost[part].reshape(-1), self._x)
            bound[part] = found.reshape((-1, k))
        return infinite(bound * UP + LEAST)


def _hosted(x: object) -> object:
    return tuple(map(_hosted, x)) if isinstance(x, tuple) else host(cast("Array", x))


def _rms(x: Array) -> Array:
    """Root of the mean square over samples, (l, m) -> (l,), upward."""
    xp = namespace(x)
    return xp.sqrt(xp.sum(x * x, axis=1) / x.shape[1]) * UP


def l2(x: Array) -> Array:
    """Not below the norm over the last axis, rounding included."""
    return namespace(x).sqrt(square_sum(x)) * UP + LEAST


def infinite(x: A) -> A:
    """NaN becomes infinite."""
    xp = namespace(x)
    found: A = xp.where(xp.isnan(x), float("inf"), x)
    return found
