"""The question, exactly: logits up to M and a target error, from whatever the user knows."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from varnum.approx.target import ErrorKind, Target, additive, relative
from varnum.balls import parse
from varnum.balls.exact import round_decimal
from varnum.balls.scalar import ball, lower, precision, upper
from varnum.cost.schedule import Schedule, geometric, parse_schedule
from varnum.errors import InputError
from varnum.formulas import cost as cost_forms
from varnum.model.config import PRESETS
from varnum.outward import at_most

Number = str | int | Fraction
LARGEST_M = Fraction(10**6)  # beyond it even the closed form's rank is of no use
LARGEST_D = 10**5
SMALLEST_ERROR = Fraction(1, 10**300)

# exp(float32 log 100) = 100.00000639.., the cap of the learned scale of l2-normalised heads
LOGIT_CAP = Fraction("100.0000065")


@dataclass(frozen=True)
class Question:
    """What is asked, exactly. M_low <= M <= M_high; equal unless sigma is irrational.

    error "relative": eps is entrywise relative on [-M, M]; "additive": additive on [-W, 0], and
    M_low, M_high hold W.
    """

    M_low: Fraction
    M_high: Fraction
    eps: Fraction
    error: ErrorKind
    d: int | None
    d_v: int | None
    sigma: str | None
    R: Fraction | None
    schedule: Schedule | None
    alpha: int
    model: str | None
    output_error: Fraction | None

    def target(self, size: Fraction) -> Target:
        """exp on the interval of this size, in this question's error."""
        return relative(size) if self.error == "relative" else additive(size)


def ask(
    M: Number | None = None,
    *,
    W: Number | None = None,
    R: Number | None = None,
    d: int | None = None,
    d_v: int | None = None,
    sigma: str | Number | None = None,
    eps: Number | None = None,
    output_error: Number | None = None,
    error: ErrorKind = "relative",
    model: str | None = None,
    schedule: Schedule | str | None = None,
    n: int | None = None,
    alpha: int = 2,
) -> Question:
    """Read the question; the arguments are those of `varnum.plan`. Raises InputError."""
    if error not in ("relative", "additive"):
        raise InputError(f"error: {error!r} is not allowed; relative or additive")
    given = [name for name, value in (("M", M), ("W", W), ("R", R)) if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: give only one of M, W, R")
    preset = None if model is None else released(model)
    if d is None and preset is not None:
        d = preset.head_dim
    for name, value in (("d", d), ("d_v", d_v), ("n", n), ("alpha", alpha)):
        if value is not None and type(value) is not int:
            raise InputError(f"{name}: {value!r} is not allowed; a whole number")
    for name, value in (("d", d), ("d_v", d_v)):
        if value is not None and not 1 <= value <= LARGEST_D:
            raise InputError(f"{name}: {value} is not allowed; 1 to {LARGEST_D}")
    text = None if sigma is None else str(sigma)
    if text is not None:
        logit_bound(Fraction(1), d or 1, text)  # refuses a sigma that is none
    exact_R = None if R is None else _at_least_zero(R, "R")
    low, high, text = _size(M, W, exact_R, d, text, error, preset is not None)
    if high > LARGEST_M:
        name = "W" if error == "additive" else "M"
        raise InputError(f"{name}: {at_most(high)} is beyond what a bound is of use for; up to 1e6")
    shape = _schedule(schedule, n, alpha, preset)
    kernel, tau = _errors(eps, output_error, error, shape)
    if shape is not None and d is None and tau is None:
        unused = "n" if n is not None else "schedule"
        raise InputError(f"{unused}: not used without d, which rank and cost need; give d as well")
    return Question(
        low, high, kernel, error, d, d if d_v is None else d_v, text, exact_R, shape, alpha,
        model, tau,
    )  # fmt: skip


def released(model: str) -> Any:
    """The sizes of a released model: its heads are l2-normalised, so the cap bounds its logits."""
    known = {name: pair[0] for name, pair in PRESETS.items() if name.startswith("var-d")}
    if model not in known:
        hint = "; FlowAR: plan_flowar" if str(model).startswith("flowar") else ""
        raise InputError(f"model: {model!r} is not known; one of {', '.join(known)}{hint}")
    return known[model]


def _schedule(
    schedule: Schedule | str | None, n: int | None, alpha: int, preset: Any
) -> Schedule | None:
    if schedule is not None and n is not None:
        raise InputError("schedule: give either a schedule or n, not both")
    if isinstance(schedule, str):
        schedule = parse_schedule(schedule)
    if schedule is not None and not isinstance(schedule, Schedule):
        raise InputError(f"schedule: {schedule!r} is not allowed; sides as text, such as 1,2,3")
    if n is not None:
        schedule = geometric(n, alpha)
    if schedule is None and preset is not None:
        schedule = Schedule(tuple(preset.patch_nums))
    if not 2 <= alpha <= 10**6:
        raise InputError(f"alpha: {alpha} is not allowed; a whole number from 2 to 1000000")
    return schedule


def _size(
    M: Number | None,
    W: Number | None,
    R: Fraction | None,
    d: int | None,
    sigma: str | None,
    error: ErrorKind,
    released: bool,
) -> tuple[Fraction, Fraction, str | None]:
    """(low, high, sigma): the size of the interval, W = 2M in the additive case."""
    factor = 2 if error == "additive" else 1
    if W is not None:
        if error != "additive":
            raise InputError("W: it belongs to error additive; for relative error give M")
        return _at_least_zero(W, "W"), _at_least_zero(W, "W"), sigma
    if M is not None:
        return factor * _at_least_zero(M, "M"), factor * _at_least_zero(M, "M"), sigma
    if R is not None:
        if d is None or sigma is None:
            raise InputError("R: it needs d and sigma (d, sqrt, 4sqrt, 1 or a number)")
        low, high = logit_bound(R, d, sigma)
        return factor * low, factor * high, sigma
    if released:
        return factor * LOGIT_CAP, factor * LOGIT_CAP, "1" if sigma is None else sigma
    raise InputError("M: give M, or R with d and sigma, or model")


def _at_least_zero(value: Number, name: str) -> Fraction:
    size = parse(value, name)
    if size < 0:
        raise InputError(f"{name}: {value} is negative; allowed: {name} >= 0")
    return size


def _fraction_of_one(value: Number, name: str) -> Fraction:
    number = parse(value, name)
    if not 0 < number < 1:
        raise InputError(f"{name}: {value} is not allowed; 0 < {name} < 1")
    if number < SMALLEST_ERROR:
        raise InputError(f"{name}: {value} is not allowed; at least 1e-300")
    return number


def _errors(
    eps: Number | None, output_error: Number | None, error: ErrorKind, schedule: Schedule | None
) -> tuple[Fraction, Fraction | None]:
    """The kernel error, and the output error it came from."""
    if eps is not None and output_error is None:
        return _fraction_of_one(eps, "eps"), None
    if output_error is None or eps is not None:
        raise InputError("eps: give exactly one of eps and output_error")
    tau = _fraction_of_one(output_error, "output_error")
    if error == "relative":
        from varnum.formulas import softmax as softmax_forms  # only here: starting is slow enough

        return softmax_forms.budget_eps.exact(tau=tau), tau
    if schedule is None:
        raise InputError("output_error: with error additive it needs a schedule (the row length)")
    # logits shifted so that the largest is 0: the row sum is at least 1
    return cost_forms.additive_delta.exact(tau=tau, S=1, L=schedule.length), tau


def logit_bound(R: Fraction, d: int, sigma: str) -> tuple[Fraction, Fraction]:
    """Rationals [low, high] around M = d R^2 / sigma; sigma is d, sqrt, 4sqrt or a number."""
    if sigma not in ("sqrt", "4sqrt"):
        scale = Fraction(d) if sigma == "d" else parse(sigma, "sigma (or d, sqrt, 4sqrt)")
        if scale <= 0:
            raise InputError(f"sigma: {sigma} is not allowed; d, sqrt, 4sqrt or a number above 0")
        return d * R * R / scale, d * R * R / scale
    with precision(256):
        M = ball(R * R) * ball(d).sqrt() / (4 if sigma == "4sqrt" else 1)
        if M.is_exact():
            return lower(M), upper(M)
        digits = 30  # M is irrational: its neighbours with 30 decimals
        low = round_decimal(lower(M), digits, up=False)
        return Fraction(low), Fraction(round_decimal(upper(M), digits, up=True))
