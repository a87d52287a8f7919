"""error_over(model, prompts): the error of a run for inputs drawn at random, not for one run alone.

Each input (a label, and the tokens that the float64 run draws for it, without guidance or filters)
gets a bound B of its run's error from the ensembles, with fresh noise; a refused run counts as
infinite. What the sample of bounds says of all inputs is claim error-over-inputs; the distance of
the two laws of images, generation-tv.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.balls.exact import to_text
from varnum.envelope import envelope, plain
from varnum.errors import InputError
from varnum.floats.guard import certifying
from varnum.model.backend import Backend
from varnum.model.generate import Model, Settings, generate
from varnum.outward import at_most, float_down, float_up
from varnum.propagate.ensemble.engine import Engine, assumptions
from varnum.propagate.ensemble.error import SAMPLES, error_of
from varnum.propagate.ensemble.given import checked_error, checked_model
from varnum.propagate.ensemble.run_error import ASSUMPTIONS, RunError
from varnum.sampled.mean import mean_above
from varnum.sampled.share import share_above
from varnum.sampled.stop import certainly_rare
from varnum.text import filled
from varnum.value import Value

MOST = 1 << 16
Run = Callable[[Any, Any], Any]  # labels (1,), tokens (1, L) -> logits (1, L, V) of what is judged


@dataclass(frozen=True, repr=False)
class OverPrompts(Value):
    """For an input drawn from `law`: P(logit error > error_above) <= share, up to `confidence`.

    bounds: one per run, infinite where refused; share has the chance of a false bound of that run
    in it. distance: upper bound of the total variation between the exact model's tokens and those
    of the run that was judged, None where no run was.
    """

    law: str
    prompts: int
    refused: int
    confidence: str
    error_above: float
    share: float
    stopped: bool
    distance: float | None
    bounds: tuple[float, ...]
    assumptions: str = ASSUMPTIONS

    @property
    def verdict(self) -> str:
        """proved, or unknown where the sample says nothing."""
        return "proved" if self.share < 1 and self.error_above < float("inf") else "unknown"

    @property
    def exit_code(self) -> int:
        """0, or 3 where nothing follows."""
        return 0 if self.verdict == "proved" else 3

    @property
    def assurance(self) -> str:
        """Of the table of words."""
        return f"with high probability, chance {self.confidence}"

    def summary(self) -> str:
        """One line."""
        return (
            f"for {self.law}: logits off by more than {at_most(self.error_above)} with probability "
            f"at most {at_most(self.share)}"
        )

    def sentence(self) -> str:
        """What was drawn, what is claimed, with which chance."""
        return (
            f"Of {self.prompts} inputs drawn from {self.law}; the share is below the truth with "
            f"probability at most {self.confidence} over these draws. Refused runs "
            f"({self.refused}) count as infinite."
        )

    def to_dict(self) -> dict[str, Any]:
        """What `varnum error --prompts N --json` prints."""
        content = {
            "law": self.law, "prompts": self.prompts, "refused": self.refused,
            "confidence": float_up(self.confidence), "error_above": self.error_above,
            "share": self.share, "stopped": self.stopped, "distance": self.distance,
            "bounds": list(self.bounds), "assumptions": self.assumptions,
            "sentence": self.sentence(),
        }  # fmt: skip
        document: dict[str, Any] = plain(
            envelope(
                "varnum/error-over/1", content, verdict=self.verdict, assurance=self.assurance,
                exit_code=self.exit_code,
            )
        )  # fmt: skip
        return document

    def __str__(self) -> str:
        lines = [
            f"logits off by more  {at_most(self.error_above)}",
            f"  with probability  at most {at_most(self.share)}",
        ]
        if self.distance is not None:
            lines.append(
                f"total variation     at most {at_most(self.distance)}, of all tokens drawn"
            )
        lines += [
            filled(f"inputs              {self.sentence()}", indent=" " * 20),
            filled(f"assumed             {self.assumptions}", indent=" " * 20),
        ]
        return "\n".join(lines)


def error_over(
    model: Model,
    prompts: int,
    *,
    labels: Sequence[int] | None = None,
    run: Run | None = None,
    within: str | Fraction | None = None,
    share: str | Fraction | None = None,
    skip: int = 0,
    confidence: str | Fraction = "1e-6",
    samples: int = SAMPLES,
    bounds_on: str = "numpy",
    say: Callable[[str], None] = lambda _: None,
) -> OverPrompts:
    """How large the error is for most inputs of a law, from `prompts` of them.

    The law: a label drawn uniformly (of `labels`, or of all classes), tokens drawn by the float64
    run, no guidance, no filter. run: what is judged, called with the drawn label and tokens; None:
    the float64 run itself. within: the share of inputs with a larger error; None: the error that
    is the largest but `skip` (fixed beforehand) of the sample. share: with `within`, stop as soon
    as it is certain that fewer exceed it. confidence: chance that a statement is false over the
    draws of inputs. Raises InputError. Claims error-over-inputs, generation-tv.

    >>> from varnum.model.config import VaeConfig, VarConfig
    >>> from varnum.model.random_weights import random_model
    >>> sizes = {"patch_nums": (1, 2), "vocab_size": 12, "Cvae": 4}
    >>> var = VarConfig(depth=1, embed_dim=8, num_heads=1, num_classes=3, **sizes)
    >>> model = random_model(var, VaeConfig(ch=32, ch_mult=(1,), num_res_blocks=1, **sizes), seed=0)
    >>> found = error_over(model, 2, confidence="1/10", samples=4)
    >>> found.prompts, found.error_above == max(found.bounds)
    (2, True)
    >>> error_over(model, 0)
    Traceback (most recent call last):
    varnum.errors.InputError: prompts: 0 is not allowed; 1 to 65536
    """
    if type(prompts) is not int or not 1 <= prompts <= MOST:
        raise InputError(f"prompts: {prompts} is not allowed; 1 to {MOST}")
    if type(skip) is not int or not 0 <= skip < prompts:
        raise InputError(f"skip: {skip} is not allowed; 0 to below prompts")
    delta = checked_error(confidence, "confidence", Fraction(1, 2))
    limit = None if within is None else float_down(checked_error(within, "within", Fraction(10**9)))
    goal = None if share is None else checked_error(share, "share", Fraction(1))
    if goal is not None and limit is None:
        raise InputError("share: it belongs to within; give both")
    checked_model(model)
    if run is not None and not callable(run):
        raise InputError(f"run: {type(run).__name__} cannot be called; labels, tokens -> logits")
    names = _labels(model.var.num_classes, labels)
    part = delta if run is None else delta / 2  # the distance is a second statement
    bounds, parted, stopped = [], [], False
    for i in range(prompts):
        say(f"input {i + 1} of {prompts}")
        found, apart = _one(model, names, run, samples, delta, bounds_on)
        bounds.append(found)
        parted.append(apart)
        bad = sum(b > limit for b in bounds) if limit is not None else 0
        if goal is not None and certainly_rare(bad, len(bounds) - bad, goal, part):
            stopped = True
            break
    above, most = _statement(bounds, limit, goal, stopped, skip, part)
    return OverPrompts(
        law=f"a label uniform over {len(names)} classes, tokens drawn by the float64 run",
        prompts=len(bounds),
        refused=sum(b == float("inf") for b in bounds),
        confidence=to_text(delta),
        error_above=above,
        share=float_up(min(Fraction(1), most + delta)),  # delta: that run's own chance
        stopped=stopped,
        # a run stopped early has not the fixed number of draws that this bound is for
        distance=None
        if run is None or goal is not None
        else float_up(min(Fraction(1), mean_above(parted, delta / 2) + delta + _draws(model))),
        bounds=tuple(bounds),
        assumptions=assumptions(Engine(bounds_on), exp=run is not None),
    )


def _statement(
    bounds: list[float],
    limit: float | None,
    goal: Fraction | None,
    stopped: bool,
    skip: int,
    chance: Fraction,
) -> tuple[float, Fraction]:
    """(t, p): P(B > t) <= p."""
    if limit is None:  # t is an order statistic: B > t as rarely as `skip` of the draws allow
        return sorted(bounds)[-1 - skip], share_above(skip, len(bounds), chance)
    if goal is not None:  # the number of draws was not fixed: only what the bet shows
        return limit, goal if stopped else Fraction(1)
    return limit, share_above(sum(b > limit for b in bounds), len(bounds), chance)


def _labels(classes: int, labels: Sequence[int] | None) -> list[int]:
    """What is drawn from; whole numbers only, for 0.5 would be drawn as 0."""
    if labels is None:
        return list(range(classes))
    found = np.asarray(labels, dtype=object)
    if found.ndim != 1 or not all(isinstance(x, int | np.integer) for x in found):
        raise InputError(f"labels: {labels!r} is not allowed; a list of whole numbers")
    if not len(found):
        raise InputError("labels: none to draw from")
    return [int(x) for x in found]


def _one(
    model: Model,
    labels: list[int],
    run: Run | None,
    samples: int,
    chance: Fraction,
    bounds_on: str,
) -> tuple[float, float]:
    """(B, how probably the two laws part on this input): of one input, drawn here."""
    seed = int.from_bytes(os.urandom(16), "little")
    rng = np.random.default_rng(seed)
    label = np.array([labels[int(rng.integers(len(labels)))]])
    drawn = Settings(top_k=0, seed=int(rng.integers(1 << 62)))
    scales = list(generate(model.to(Backend("numpy", "float64")), label, drawn))
    tokens = np.concatenate([s.tokens for s in scales], axis=1)
    law = np.concatenate([np.asarray(s.logits) for s in scales], axis=1)  # of the draws, (1, L, V)
    # copies: what is judged may write to what it is given
    given = None if run is None else np.array(run(label.copy(), tokens.copy()), dtype=np.float64)
    if given is not None and not np.isfinite(given).all():
        return float("inf"), 1.0
    found: RunError = error_of(
        model, label, tokens, given, samples=samples, chance=min(chance, Fraction(1, 100)),
        bounds_on=bounds_on,
    )  # fmt: skip
    if found.exit_code:
        return float("inf"), 1.0
    if given is None:
        return found.logit_error, 0.0
    with certifying():
        zeta = (np.abs(found.centre - law) + found.bound).max(-1)[0]  # exact against the draws' law
        exact = -2 * zeta * (1 + 2.0**-40)  # log of p_t / q_t from below
        other = np.minimum(0, _logs(given, tokens) - _logs(law, tokens)) - _slack(law, given)
        return found.logit_error, parting(exact, other)


def parting(*logs: Any) -> float:
    """min(1, sum over laws of 1 - prod_t min(1, p_t(x_t)/q_t(x_t))), from log ratios, upward."""
    total = 0.0
    for ratio in logs:
        low = np.minimum(ratio, 0.0).sum() * (1 + 2.0**-40) - 1e-12
        total += float(-np.expm1(low)) * (1 + 2.0**-40) + 2.0**-50
    return min(1.0, total)


def _logs(logits: Any, tokens: Any) -> Any:
    """log p_t(x_t) of the softmax of (1, L, V) at tokens (1, L): (L,)."""
    x = logits[0] - logits[0].max(-1, keepdims=True)
    chosen = np.take_along_axis(x, tokens[0][:, None], -1)[:, 0]
    return chosen - np.log(np.exp(x).sum(-1))


def _draws(model: Model) -> Fraction:
    """How far draws by cumulative sums in float64 are from their probabilities, all tokens."""
    return Fraction(model.var.length * model.var.vocab_size, 1 << 48)


def _slack(*logits: Any) -> float:
    """Of the float logarithms, generously."""
    size = max(float(np.abs(x).max()) for x in logits)
    return float((size + logits[0].shape[-1]) * 2.0**-45)
