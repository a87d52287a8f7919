"""What `error_of` answers: the bounds of a run, in figures, as a document and in words.

Claim ensemble-run; `varnum error` prints it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from varnum.envelope import envelope, plain
from varnum.outward import at_least, at_most, float_up
from varnum.propagate.ensemble.chosen import Chosen
from varnum.propagate.ensemble.engine import NUMPY, assumptions
from varnum.propagate.forms import Floats
from varnum.text import filled
from varnum.value import Value
from varnum.verdict import up_to_chance

ASSUMPTIONS = assumptions(NUMPY)


def sentence_of(chance: str, attempt: int, allowed: int) -> str:
    """What the chance of a run is about, and what it is not."""
    return (
        "Every stated bound holds for this run, proved up to chance: whatever the model, the "
        "input and the kernel errors, the procedure prints a false bound with probability at "
        f"most {chance} over its own random draws (try {attempt} of "
        f"{allowed}, draws taken as independent; seed drawn by this machine after the "
        "bounds were fixed). This is not the probability that a printed bound is false."
    )


@dataclass(frozen=True, repr=False)
class UpToChance(Value):
    """What every run's error has: verdict, chance and tries, and the float64 run beside it.

    rounding_bound: largest |exact - float64 run|; measured: largest |given - float64 run|, None
    where nothing was given.
    """

    verdict: str
    chance: str
    tries: tuple[int, ...]
    allowed: int
    samples: int
    rounding_bound: float
    measured: float | None

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
        return sentence_of(self.chance, max(self.tries, default=0), self.allowed)


@dataclass(frozen=True, repr=False)
class RunError(UpToChance):
    """How wrong a run's logits can be; `centre` and `bound` (B, L, V) enclose the exact ones.

    logit_error: largest bound of |exact - given|, or rounding_bound where no logits were given.
    tokens_certain: of `tokens`, those whose largest logit is certainly the exact model's largest;
    tokens_by_reverse of them only by reverse mode, on `differences` backward passes (margins).
    image_error: as logit_error, of the image in [0, 1]; None where it was not asked for; `image`
    and `image_bound` (B, 3, h, w) enclose the exact one.
    """

    logit_error: float
    logit_error_per_scale: tuple[float, ...]
    tokens_certain: int
    tokens: int
    kernel_error: str | None = None
    image_error: float | None = None
    tokens_by_reverse: int = 0
    differences: int = 0
    reason: str = ""
    commitments: tuple[str, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    bounds_on: str = NUMPY.said()
    assumptions: str = ASSUMPTIONS
    centre: Floats = field(default_factory=lambda: np.zeros(0), compare=False)
    bound: Floats = field(default_factory=lambda: np.zeros(0), compare=False)
    image: Floats = field(default_factory=lambda: np.zeros(0), compare=False)
    image_bound: Floats = field(default_factory=lambda: np.zeros(0), compare=False)

    def summary(self) -> str:
        """One line."""
        if self.verdict != "proved":
            return self.reason
        return f"every logit within {at_most(self.logit_error)}, {self.assurance}"

    def to_dict(self) -> dict[str, object]:
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
            "tokens_by_reverse": self.tokens_by_reverse,
            "differences": self.differences,
            "tokens": self.tokens,
            "bounds_on": self.bounds_on,
            "assumptions": self.assumptions,
            "sentence": self.sentence() if self.verdict == "proved" else "",
            "commitments": list(self.commitments),
            "chosen": [logit.to_dict() for logit in self.chosen],
            "reason": self.reason,
        }
        document: dict[str, object] = plain(
            envelope(
                "varnum/error/2", content, verdict=self.verdict, assurance=self.assurance,
                exit_code=self.exit_code,
            )
        )  # fmt: skip
        return document

    def __str__(self) -> str:
        if self.verdict != "proved":
            return self.reason
        lines = [] if self.kernel_error is None else [f"kernel error       {self.kernel_error}"]
        lines += [
            f"logits within      {at_most(self.logit_error)} of the exact model's",
            f"  by scale         {', '.join(at_most(e, 2) for e in self.logit_error_per_scale)}",
            f"float64 rounding   {at_most(self.rounding_bound)}",
        ]
        if self.measured is not None:
            lines.append(f"measured           {at_most(self.measured)} from the float64 run")
        if self.image_error is not None:
            lines.append(f"image within       {at_most(self.image_error)} of the exact model's")
        lines += [
            f"logit {logit.name():<12} {at_most(logit.error)}, sequence {logit.sequence}"
            for logit in self.chosen
        ]
        percent = at_least(Fraction(100 * self.tokens_certain, self.tokens))
        by = f", {self.tokens_by_reverse} of them by {self.differences} backward passes"
        lines += [
            f"tokens certain     {self.tokens_certain} of {self.tokens} ({percent} %)"
            + (by if self.differences else ""),
            f"assurance          {self.assurance}",
            filled(f"                   {self.sentence()}", indent=" " * 19),
            filled(f"assumed            {self.assumptions}", indent=" " * 19),
        ]
        return "\n".join(lines)
