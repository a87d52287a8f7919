"""The question for FlowAR: degree, rank, cost, regime and crossover of each kind of attention.

>>> answer = plan_flowar("flowar-l", M="1", eps="1e-2")
>>> [(m.kind, m.plan.rank, m.pays, m.crossover_n) for m in answer.modules]
... # doctest: +NORMALIZE_WHITESPACE
[('AR', 47905, False, 216), ('flow self', 47905, False, 249), ('flow cross', 47905, False, 179)]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from varnum._plan import MAX_DEGREE, Plan, plan
from varnum.approx.inverse import LargestInterval, certify_largest_interval
from varnum.cost.flowar import AR, RELEASED, FlowSizes, Module, flow_sizes, guided_pairs, modules
from varnum.cost.schedule import Schedule
from varnum.errors import InputError
from varnum.lowrank.counting import largest_degree
from varnum.question import Number
from varnum.value import Value
from varnum.verdict import Unknown

__all__ = ["RELEASED", "FlowModule", "FlowPlan", "plan_flowar"]


@dataclass(frozen=True, repr=False)
class FlowModule(Value):
    """One kind of attention: its counts, and the answer for one of its heads.

    `plan` has the degree, the rank, and b, c, p, rho, b* at the number of keys of the last scale:
    L for AR, N for the flow net.
    """

    module: Module
    plan: Plan
    alpha: int = 2

    @property
    def kind(self) -> str:
        """AR, flow self or flow cross."""
        return self.module.kind

    @property
    def rank(self) -> int:
        """C(d + g, g)."""
        assert self.plan.rank is not None
        return self.plan.rank

    @property
    def lowrank(self) -> int:
        """Operations per image at this rank."""
        return self.module.lowrank(self.rank)

    @property
    def pays(self) -> bool | None:
        """Fewer operations than exact attention; None where a lower degree is not excluded."""
        if self.lowrank < self.module.exact:
            return True
        return False if self.plan.proved_minimal else None

    @cached_property
    def crossover_n_at_most(self) -> int | None:
        """From this n on it pays on the geometric pyramid, same d, M, error; None if too far."""
        return self.module.crossover(self.rank, self.alpha)

    @property
    def crossover_n(self) -> int | None:
        """The least such n; None also where the degree is not proved least."""
        return self.crossover_n_at_most if self.plan.proved_minimal else None

    def largest_size(self, digits: int = 3) -> LargestInterval | Unknown:
        """The largest M at which it pays on this model's own maps."""
        degree = largest_degree(self.module.head_dim, self.module.largest_rank())
        if degree is None:
            return Unknown("not even rank 1 costs less than exact attention on this schedule")
        q = self.plan.question
        return certify_largest_interval(q.target, degree, q.eps, digits=digits)

    def summary(self) -> str:
        """Kind, degree, rank, whether it pays."""
        return f"{self.kind}: {self.plan.summary()}, pays {self.pays}"

    def to_dict(self) -> dict[str, Any]:
        """Its entry in `modules` of `varnum bound --model flowar-.. --json`."""
        from varnum._plan_flowar_text import module_fields

        return module_fields(self)


@dataclass(frozen=True, repr=False)
class FlowPlan(Value):
    """The answer for a FlowAR model: one FlowModule per kind of attention."""

    sizes: FlowSizes
    modules: tuple[FlowModule, ...]

    @property
    def proved_minimal(self) -> bool:
        """The degree of every module is proved least."""
        return all(m.plan.proved_minimal for m in self.modules)

    @property
    def pays(self) -> bool | None:
        """Low rank in every module takes fewer operations than exact attention in all."""
        if all(m.lowrank < m.module.exact for m in self.modules):
            return True
        return False if self.proved_minimal else None

    @property
    def pairs(self) -> int:
        """Query-key pairs per image, one guidance half."""
        return sum(m.module.pairs for m in self.modules)

    @property
    def guided_pairs(self) -> int:
        """Pairs that guidance adds with the settings of the released model."""
        return guided_pairs(self.sizes)

    def summary(self) -> str:
        """Model, degrees, ranks, whether it pays."""
        ranks = ", ".join(f"{m.kind} degree {m.plan.degree}" for m in self.modules)
        return f"{self.sizes.name}: {ranks}, pays {self.pays}"

    def __str__(self) -> str:
        from varnum._plan_flowar_text import text

        return text(self)

    def to_dict(self) -> dict[str, Any]:
        """The document of `varnum bound --model flowar-.. --json`."""
        from varnum._plan_flowar_text import document

        return document(self)


def plan_flowar(
    model: str | FlowSizes,
    M: Number | None = None,
    *,
    R: Number | None = None,
    sigma: str | Number | None = None,
    eps: Number | None = None,
    output_error: Number | None = None,
    alpha: int = 2,
    max_degree: int = MAX_DEGREE,
    progress: Callable[[str], None] = lambda _: None,
) -> FlowPlan:
    """Degree, rank, cost, regime of every attention module of FlowAR at one M and error.

    model: flowar-s, flowar-l or flowar-h, or sizes of your own. M bounds |q.k| / sqrt(d) in every
    module (its heads have no cap: it comes from an audit, or from R, the largest entry); sigma can
    only be "sqrt". Raises InputError.

    >>> plan_flowar("flowar-s", M="1", eps="1e-2").modules[0].plan.degree
    3
    >>> plan_flowar("flowar-s", eps="1e-2")
    Traceback (most recent call last):
    varnum.errors.InputError: M: FlowAR's heads have no cap; give M (`varnum audit --flowar`), or R
    """
    sizes = flow_sizes(model) if isinstance(model, str) else model
    if not isinstance(sizes, FlowSizes):
        raise InputError(f"model: {type(model).__name__}; a name such as flowar-s, or FlowSizes")
    if M is None and R is None:
        raise InputError("M: FlowAR's heads have no cap; give M (`varnum audit --flowar`), or R")
    if sigma not in (None, "sqrt"):
        raise InputError(f"sigma: {sigma} is not allowed; FlowAR's heads divide by sqrt(d): sqrt")
    if R is not None:
        sigma = "sqrt"
    found: dict[tuple[int, int], Plan] = {}
    answers = []
    for module in modules(sizes):
        schedule = sizes.schedule if module.kind == AR else Schedule((sizes.schedule.n,))
        key = module.head_dim, schedule.length
        known = next(iter(found.values()), None)
        if known is not None and M is not None:
            q = replace(known.question, d=key[0], d_v=key[0], schedule=schedule)
            found.setdefault(key, replace(known, question=q, reasons=dict(known.reasons)))
        if key not in found:
            found[key] = plan(
                M, R=R, d=key[0], sigma=sigma, eps=eps, output_error=output_error,
                schedule=schedule, alpha=alpha, max_degree=max_degree, progress=progress,
            )  # fmt: skip
        answers.append(FlowModule(module, found[key], alpha))
    return FlowPlan(sizes, tuple(answers))
