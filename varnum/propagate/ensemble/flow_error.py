"""The error of a FlowAR run: exact maps enclosed, and with them how wrong any other run's are.

`flow_error_of` is what `varnum error --flowar` prints. Claim ensemble-flow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from varnum.envelope import envelope, plain
from varnum.errors import InputError
from varnum.floats.guard import certifying
from varnum.model.flowar.flow_sampling import (
    FlowModel,
    FlowSettings,
    check_noise,
    check_settings,
)
from varnum.outward import at_most, float_up
from varnum.propagate.checked import exact_floats
from varnum.propagate.ensemble import given as g
from varnum.propagate.ensemble.engine import NUMPY, assumptions
from varnum.propagate.ensemble.error import SAMPLES
from varnum.propagate.ensemble.protocol import Accepted, Plan, certify
from varnum.propagate.ensemble.run_error import UpToChance
from varnum.propagate.ensemble.sampler_clouds import Sampling
from varnum.propagate.forms import Floats
from varnum.text import filled
from varnum.verdict import Unknown

EXACT = (
    "the sampler in real arithmetic on the stored weights and noise, with the released code's "
    "float32 tables, times and time indices"
)
DEFAULT = FlowSettings()
_UP = 1 + 2.0**-50


@dataclass(frozen=True, repr=False)
class FlowError(UpToChance):
    """How wrong a run's maps can be; `centre` and `bound` enclose the exact ones.

    Both hold an array (B, N_k, c) for each scale k. map_error: largest bound of |exact - given|, or
    rounding_bound where no maps were given.
    """

    map_error: float
    map_error_per_scale: tuple[float, ...]
    reason: str = ""
    commitments: tuple[str, ...] = ()
    centre: tuple[Floats, ...] = field(default=(), compare=False)
    bound: tuple[Floats, ...] = field(default=(), compare=False)

    def summary(self) -> str:
        """One line."""
        if self.verdict != "proved":
            return self.reason
        return f"every map within {at_most(self.map_error)}, {self.assurance}"

    def to_dict(self) -> dict[str, object]:
        """What `varnum error --flowar --json` prints."""
        content = {
            "chance": float_up(self.chance),
            "tries": max(self.tries, default=0),
            "allowed_tries": self.allowed,
            "samples": self.samples,
            "rounding_bound": self.rounding_bound,
            "measured": self.measured,
            "map_error": self.map_error,
            "map_error_per_scale": list(self.map_error_per_scale),
            "exact_means": EXACT,
            "assumptions": assumptions(NUMPY),
            "sentence": self.sentence() if self.verdict == "proved" else "",
            "commitments": list(self.commitments),
            "reason": self.reason,
        }
        document: dict[str, object] = plain(
            envelope(
                "varnum/error-flowar/1", content, verdict=self.verdict, assurance=self.assurance,
                exit_code=self.exit_code,
            )
        )  # fmt: skip
        return document

    def __str__(self) -> str:
        if self.verdict != "proved":
            return self.reason
        lines = [
            f"maps within        {at_most(self.map_error)} of the exact sampler's",
            f"  by scale         {', '.join(at_most(e, 2) for e in self.map_error_per_scale)}",
            f"float64 rounding   {at_most(self.rounding_bound)}",
        ]
        if self.measured is not None:
            lines.append(f"measured           {at_most(self.measured)} from the float64 run")
        lines += [
            filled(f"exact means        {EXACT}", indent=" " * 19),
            f"assurance          {self.assurance}",
            filled(f"                   {self.sentence()}", indent=" " * 19),
            filled(f"assumed            {assumptions(NUMPY)}", indent=" " * 19),
        ]
        return "\n".join(lines)


def flow_error_of(
    model: FlowModel,
    labels: npt.ArrayLike,
    noise: Sequence[npt.ArrayLike],
    maps: Sequence[npt.ArrayLike] | None = None,
    *,
    settings: FlowSettings = DEFAULT,
    samples: int = SAMPLES,
    chance: str | Fraction = "1e-6",
    say: Callable[[str], None] = lambda _: None,
) -> FlowError:
    """How far FlowAR's sampled maps are from those of the exact sampler, all scales and steps.

    labels (B,), noise (B, N_k, c) for each scale; maps, the same shapes, of any implementation on
    the same weights, labels, noise and settings, or None: then the float64 run's own error. Exact
    means `EXACT`. samples: of the ensemble, even; more make a tighter bound and more work. chance:
    that a false bound is printed, over the draws. Raises InputError. Claim ensemble-flow.

    >>> from varnum.model.flowar.flow_config import flow_preset
    >>> from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise
    >>> from varnum.model.flowar.random_flow_weights import random_flow_model
    >>> model = random_flow_model(flow_preset("flowar-tiny"), seed=0)
    >>> noise = draw_noise(model.config, 1, seed=0)
    >>> flow_error_of(model, [3], noise, settings=FlowSettings(2), samples=8)
    FlowError(every map within ..., proved for this run, up to chance 1e-6)
    >>> flow_error_of(model, [3], noise[:2])
    Traceback (most recent call last):
    varnum.errors.InputError: noise: need shapes [(1, 1, 4), (1, 4, 4), (1, 16, 4)], got ...
    """
    if not isinstance(model, FlowModel):
        kind = type(model).__name__
        raise InputError(f"model: {kind} is not allowed; a FlowModel of varnum.model.flowar")
    plan = Plan(gauss=g.checked_samples(samples), split=False)
    total = g.checked_chance(chance)
    check_settings(settings)
    names = _checked_labels(model, labels)
    starts = _checked_maps(model, noise, len(names), "noise")
    given = None if maps is None else _checked_maps(model, maps, len(names), "maps")
    weights = {name: np.asarray(x) for name, x in model.weights.items()}
    found: list[Accepted] = []
    with certifying():
        for row, label in enumerate(names):
            mine = tuple(x[row] for x in starts)

            def told(text: str, row: int = row) -> None:
                say(f"label {row + 1} of {len(names)}: {text}")

            run = Sampling(weights, model.config, settings, label, mine, told)
            part = Plan(plan.gauss, chance=total / len(names), split=False)
            accepted = certify(run, part, told)
            if isinstance(accepted, Unknown):
                return _refused(model, accepted, total, plan)
            found.append(accepted)
        return _answer(model, found, given, total, plan)


def _checked_labels(model: FlowModel, labels: npt.ArrayLike) -> list[int]:
    names = np.asarray(labels).reshape(-1)
    most = model.config.classes
    if names.dtype.kind not in "iu" or not len(names):
        raise InputError(f"labels: need integers, got {str(labels)[:60]}")
    if names.max() > most or names.min() < -1:
        raise InputError(f"labels: allowed are -1 (no class) to {most}")
    return [int(name) if name >= 0 else most for name in names]


def _checked_maps(model: FlowModel, maps: object, rows: int, what: str) -> list[Floats]:
    """(B, N_k, c) of every scale, exact floats."""
    if not isinstance(maps, Sequence) or isinstance(maps, str):
        raise InputError(f"{what}: need a list of arrays (B, N_k, c), one for each scale")
    found = [exact_floats(x, what) for x in maps]
    try:
        check_noise(model.config, found, rows)
    except InputError as problem:
        raise InputError(str(problem).replace("noise", what, 1)) from None
    return found


def _answer(
    model: FlowModel, found: list[Accepted], given: list[Floats] | None, total: Fraction, plan: Plan
) -> FlowError:
    ends = np.cumsum(model.config.lengths)[:-1]
    centre = np.split(np.stack([a.end.centre for a in found]), ends, axis=1)
    bound = np.split(np.stack([a.end.bound for a in found]), ends, axis=1)
    zero = [np.zeros_like(c) for c in centre]
    apart = zero if given is None else [
        np.abs(x - c) * _UP for x, c in zip(given, centre, strict=True)
    ]  # fmt: skip
    error = [(a + b) * _UP for a, b in zip(apart, bound, strict=True)]
    per_scale = tuple(float_up(e.max()) for e in error)
    return FlowError(
        "proved",
        at_most(total, 1),
        tuple(a.tries for a in found),
        len(plan.slacks),
        plan.gauss,
        float_up(max(b.max() for b in bound)),
        None if given is None else float_up(max(a.max() for a in apart)),
        max(per_scale),
        per_scale,
        commitments=tuple(a.commitment for a in found),
        centre=tuple(centre),
        bound=tuple(bound),
    )


def _refused(model: FlowModel, why: Unknown, total: Fraction, plan: Plan) -> FlowError:
    infinite, tries = float("inf"), len(plan.slacks)
    return FlowError(
        "unknown", at_most(total, 1), (tries,), tries, plan.gauss, infinite, None, infinite,
        (infinite,) * len(model.config.scales), why.reason,
    )  # fmt: skip
