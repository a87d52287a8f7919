"""Pilot, commitment, fresh noise, tries: what makes the chance a chance (claim ensemble-run).

1. A pilot with any noise fixes the radii. 2. What is fixed is hashed. 3. The seed of the try is
drawn from the system after that. 4. All sites are recomputed on the fresh noise; the try is
accepted iff every one holds. Try k has the budget d 2^-k, so that all of them together have d.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from varnum.model.config import VarConfig
from varnum.model.walk import walk
from varnum.propagate.ensemble.cloud import Cloud, Ensemble, Fixed, Kept, Pilot, Refused
from varnum.propagate.ensemble.engine import NUMPY, Engine, zeros
from varnum.propagate.ensemble.noise import Noise
from varnum.propagate.ensemble.ops import Clouds, Logits, Vector, hosted
from varnum.propagate.forms import Floats
from varnum.tensor import Tensor
from varnum.verdict import Unknown


@dataclass(frozen=True)
class Plan:
    """What is declared beforehand: samples, total chance d, tries K, the pilot's slacks."""

    gauss: int = 32
    cauchy: int = 0
    chance: Fraction = Fraction(1, 10**6)
    slacks: tuple[float, ...] = (2.5, 4.0, 8.0)
    floor: float = 0.0
    split: bool = True


@dataclass(frozen=True)
class Tape:
    """Of an accepted try: its radii by place, and numbers of the walk (claim ensemble-reverse)."""

    radii: Mapping[str, list[Floats]]
    places: Mapping[str, list[Kept]]


@dataclass(frozen=True)
class Start:
    """The transformer's run: x (L, C) and AdaLN vectors, each with a bound of its error."""

    weights: Mapping[str, Tensor]
    config: VarConfig
    x: Floats
    x_error: Floats
    conditions: Sequence[tuple[Vector, ...]]
    eta: float = 0.0
    margins: bool = False
    taped: bool = False  # keep what a backward pass needs
    engine: Engine = NUMPY

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each scale."""
        return self.config.lengths

    def through(self, ensemble: Ensemble) -> Logits:
        """From the embeddings to the logits."""
        if self.taped and ensemble.ledger.certifies:
            ensemble.tape = {}
        count, width = self.x.shape
        here = self.engine.array
        with self.engine.guarded():
            x = here(self.x)
            cloud = Cloud(
                x,
                zeros((count, ensemble.rows, width), x),
                here(self.x_error),
                zeros((count,), x),
                zeros((count, ensemble.rows), x),
            )
            ops = Clouds(self.weights, self.config, ensemble, self.eta, self.margins, self.engine)
            vectors = [[tuple(here(v) for v in pair) for pair in six] for six in self.conditions]
            return hosted(walk(ops, ensemble.inject(cloud, "embeddings"), vectors))

    def estimated_forms(self) -> int:
        """Forms of the walk, about: logits, hidden units, attention logits, norms."""
        config = self.config
        length, depth = config.length, config.depth
        each = config.num_heads * length * (length + 8) + length * (config.hidden + 8)
        return 2 * (depth * each + 2 * length * config.vocab_size)

    def fixed(self) -> tuple[str, Mapping[str, Tensor], list[Floats]]:
        """What the commitment hashes: sizes, weights, arrays."""
        vectors = [part for block in self.conditions for pair in block for part in pair]
        named = repr((self.config, self.eta, self.margins, self.engine))
        return named, self.weights, [self.x, self.x_error, *vectors]


class Run(Protocol):
    """What the protocol certifies: a walk through one ensemble (`Start`, `picture.Picture`)."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each scale."""

    def through(self, ensemble: Ensemble) -> Logits:
        """The whole walk: the float run's end and a bound of its deviation."""

    def estimated_forms(self) -> int:
        """Forms of the walk, about; only the pilot goes by it."""

    def fixed(self) -> tuple[str, Mapping[str, Tensor], list[Floats]]:
        """What the commitment hashes: sizes, weights, arrays."""


@dataclass(frozen=True)
class Accepted:
    """An accepted try: the float run's logits with bounds of |exact or perturbed - logits|."""

    end: Logits
    tries: int
    commitment: str
    forms: int
    tape: Tape | None = None


def certify(
    start: Run, plan: Plan, say: Callable[[str], None] = lambda _: None
) -> Accepted | Unknown:
    """Run the protocol; Unknown after the last try, with the site that refused.

    The bound of an accepted try is false with probability at most `plan.chance` over the draws of
    this call, whatever the run and the kernel errors.
    """
    reason, forms = "", 0
    for attempt, slack in enumerate(plan.slacks, start=1):
        budget = plan.chance / 2**attempt
        say(f"try {attempt}: pilot")
        try:
            pilot = Pilot(slack)
            guess = budget / max(forms, start.estimated_forms())
            forms = _walk(start, plan, pilot, os.urandom(32), attempt, guess)[1].forms_used
            commitment = commit(start, plan, pilot.radii, attempt, forms)
            seed = hashlib.sha256(b"varnum chance|" + commitment + os.urandom(32)).digest()
            say(f"try {attempt}: verification")
            fixed = Fixed(pilot.radii)
            end, ensemble = _walk(start, plan, fixed, seed, attempt, budget / forms)
            fixed.end()
            if ensemble.forms_used > forms:
                raise Refused("more forms than were counted")
            if np.isfinite(end.centre).all() and np.isfinite(end.bound).all():
                kept = ensemble.tape
                tape = None if kept is None else Tape(fixed.named, kept)
                return Accepted(end, attempt, commitment.hex(), forms, tape)
            reason = "a logit's bound is not finite"
        except ArithmeticError as refused:  # a site refuses, or nothing can be bounded there
            reason = str(refused)
    return Unknown(f"not certified (try {len(plan.slacks)} of {len(plan.slacks)}): {reason}")


def estimate_bound(start: Run, plan: Plan) -> Logits | None:
    """What a pilot alone would say; None where it is refused. No statement: its noise chose it."""
    chance = plan.chance / 2 / start.estimated_forms()
    try:
        end = _walk(start, plan, Pilot(plan.slacks[0]), os.urandom(32), 1, chance)[0]
    except ArithmeticError:
        return None
    return end if np.isfinite(end.bound).all() else None


def _walk(
    start: Run, plan: Plan, ledger: Pilot | Fixed, seed: bytes, attempt: int, chance: Fraction
) -> tuple[Logits, Ensemble]:
    noise = Noise(seed, attempt, plan.gauss, plan.cauchy)
    ensemble = Ensemble(noise, ledger, start.lengths, chance, plan.floor, plan.split)
    with np.errstate(all="ignore"):  # an infinity is refused by the site that it reaches
        return start.through(ensemble), ensemble


def commit(start: Run, plan: Plan, radii: list[Floats], attempt: int, forms: int) -> bytes:
    """SHA-256 of everything that was fixed: weights, run, radii, sizes of the ensemble."""
    named, weights, arrays = start.fixed()
    digest = hashlib.sha256(repr((plan, named, attempt, forms)).encode())
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(np.asarray(weights[name])).tobytes())
    for array in (*arrays, *radii):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
