"""The error of a run: exact logits enclosed, and with them how wrong any other run's logits are.

`error_of` is what `varnum error` prints. Claim ensemble-run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from varnum.balls.exact import parse, to_text
from varnum.errors import InputError
from varnum.floats.guard import certifying
from varnum.model.generate import Model
from varnum.outward import at_most, float_up
from varnum.propagate.ensemble import given as g
from varnum.propagate.ensemble.chosen import Chosen, certified, checked_chosen
from varnum.propagate.ensemble.embeddings import conditions, embedded, latent
from varnum.propagate.ensemble.engine import Engine, assumptions
from varnum.propagate.ensemble.margins import Certain, certain, clear_rivals
from varnum.propagate.ensemble.ops import Logits
from varnum.propagate.ensemble.picture import Image, Picture, check_memory, unit_image
from varnum.propagate.ensemble.protocol import Accepted, Plan, Start, certify, estimate_bound
from varnum.propagate.ensemble.run_error import RunError
from varnum.propagate.forms import Floats
from varnum.tensor import Mask
from varnum.verdict import Unknown

SAMPLES = 32
KERNEL_PLAN = (128, 256)  # Gauss and Cauchy samples where kernels err
FLOOR = 2.0**-20  # of the pilot's supremum: the least radius there, so that Theta stays small
SEARCHES = 3  # certificates that a search for the largest kernel error may draw


def error_of(
    model: Model,
    labels: npt.ArrayLike,
    tokens: npt.ArrayLike,
    logits: npt.ArrayLike | None = None,
    *,
    image: npt.ArrayLike | None = None,
    decode: bool = False,
    kernel_error: str | Fraction | None = None,
    model_error: str | Fraction | None = None,
    margins: bool = False,
    chosen: Iterable[Sequence[int]] | None = None,
    samples: int = SAMPLES,
    chance: str | Fraction = "1e-6",
    bounds_on: str = "numpy",
    say: Callable[[str], None] = lambda _: None,
) -> RunError:
    """How far logits are from those of the exact model on the same weights and tokens.

    labels (B,) or one for all; tokens (B, L), small scales first; logits (B, L, V), of any
    implementation, or None: then the float64 run's own error. kernel_error: of every model whose
    attention weights are off by at most that, relatively, entry by entry, in every layer;
    model_error: the largest kernel error that is verified to keep every logit within it (one
    sequence). margins: bound differences of logits too, for more certain tokens, and those that
    stay open in reverse mode, at no further chance. chosen: logits
    (token, id), or differences (token, id, other) of two, bounded more sharply in reverse mode
    (claim ensemble-reverse), at no further chance. samples: of the ensemble, even; more make a
    tighter bound and more work. chance: that a false bound is printed, over the draws; images take
    half of it. image (B, 3, h, w) in [0, 1], of any implementation's
    decoder on these tokens, is bounded too; decode: without one, the float64 run's. bounds_on:
    what computes the ensembles of the logits, numpy, torch (its CPU), cuda or cuda:N; images and
    chosen logits are NumPy's. Raises InputError, MissingExtra. Claim ensemble-run.

    >>> from varnum.model.config import VaeConfig, VarConfig
    >>> from varnum.model.random_weights import random_model
    >>> sizes = {"patch_nums": (1, 2), "vocab_size": 12, "Cvae": 4}
    >>> var = VarConfig(depth=1, embed_dim=8, num_heads=1, num_classes=3, **sizes)
    >>> model = random_model(var, VaeConfig(ch=32, ch_mult=(1,), num_res_blocks=1, **sizes), seed=0)
    >>> error_of(model, 0, [[0, 1, 2, 3, 4]], samples=4)
    RunError(every logit within ..., proved for this run, up to chance 1e-6)
    >>> error_of(model, 0, [[0, 1, 2, 3, 4]], samples=5)
    Traceback (most recent call last):
    varnum.errors.InputError: samples: 5 is odd; allowed are even numbers from 4 to 4096
    """
    g.checked_model(model)
    engine = Engine(bounds_on)
    plan = Plan(gauss=g.checked_samples(samples))
    total = g.checked_chance(chance)
    wanted = checked_chosen(model, chosen)
    ids, label_of = g.checked_tokens(model, labels, tokens)
    given = None if logits is None else g.checked_logits(model, logits, len(ids))
    if sum(x is not None for x in (logits, kernel_error, model_error)) > 1:
        raise InputError("logits: give one of logits, kernel_error and model_error")
    if model_error is not None and len(ids) > 1:
        raise InputError("model_error: one sequence of tokens at a time")
    eps = None if kernel_error is None else g.checked_error(kernel_error, "kernel_error", ONE)
    target = None if model_error is None else g.checked_error(model_error, "model_error", LARGE)
    if (decode or image is not None) and (kernel_error is not None or model_error is not None):
        raise InputError("image: no bound for a kernel error; for one run only")
    decode = decode or image is not None
    if decode:
        check_memory(model.vae, plan.gauss)
    shown = None if image is None else g.checked_image(model, image, len(ids))
    answers: list[_Found] = []
    images: list[Image] = []
    sharp: list[Chosen] = []
    with certifying():
        for row, sequence in enumerate(ids):
            say(f"sequence {row + 1} of {len(ids)}")
            x, error = embedded(model, label_of[row], sequence)
            vectors = conditions(model, label_of[row])
            start = Start(
                model.var_weights, model.var, x, error, vectors,
                margins=margins, taped=bool(wanted) or margins, engine=engine,
            )  # fmt: skip
            part = replace(plan, chance=total / len(ids) / (2 if decode else 1))
            found = _one(start, part, eps, target, say)
            if isinstance(found, Unknown):
                return _refused(model, found, total, plan)
            mine = None if given is None else given[row]
            sharp += certified(start, found.exact, found.perturbed, mine, wanted, row)
            answers.append(found.judged(start, margins, mine))
            if decode:
                say(f"image {row + 1} of {len(ids)}")
                picture = Picture(model.vae_weights, model.vae, *latent(model, sequence))
                drawn = certify(picture, replace(part, split=False), say)
                if isinstance(drawn, Unknown):
                    return _refused(model, Unknown(f"image: {drawn.reason}"), total, plan)
                answers[-1] = replace(answers[-1], picture=drawn)
                images.append(unit_image(drawn.end, model.vae))
        answer = replace(
            _answer(model, answers, given, total, plan), chosen=tuple(sharp),
            bounds_on=engine.said(), assumptions=assumptions(engine),
        )  # fmt: skip
        return _with_image(answer, images, shown) if decode else answer


ONE, LARGE = Fraction(1), Fraction(10**6)


@dataclass(frozen=True)
class _Found:
    """One sequence: the exact model's certificate, and that of all models within a kernel error."""

    exact: Accepted
    perturbed: Accepted | None = None
    eps: Fraction | None = None
    picture: Accepted | None = None
    certain: Certain | None = None

    def judged(self, start: Start, margins: bool, given: Floats | None) -> _Found:
        """With its certain tokens, and without what backward passes read."""
        ends = [a for a in (self.exact, self.perturbed) if a is not None]
        like = given is None or given.argmax(-1) == self.exact.end.centre.argmax(-1)
        sure = certain(start, ends, margins, like)
        bare = [replace(a, tape=None) for a in ends]
        return replace(self, exact=bare[0], perturbed=bare[-1] if bare[1:] else None, certain=sure)

    def error(self) -> Floats:
        """Bound of |perturbed - exact|, or of |exact - centre|, (L, V)."""
        bound = np.asarray(self.exact.end.bound)
        if self.perturbed is None:
            return bound
        end = self.perturbed.end
        apart = np.abs(end.centre - self.exact.end.centre)  # zero, if two runs are one
        return np.asarray((bound + end.bound + apart) * (1 + 2.0**-50))


def _one(
    start: Start,
    plan: Plan,
    eps: Fraction | None,
    target: Fraction | None,
    say: Callable[[str], None],
) -> _Found | Unknown:
    if eps is None and target is None:
        exact = certify(start, plan, say)
        return exact if isinstance(exact, Unknown) else _Found(exact)
    half = replace(plan, chance=plan.chance / 2)
    exact = certify(start, half, say)
    if isinstance(exact, Unknown):
        return exact
    if eps is not None:
        found = certify(_with_kernel(start, eps), _kernel_plan(half), say)
        return found if isinstance(found, Unknown) else _Found(exact, found, eps)
    return _search(start, half, exact, target or ONE, say)


def _kernel_plan(plan: Plan, share: int = 1) -> Plan:
    gauss, cauchy = KERNEL_PLAN
    return Plan(gauss, cauchy, plan.chance / share, (2.0, 3.0, 4.5), FLOOR)


def _with_kernel(start: Start, eps: Fraction) -> Start:
    """Kernel entries times (1 + e), |e| <= eps: atanh(eps) on the logarithmic scale."""
    return replace(start, eta=math.atanh(float_up(eps)) * (1 + 2.0**-40))


def _search(
    start: Start, plan: Plan, exact: Accepted, target: Fraction, say: Callable[[str], None]
) -> _Found | Unknown:
    """The largest kernel error within reach: pilots (free) look for it, certificates decide."""
    room = float(target) - float(exact.end.bound.max())
    kernel = _kernel_plan(plan, SEARCHES)
    eps = _promising(start, kernel, room, say)
    reason = "no kernel error above 1e-12 keeps the logits within it"
    for _ in range(SEARCHES if eps > 0 else 0):
        exact_eps = parse(f"{eps:.3e}", "kernel_error")
        say(f"kernel error {eps:.3e}")
        found = certify(_with_kernel(start, exact_eps), kernel, say)
        if isinstance(found, Unknown):
            reason, eps = found.reason, eps * 0.8
            continue
        answer = _Found(exact, found, exact_eps)
        reached = float(answer.error().max())
        if reached <= target:
            return answer
        reason, eps = "the bound is above it", eps * 0.97 * float(target) / reached
    return Unknown(f"model_error: {reason}")


def _promising(start: Start, plan: Plan, room: float, say: Callable[[str], None]) -> float:
    """A kernel error whose pilot stays within `room`; 0 where none does."""
    best, eps = 0.0, 1e-6
    for step in range(9):
        say(f"pilot {step + 1}: kernel error {eps:.2e}")
        end = estimate_bound(_with_kernel(start, Fraction(eps)), plan)
        reached = math.inf if end is None else float(end.bound.max())
        if reached <= 0.97 * room:
            best = max(best, eps)
        if best and best < eps <= 1.15 * best:
            break
        grow = 0.95 * room / reached if 0 < reached < math.inf else 0.3
        trial = eps * min(max(grow, 0.2), 1000.0)
        eps = min(trial if not best or reached <= room else math.sqrt(best * eps), 0.5)
        if eps < 1e-12:
            break
        if best and abs(eps - best) <= 0.05 * best:
            break
    return best


def _answer(
    model: Model, found: list[_Found], given: Floats | None, total: Fraction, plan: Plan
) -> RunError:
    centre = np.stack([f.exact.end.centre for f in found])
    bound = np.stack([f.exact.end.bound for f in found])
    difference = np.zeros_like(centre) if given is None else np.abs(given - centre) * (1 + 2.0**-50)
    error = (difference + np.stack([f.error() for f in found])) * (1 + 2.0**-50)
    ends = np.cumsum(model.var.lengths)[:-1]
    like = np.full(centre.shape[:2], True)
    if given is not None:
        like = given.argmax(-1) == centre.argmax(-1)
    judged = [f.certain for f in found if f.certain is not None]
    sure, late = (
        like & np.stack([getattr(j, name) for j in judged]) for name in ("tokens", "reverse")
    )
    both = [a for f in found for a in (f.exact, f.perturbed, f.picture) if a is not None]
    eps = found[0].eps
    return RunError(
        "proved",
        at_most(total, 1),
        tuple(a.tries for a in both),
        len(plan.slacks),
        plan.gauss,
        float_up(bound.max()),
        None if given is None else float_up(difference.max()),
        float_up(error.max()),
        tuple(float_up(part.max()) for part in np.split(error, ends, axis=1)),
        int(sure.sum()),
        int(sure.size),
        tokens_by_reverse=int(late.sum()),
        differences=sum(j.passes for j in judged),
        kernel_error=None if eps is None else to_text(eps),
        commitments=tuple(a.commitment for a in both),
        centre=centre,
        bound=bound,
    )


def _with_image(answer: RunError, images: list[Image], given: Floats | None) -> RunError:
    centre = np.stack([image.centre for image in images])
    bound = np.stack([image.bound for image in images])
    difference = 0.0 if given is None else np.abs(given - centre) * (1 + 2.0**-50)
    error = float_up(((difference + bound) * (1 + 2.0**-50)).max())
    return replace(answer, image_error=error, image=centre, image_bound=bound)


def _refused(model: Model, why: Unknown, total: Fraction, plan: Plan) -> RunError:
    infinite, tries = float("inf"), len(plan.slacks)
    return RunError(
        "unknown", at_most(total, 1), (tries,), tries, plan.gauss, infinite, None, infinite,
        (infinite,) * model.var.scales, 0, 0, reason=why.reason,
    )  # fmt: skip


def certain_tokens(end: Logits) -> Mask:
    """Which tokens' largest logit is certain by these bounds: (L,)."""
    sure: Mask = np.all(clear_rivals(end), axis=-1)
    return sure
