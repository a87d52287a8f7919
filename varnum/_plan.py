"""The question and its answer: logits up to M and a target error -> degree, rank, cost, regime.

>>> answer = plan(M="1", d=8, eps="1e-3", n=16)
>>> answer.degree, answer.rank, answer.pays
(4, 495, False)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from varnum.approx.closed import (
    certify_degree_closed_form,
    certify_degree_taylor,
    estimate_degree_curve,
)
from varnum.approx.degree import certify_least_degree
from varnum.approx.degree_certificate import ProvedDegree
from varnum.approx.inverse import LargestInterval, certify_largest_interval
from varnum.approx.target import ErrorKind, Target
from varnum.balls.exact import round_decimal
from varnum.balls.scalar import ball, lower, precision
from varnum.cost.counts import (
    Cost,
    LargestDimension,
    count,
    crossover,
    largest_dimension,
    largest_rank,
)
from varnum.cost.schedule import Schedule
from varnum.errors import InputError
from varnum.lowrank.counting import largest_degree, rank, rank_published
from varnum.model.config import preset
from varnum.question import Number, Question, ask, logit_bound
from varnum.text import big, short
from varnum.value import Value
from varnum.verdict import Proved, Unknown

MAX_DEGREE = 400  # what the checker reads, and what is found in a minute or two


@dataclass(frozen=True, repr=False)
class Plan(Value):
    """The answer, a value. `least` has the proof; where it is Unknown, the closed form's degree is.

    `str` is what `varnum bound` prints, `to_dict()` its JSON, `certify()` the proof as text.

    >>> plan(M="1", d=8, eps="1e-3", n=16).largest_d().d
    5
    >>> plan(M="1", eps="1e-3").largest_d()
    Traceback (most recent call last):
    varnum.errors.InputError: backwards: give a head dimension and a schedule (d and schedule)
    """

    question: Question
    least: ProvedDegree | Unknown
    degree_closed_form: int
    degree_taylor: int | Unknown
    reasons: dict[str, str] = field(default_factory=dict, compare=False)

    def summary(self) -> str:
        """The question in short, degree, rank, whether it pays."""
        q = self.question
        what = q.model or f"{'M' if q.error == 'relative' else 'W'}={short(q.M_high)}"
        said = f"{what}, eps={short(q.eps)}: degree {self.degree}"
        said += " proved least" if self.proved_minimal else " suffices"
        if self.rank is not None:
            said += f", rank {big(self.rank)}"
        pays = {True: ", pays", False: ", does not pay", None: ""}[self.pays]
        return said + pays

    def __str__(self) -> str:
        from varnum._plan_text import text

        return text(self)

    def to_dict(self) -> dict[str, Any]:
        """The document of `varnum bound --json`, as `varnum/schemas/bound.json` describes it."""
        from varnum._plan_json import document

        return document(self)

    def _repr_latex_(self) -> str | None:
        """The minimax error, enclosed; None where it is not known."""
        from varnum._plan_text import latex

        return latex(self)

    @property
    def degree(self) -> int:
        """A degree that is proved to suffice; the least one where `proved_minimal`."""
        if isinstance(self.least, ProvedDegree):
            return self.least.degree
        known = [self.degree_closed_form]
        if isinstance(self.degree_taylor, int):
            known.append(self.degree_taylor)
        return min(known)

    @property
    def proved_minimal(self) -> bool:
        """True only where no lower degree suffices, by proof."""
        return isinstance(self.least, ProvedDegree) and isinstance(self.least.minimal, Proved)

    @property
    def minimax_error(self) -> tuple[str, str] | None:
        """Decimal enclosure of the minimax error at `degree`; None where it was not computed."""
        if isinstance(self.least, Unknown):
            return None
        low, high = self.least.minimax
        return round_decimal(low, 10, up=False), round_decimal(high, 10, up=True)

    @cached_property
    def degree_curve(self) -> float:
        """The degree on the minimax curve: an estimate."""
        target = self.question.target(self.question.M_high)
        return estimate_degree_curve(target, self.question.eps)

    @cached_property
    def rank(self) -> int | None:
        """C(d + g, g); None without d."""
        return None if self.question.d is None else rank(self.question.d, self.degree)

    @cached_property
    def rank_published(self) -> int | None:
        """C(2(g + d), 2g); None without d."""
        return None if self.question.d is None else rank_published(self.question.d, self.degree)

    @cached_property
    def cost(self) -> Cost | None:
        """Operations and memory per head; None without d and a schedule."""
        q = self.question
        if q.d is None or q.d_v is None or q.schedule is None or self.rank is None:
            return None
        return count(q.schedule, q.d, q.d_v, self.rank)

    @cached_property
    def regime(self) -> dict[str, float] | None:
        """b, c, p, rho and b* at this schedule's L (Taylor: proved; minimax: on the curve).

        b, c, p are rounded to 18 digits; the rest are enclosures' midpoints at these.
        """
        q = self.question
        if "regime" in self.reasons or q.schedule is None or q.d is None:
            return None
        from varnum.cost.regime import b_star, regime_exponent  # its formulas take a while to build

        size = q.M_high if q.error == "relative" else q.M_high / 2
        with precision(256):
            log = ball(q.schedule.length).log()
            b, c = (_rounded(ball(x) / log) for x in (size, Fraction(q.d)))
            p = _rounded(ball(1 / q.eps).log() / log)
        rho, rho_minimax = regime_exponent(b, c, p)
        star, star_minimax = b_star(c, p)
        numbers = {"b": b, "c": c, "p": p, "rho": rho, "rho_minimax": rho_minimax}
        numbers |= {"b_star": star, "b_star_minimax": star_minimax}
        return {name: float(ball(value).mid()) for name, value in numbers.items()}

    @cached_property
    def stages(self) -> list[dict[str, Any]] | None:
        """Token maps, reconstruction, decoder of a released model, one image; None without one.

        Operations, the largest rank and degree that pay, c and b* (claim cost-stages).
        """
        if self.question.model is None:
            return None
        from varnum.cost.stages import answers

        return answers(*preset(self.question.model), self.question.eps)

    @cached_property
    def crossover_n_at_most(self) -> int | None:
        """From this n on it pays on the geometric pyramid; None without d, or if too far."""
        q = self.question
        if q.d is None or q.d_v is None or self.rank is None:
            return None
        return crossover(q.d, q.d_v, self.rank, q.alpha)

    @property
    def crossover_n(self) -> int | None:
        """The first such n; None also where the degree is not proved least."""
        return self.crossover_n_at_most if self.proved_minimal else None

    @property
    def pays(self) -> bool | None:
        """Fewer operations than exact attention on the schedule.

        None without d and a schedule, and where it does not pay at a degree that is not proved
        least: a lower one might.
        """
        if self.cost is None or not (self.cost.pays or self.proved_minimal):
            return None
        return self.cost.pays

    def certify(self) -> str:
        """The certificate for `varnum check`; ArithmeticError where the degree is Unknown."""
        if isinstance(self.least, Unknown):
            raise ArithmeticError(self.least.reason)
        return self.least.proof

    # --- backwards -------------------------------------------------------------------------------

    def largest_size(self, digits: int = 6) -> LargestInterval | Unknown:
        """The largest M (per-head cap s_h; W if additive) at which it pays, same d and error."""
        q = self._with_schedule()
        assert q.schedule is not None
        assert q.d is not None
        assert q.d_v is not None
        degree = largest_degree(q.d, largest_rank(q.schedule, q.d, q.d_v))
        if degree is None:
            return Unknown("not even rank 1 costs less than exact attention on this schedule")
        return certify_largest_interval(q.target, degree, q.eps, digits=digits)

    def largest_d(self) -> LargestDimension | None:
        """The largest head dimension (d_v = d) at which it pays; None where a degree is not known.

        At fixed M unless the question came from R and sigma; then M moves with d.
        """
        q = self._with_schedule()
        assert q.schedule is not None

        def degree_at(d: int) -> int | None:
            if q.R is None:
                return self.degree if self.proved_minimal else None
            low, high = logit_bound(q.R, d, q.sigma or "1")
            factor = 1 if q.error == "relative" else 2
            found = least_degree(q.target(factor * high), q.eps, q.target(factor * low))
            proved = isinstance(found, ProvedDegree) and isinstance(found.minimal, Proved)
            return found.degree if isinstance(found, ProvedDegree) and proved else None

        return largest_dimension(q.schedule, degree_at)

    def _with_schedule(self) -> Question:
        q = self.question
        if q.schedule is None or q.d is None:
            raise InputError("backwards: give a head dimension and a schedule (d and schedule)")
        return q


def plan(
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
    max_degree: int = MAX_DEGREE,
    progress: Callable[[str], None] = lambda _: None,
) -> Plan:
    """Answer the question: which degree, rank and cost for logits up to M and a target error.

    M: bound of |q.k/sigma|; or R with d and sigma (entries at most R: M = d R^2/sigma); or a
    `model` ("var-d16", ..: schedule, d and the cap of its heads); or W for error="additive" on
    [-W, 0]. eps: kernel error in (0, 1); or output_error: attention output in units of the spread
    range(v), turned into eps by softmax-relative (or, additive, by the row sum being at least 1).
    schedule: "1,2,3", or n and alpha for the geometric pyramid. Numbers are exact: "1e-3", "1/3".
    Raises InputError.

    >>> plan(M="1", eps="1e-3")
    Plan(M=1, eps=0.001: degree 4 proved least)
    >>> plan(M="1", eps=1e-3)
    Traceback (most recent call last):
    varnum.errors.InputError: eps: 0.001 is a float; write it as a string to keep it exact
    """
    if type(max_degree) is not int or not 0 <= max_degree <= 4000:
        raise InputError(f"max_degree: {max_degree} is not allowed; 0 to 4000")
    question = ask(
        M, W=W, R=R, d=d, d_v=d_v, sigma=sigma, eps=eps, output_error=output_error, error=error,
        model=model, schedule=schedule, n=n, alpha=alpha,
    )  # fmt: skip
    target = question.target(question.M_high)
    inner = question.target(question.M_low)
    least = least_degree(target, question.eps, inner, max_degree, progress)
    if question.M_high <= 2000:
        taylor = certify_degree_taylor(target, question.eps)
    else:
        taylor = Unknown("the exact Taylor error is not evaluated beyond M = 2000")
    closed = certify_degree_closed_form(target, question.eps)
    return Plan(question, least, closed, taylor, _reasons(question, least, taylor))


def least_degree(
    target: Target,
    eps: Fraction,
    inner: Target,
    max_degree: int = MAX_DEGREE,
    progress: Callable[[str], None] = lambda _: None,
) -> ProvedDegree | Unknown:
    """certify_least_degree, started at the minimax curve and stopped where it would take long."""
    guess = estimate_degree_curve(target, eps)
    if guess > max_degree + 5:
        return Unknown(f"the least degree is about {guess:.0f}, beyond max_degree {max_degree}")
    found = certify_least_degree(
        target, eps, inner=inner, guess=round(guess), max_degree=max_degree, progress=progress
    )
    return found if isinstance(found, Unknown) else ProvedDegree.of(found)


def _rounded(x: Any) -> Fraction:
    return Fraction(round_decimal(lower(x), 18, up=False))


def _reasons(q: Question, least: ProvedDegree | Unknown, taylor: int | Unknown) -> dict[str, str]:
    """Why a part of the answer is missing."""
    reasons = {}
    open_ = least if isinstance(least, Unknown) else least.minimal
    if isinstance(open_, Unknown):
        reasons["degree_proved_minimal"] = open_.reason
        reasons["crossover_n"] = "the degree is not proved least: see crossover_n_at_most"
        reasons["pays"] = "at this degree it does not; a lower degree is not excluded"
    if isinstance(least, Unknown):
        reasons["minimax_error"] = least.reason
    if isinstance(taylor, Unknown):
        reasons["degree_taylor"] = taylor.reason
    if q.d is None:
        for name in ("rank", "rank_published", "crossover_n", "cost", "memory", "regime", "pays"):
            reasons[name] = "needs a head dimension: d or model"
    elif q.schedule is None:
        for name in ("cost", "memory", "regime", "pays"):
            reasons[name] = "needs a schedule: schedule, n or model"
    elif q.schedule.length < 2:
        reasons["regime"] = "needs more than one token: ln L is 0"
    elif 0 < q.M_high < Fraction(1, 10**80):
        reasons["regime"] = "M is too small for exponents to mean anything"
    if q.model is None:
        reasons["stages"] = "needs a released model"
    if q.sigma is None:
        reasons["sigma"] = "M was given directly"
    return reasons
