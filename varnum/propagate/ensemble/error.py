"""The error of a run: exact logits enclosed, and with them how wrong any other run's logits are.

`error_of` is what `varnum error` prints. Claim ensemble-run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.balls.exact import parse
from varnum.envelope import envelope, plain
from varnum.errors import InputError
from varnum.floats.guard import certifying
from varnum.model.generate import Model
from varnum.outward import at_least, at_most, float_up
from varnum.propagate.checked import exact_floats, whole
from varnum.propagate.ensemble.inputs import conditions, embedded
from varnum.propagate.ensemble.protocol import Accepted, Plan, Start, certify
from varnum.propagate.forms import Floats
from varnum.text import filled
from varnum.value import Value
from varnum.verdict import Unknown, up_to_chance

SAMPLES = 32
ASSUMPTIONS = (
    "exp within 4 units in the last place; float64 products are sums of products, not emulated; "
    "NumPy's Philox-4x64 generator taken as random"
)


@dataclass(frozen=True, repr=False)
class RunError(Value):
    """How wrong a run's logits can be; `centre` and `bound` (B, L, V) enclose the exact ones.

    rounding_bound: largest |exact - float64 run|; measured: largest |given - float64 run|, None
    where no logits were given; logit_error: largest bound of |exact - given|, or rounding_bound.
    tokens_certain: of `tokens`, those whose largest logit is certainly the exact model's largest.
    """

    verdict: str
    chance: str
    tries: tuple[int, ...]
    allowed: int
    samples: int
    rounding_bound: float
    measured: float | None
    logit_error: float
    logit_error_per_scale: tuple[float, ...]
    tokens_certain: int
    tokens: int
    kernel_error: str | None = None
    image_error: float | None = None
    reason: str = ""
    commitments: tuple[str, ...] = ()
    centre: Floats = field(default_factory=lambda: np.zeros(0), compare=False)
    bound: Floats = field(default_factory=lambda: np.zeros(0), compare=False)

    @property
    def assurance(self) -> str:
        """On what it rests."""
        return up_to_chance(self.chance)

    @property
    def exit_code(self) -> int:
        """0, or 3 where nothing was certified."""
        return 0 if self.verdict == "proved" else 3

    def sentence(self) -> str:
        """What the chance is about, and what it is not."""
        return (
            "Every stated bound holds for this run, proved up to chance: whatever the model, the "
            "input and the kernel errors, the procedure prints a false bound with probability at "
            f"most {self.chance} over its own random draws (try {max(self.tries, default=0)} of "
            f"{self.allowed}, draws taken as independent; seed drawn by this machine after the "
            "bounds were fixed). This is not the probability that a printed bound is false."
        )

    def summary(self) -> str:
        """One line."""
        if self.verdict != "proved":
            return self.reason
        return f"every logit within {at_most(self.logit_error)}, {self.assurance}"

    def to_dict(self) -> dict[str, Any]:
        """What `varnum error --json` prints."""
        content = {
            "chance": float_up(self.chance),
            "tries": max(self.tries, default=0),
            "allowed_tries": self.allowed,
            "samples": self.samples,
            "rounding_bound": self.rounding_bound,
            "measured": self.measured,
            "logit_error": self.logit_error,
            "logit_error_per_scale": list(self.logit_error_per_scale),
            "image_error": self.image_error,
            "kernel_error": None if self.kernel_error is None else float_up(self.kernel_error),
            "tokens_certain": self.tokens_certain,
            "tokens": self.tokens,
            "assumptions": ASSUMPTIONS,
            "sentence": self.sentence() if self.verdict == "proved" else "",
            "commitments": list(self.commitments),
            "reason": self.reason,
        }
        document: dict[str, Any] = plain(
            envelope(
                "varnum/error/2", content, verdict=self.verdict, assurance=self.assurance,
                exit_code=self.exit_code,
            )
        )  # fmt: skip
        return document

    def __str__(self) -> str:
        if self.verdict != "proved":
            return self.reason
        lines = [
            f"logits within      {at_most(self.logit_error)} of the exact model's",
            f"  by scale         {', '.join(at_most(e, 2) for e in self.logit_error_per_scale)}",
            f"float64 rounding   {at_most(self.rounding_bound)}",
        ]
        if self.measured is not None:
            lines.append(f"measured           {at_most(self.measured)} from the float64 run")
        percent = at_least(Fraction(100 * self.tokens_certain, self.tokens))
        lines += [
            f"tokens certain     {self.tokens_certain} of {self.tokens} ({percent} %)",
            f"assurance          {self.assurance}",
            filled(f"                   {self.sentence()}", indent=" " * 19),
            filled(f"assumed            {ASSUMPTIONS}", indent=" " * 19),
        ]
        return "\n".join(lines)


def error_of(
    model: Model,
    labels: Any,
    tokens: Any,
    logits: Any = None,
    *,
    samples: int = SAMPLES,
    chance: str | Fraction = "1e-6",
    say: Callable[[str], None] = lambda _: None,
) -> RunError:
    """How far logits are from those of the exact model on the same weights and tokens.

    labels (B,) or one for all; tokens (B, L), small scales first; logits (B, L, V), of any
    implementation, or None: then the float64 run's own error. samples: of the ensemble, even; more
    make a tighter bound and more work. chance: that a false bound is printed, over the draws.
    Raises InputError. Claim ensemble-run.
    """
    whole(samples, 4, 4096, "samples")
    if samples % 2:
        raise InputError(f"samples: {samples} is odd; allowed are even numbers from 4 to 4096")
    total = _chance(chance)
    ids, label_of = _tokens(model, labels, tokens)
    given = None if logits is None else _logits(model, logits, len(ids))
    plan = Plan(gauss=samples, chance=total / len(ids))
    found: list[Accepted] = []
    with certifying():
        for row, sequence in enumerate(ids):
            say(f"sequence {row + 1} of {len(ids)}")
            x, error = embedded(model, label_of[row], sequence)
            start = Start(model.var_weights, model.var, x, error, conditions(model, label_of[row]))
            accepted = certify(start, plan, say)
            if isinstance(accepted, Unknown):
                return _refused(model, accepted, total, plan, samples)
            found.append(accepted)
        return _answer(model, found, given, total, plan, samples)


def _answer(
    model: Model,
    found: list[Accepted],
    given: Floats | None,
    total: Fraction,
    plan: Plan,
    samples: int,
) -> RunError:
    centre = np.stack([f.logits for f in found])
    bound = np.stack([f.bound for f in found])
    difference = np.zeros_like(centre) if given is None else np.abs(given - centre) * (1 + 2.0**-50)
    error = (difference + bound) * (1 + 2.0**-50)
    ends = np.cumsum(model.var.lengths)[:-1]
    certain = certain_tokens(centre, bound, given)
    return RunError(
        "proved",
        at_most(total, 1),
        tuple(f.tries for f in found),
        len(plan.slacks),
        samples,
        float_up(bound.max()),
        None if given is None else float_up(difference.max()),
        float_up(error.max()),
        tuple(float_up(part.max()) for part in np.split(error, ends, axis=1)),
        int(certain.sum()),
        int(certain.size),
        commitments=tuple(f.commitment for f in found),
        centre=centre,
        bound=bound,
    )


def _refused(model: Model, why: Unknown, total: Fraction, plan: Plan, samples: int) -> RunError:
    infinite = float("inf")
    tries = len(plan.slacks)
    return RunError(
        "unknown", at_most(total, 1), (tries,), tries, samples, infinite, None, infinite,
        (infinite,) * model.var.scales, 0, 0, reason=why.reason,
    )  # fmt: skip


def certain_tokens(centre: Floats, bound: Floats, given: Floats | None = None) -> Any:
    """Which tokens' largest logit is certain: (.., L, V) twice -> (.., L).

    The exact model's largest logit stands where centre - bound is above every other centre + bound;
    given logits agree with it where theirs is the same.
    """
    best = centre.argmax(-1)
    low = np.take_along_axis(centre - bound, best[..., None], -1)[..., 0]
    high = centre + bound
    np.put_along_axis(high, best[..., None], -np.inf, -1)
    rounding = 2.0**-50 * (np.abs(low) + np.abs(centre).max(-1))
    sure = low - high.max(-1) > rounding
    return sure if given is None else sure & (given.argmax(-1) == best)


def _chance(chance: str | Fraction) -> Fraction:
    value = parse(chance, "chance")
    if not 0 < value <= Fraction(1, 100):
        raise InputError(f"chance: {chance} is not allowed; above 0 and at most 1/100")
    if value < Fraction(1, 1 << 100):
        raise InputError("chance: below 2^-100 the draws themselves are not that good")
    return value


def _tokens(model: Model, labels: Any, tokens: Any) -> tuple[Any, list[int]]:
    var = model.var
    ids = np.asarray(tokens)
    if ids.ndim != 2 or ids.shape[1] != var.length or ids.dtype.kind not in "iu" or not len(ids):
        raise InputError(
            f"tokens: need integers of shape (B, {var.length}), got {ids.dtype} of {ids.shape}"
        )
    if ids.min() < 0 or ids.max() >= var.vocab_size:
        raise InputError(f"tokens: allowed are 0 to {var.vocab_size - 1}")
    names = np.asarray(labels).reshape(-1)
    if names.dtype.kind not in "iu" or len(names) not in (1, len(ids)):
        raise InputError(f"labels: need 1 or {len(ids)} integers, got {str(labels)[:60]}")
    if names.max() > var.num_classes:
        raise InputError(f"labels: allowed are -1 (no class) to {var.num_classes}")
    return ids, [int(names[row % len(names)]) for row in range(len(ids))]


def _logits(model: Model, logits: Any, rows: int) -> Floats:
    given = exact_floats(logits, "logits")
    if given.ndim == 2:
        given = given[None]
    expected = (rows, model.var.length, model.var.vocab_size)
    if given.shape != expected:
        raise InputError(f"logits: shape {given.shape}, expected {expected}")
    return given
