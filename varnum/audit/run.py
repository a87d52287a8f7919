"""The audit itself: sources layer by layer, heads as pieces of work, rows in one fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from varnum.audit.budget_walk import BudgetWalk
from varnum.audit.calls.call_audit import audit_call
from varnum.audit.calls.call_task import CallTask
from varnum.audit.executor import Crew
from varnum.audit.fields import ESTIMATED, Row
from varnum.audit.head_audit import audit_head
from varnum.audit.layer_run import Layer, run_layers
from varnum.audit.row_file import Key, RowFile, key_of
from varnum.audit.task import HeadTask, Target
from varnum.audit.verified import whp_kernel_error
from varnum.balls.exact import to_text
from varnum.model.backend import Ints
from varnum.model.config import VarConfig
from varnum.model.generate import Model

Say = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """A model on its prompts. `load` gives the model, labels (B,) and tokens (B, L) when needed."""

    name: str
    config: VarConfig
    labels: tuple[int, ...]
    load: Callable[[Say], tuple[Model, Ints, Ints]]


@dataclass(frozen=True)
class Asked:
    """What is asked of every head, and of the model: an error of the logits, or no budget.

    verified: the kernel error that ensembles verify for it too, in minutes to hours.
    """

    targets: tuple[Target, ...]
    model_error: Fraction | None = None
    every_rank: bool = False
    verified: bool = False


Take = Callable[[Sequence[CallTask]], None]


class Calls(Protocol):
    """A source of attention calls: a torch model, or arrays. Its heads come in one fixed order."""

    name: str

    def question(self) -> dict[str, Any]:
        """What the rows depend on, for the header of their file."""

    def feed(self, asked: Asked, say: Say, take: Take) -> None:
        """Hand over the heads of one call after the other."""


def audit(
    sources: Sequence[Subject | Calls],
    asked: Asked,
    rows: RowFile,
    open_executor: Callable[[], Executor],
    say: Say = lambda _: None,
) -> None:
    """Add every missing row to `rows`: source by source, in one fixed order.

    Of a VAR model: by layer, prompt, head, target, then with a `model_error` a row of kind "budget"
    per prompt. Of calls: as they come. Work is handed out a layer (a call) ahead, so that two are
    in memory at most. Raises InputError where the rows that are there are not the first ones.
    """
    subjects = [source for source in sources if isinstance(source, Subject)]
    if len(subjects) == len(sources):
        rows.check_order(key for subject in subjects for key in _keys(subject, asked))
    runs = sum(len(subject.labels) for subject in subjects)
    crew: Crew[HeadTask | CallTask, list[Row]] = Crew(work, open_executor)
    try:
        for source in sources:
            if not isinstance(source, Subject):
                _audit_calls(source, asked, rows, crew, say)
            elif not all(key in rows.known for key in _keys(source, asked)):
                _audit_one(source, asked, rows, crew, runs, say)
        if len(subjects) < len(sources):
            rows.check_end()
    finally:
        crew.close()


def work(task: HeadTask | CallTask) -> list[Row]:
    """The rows of a head, wherever it comes from."""
    return audit_head(task) if isinstance(task, HeadTask) else audit_call(task)


def _audit_calls(
    source: Calls, asked: Asked, rows: RowFile, crew: Crew[Any, Any], say: Say
) -> None:
    """A source hands its heads over while it runs: a forward pass calls us, not we it."""
    before = 0

    def take(tasks: Sequence[CallTask]) -> None:
        nonlocal before
        waiting = 0
        for task in tasks:
            names = [_named(task.names, target) for target in asked.targets]
            known = sum(rows.follows(key_of(name), task.names["qkv_crc32"]) for name in names)
            if known == len(names):
                continue
            crew.submit(task)
            waiting += 1
        _collect(before, rows, crew)
        before = waiting

    source.feed(asked, say, take)
    _collect(before, rows, crew)


def _audit_one(
    subject: Subject,
    asked: Asked,
    rows: RowFile,
    crew: Crew[Any, Any],
    runs: int,
    say: Say,
) -> None:
    walks = _walks(subject, rows, asked)
    model, labels, tokens = subject.load(say)
    before = 0
    for layer in run_layers(model, labels, tokens, lambda text: say(f"{subject.name}, {text}")):
        waiting = 0
        for task in _tasks(subject, layer, asked, rows):
            crew.submit(task)
            waiting += 1
        for walk in walks:
            walk.see(layer)
        _collect(before, rows, crew)
        before = waiting
    _collect(before, rows, crew)
    for walk in walks:
        assert asked.model_error is not None
        label = subject.labels[walk.prompt]
        names = _names(subject, None, walk.prompt, label, None, "budget")
        found = walk.estimate(model, label, asked.model_error)
        error = to_text(asked.model_error)
        if asked.verified:
            sequence = tokens[walk.prompt]
            found |= whp_kernel_error(model, label, sequence, asked.model_error, runs, say)
        rows.add({**names, "assurance": ESTIMATED, "model_error": error, **found})


def _collect(count: int, rows: RowFile, crew: Crew[Any, Any]) -> None:
    for _ in range(count):
        for row in crew.next():
            rows.add(row)
    rows.sync()


def _tasks(subject: Subject, layer: Layer, asked: Asked, rows: RowFile) -> Iterator[HeadTask]:
    for prompt, label in enumerate(subject.labels):
        for head in range(subject.config.num_heads):
            names = _names(subject, layer.index, prompt, label, head)
            if all(key_of(_named(names, t)) in rows.known for t in asked.targets):
                continue
            q, k, v = (np.ascontiguousarray(x[prompt, head]) for x in (layer.q, layer.k, layer.v))
            yield HeadTask(
                names, q, k, v, float(layer.factors[head]), layer.head_weights(prompt, head),
                subject.config.patch_nums, asked.targets, asked.every_rank,
            )  # fmt: skip


def _walks(subject: Subject, rows: RowFile, asked: Asked) -> list[BudgetWalk]:
    """Budgets still to be found."""
    keys = enumerate(_budget_keys(subject, asked))
    return [BudgetWalk(prompt) for prompt, key in keys if key not in rows.known]


def _names(
    subject: Subject, layer: int | None, prompt: int, label: int, head: int | None,
    kind: str = "head",
) -> Row:  # fmt: skip
    return {
        "kind": kind, "model": subject.name, "layer": layer, "prompt": prompt, "label": label,
        "head": head,
    }  # fmt: skip


def _named(names: Row, target: Target) -> Row:
    return {**names, "output_error": to_text(target.output_error)}


def _keys(subject: Subject, asked: Asked) -> Iterator[Key]:
    """Of all rows of a model, in their order."""
    for layer in range(subject.config.depth):
        for prompt, label in enumerate(subject.labels):
            for head in range(subject.config.num_heads):
                for target in asked.targets:
                    yield key_of(_named(_names(subject, layer, prompt, label, head), target))
    yield from _budget_keys(subject, asked)


def _budget_keys(subject: Subject, asked: Asked) -> Iterator[Key]:
    if asked.model_error is not None:
        for prompt, label in enumerate(subject.labels):
            yield key_of(_names(subject, None, prompt, label, None, "budget"))
