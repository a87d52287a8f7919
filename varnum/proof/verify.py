"""`varnum verify`: every claim of the ledger against everything that can be run here.

A check that could not run is Unknown, never a pass; an absent optional solver is reported.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction

from varnum.balls.exact import parse
from varnum.balls.scalar import ball, lower, precision, upper
from varnum.errors import InputError, MissingExtra
from varnum.proof import checking, ledger
from varnum.proof.coq.compiler import coqc, version
from varnum.proof.ledger import Claim
from varnum.proof.obligation import Obligation
from varnum.proof.obligations import all_obligations
from varnum.proof.solvers import SOLVERS, Solver, installed
from varnum.proof.transcendental import BACKENDS, facts
from varnum.value import Value
from varnum.verdict import Proved, Refuted, Unknown, Verdict

_BITS = 160
QUICK_TRIALS = 200


@dataclass(frozen=True)
class Item:
    """One thing that was tried for a claim: `kind` obligation, twin, theorem, value, ball, check,
    ledger."""

    claim: str
    kind: str
    name: str
    verdict: Verdict
    measured: float | None = None
    claimed: float | None = None


@dataclass(frozen=True, repr=False)
class Report(Value):
    """All items, and the worst verdict of each claim."""

    items: tuple[Item, ...]
    solvers: dict[str, str] = field(hash=False)
    absent: tuple[str, ...]

    def summary(self) -> str:
        """How many claims were tried, and what became of them."""
        names = dict.fromkeys(item.claim for item in self.items)
        kinds = [type(self.verdict(name)).__name__ for name in names]
        counts = ", ".join(f"{kinds.count(k)} {k.lower()}" for k in dict.fromkeys(kinds))
        return f"{len(names)} claim{'s' * (len(names) != 1)}: {counts}"

    def __str__(self) -> str:
        return self.summary()

    def to_dict(self) -> dict[str, object]:
        """The document of `varnum verify --json`."""
        from varnum.proof.report import document

        return document(self)

    def of(self, claim: str) -> tuple[Item, ...]:
        """The items of one claim."""
        return tuple(item for item in self.items if item.claim == claim)

    def verdict(self, claim: str) -> Verdict:
        """Refuted if any item is, else Unknown if any is or nothing ran, else Proved."""
        worst: Verdict | None = None
        items = self.of(claim)
        for item in items:
            if isinstance(item.verdict, Refuted):
                return item.verdict
            if isinstance(item.verdict, Unknown):
                worst = item.verdict if worst is None else worst
        if worst is not None:
            return worst
        if all(item.kind == "ledger" for item in items):
            return Unknown(_why_nothing(ledger.claims().get(claim)))
        return Proved(_how(items))

    @property
    def exit_code(self) -> int:
        """0 all fine, 1 something refuted, 3 something unknown or nothing ran at all. Among others
        that did run, claims with nothing to run here are reported as such and do not count."""
        kinds = {type(item.verdict) for item in self.items}
        ran = any(item.kind != "ledger" for item in self.items)
        return 1 if Refuted in kinds else 3 if Unknown in kinds or not ran else 0


def _why_nothing(entry: Claim | None) -> str:
    if entry is not None and entry.assurance == "definition":
        return "a definition: nothing to try"
    if entry is not None and entry.assurance == "open":
        return "stated, not worked on yet"
    return "nothing to run"


def _how(items: Sequence[Item]) -> str:
    counts: dict[str, int] = {}
    for item in items:
        if item.kind != "ledger":
            counts[item.kind] = counts.get(item.kind, 0) + 1
    return ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items())


def verify(
    claim: str | None = None,
    *,
    timeout: float = 10.0,
    require: Sequence[str] = (),
    trials: int = QUICK_TRIALS,
    seed: int = 0,
    proofs: bool = True,
    checks: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Try everything the ledger names for `claim` (all claims by default).

    timeout: seconds an obligation and solver. require: solvers that must be present (MissingExtra
    otherwise); "coq": Coq checks the theorems that the claims name, which it does only if asked.
    proofs, checks: obligations, values and balls; numerical checks. trials: random and adversarial
    trials of each check. Raises InputError for an unknown claim or solver.
    """
    chosen = _chosen(claim)
    _check_options(timeout, trials, seed)
    for name in require:
        if name not in (*SOLVERS, "coq"):
            allowed = ", ".join((*SOLVERS, "coq"))
            raise InputError(f"require: {name!r} is not a solver; one of {allowed}")
        if name == "coq":
            coqc()  # MissingProgram without it
        elif name not in installed():
            raise MissingExtra(name, name)
    items: list[Item] = []
    results: dict[str, Sequence[checking.Measurement]] = {}  # a check of several claims runs once
    with ExitStack() as stack:
        solvers = [stack.enter_context(Solver(name, timeout)) for name in installed()]
        by_name = {o.name: o for o in all_obligations()}
        for entry in chosen:
            progress(entry.id)
            items += _ledger_items(entry)
            if proofs:
                for name in entry.obligations:
                    items += _obligation_items(entry, by_name.get(name), solvers)
                items += [_value_item(entry, value) for value in entry.values]
                items += [item for fact in entry.balls for item in _ball_items(entry, fact)]
            if checks:
                items += [_check_item(entry, name, trials, seed, results) for name in entry.checks]
        if "coq" in require and proofs:
            items += _coq_items(chosen, progress)
        versions = {s.name: s.version or "installed" for s in solvers}
    if "coq" in require:
        versions["coq"] = version()
    absent = tuple(name for name in SOLVERS if name not in installed())
    return Report(tuple(items), versions, absent)


def _check_options(timeout: float, trials: int, seed: int) -> None:
    """A check of no trials would pass, and so would a solver that was not waited for."""
    for name, value, least in (("trials", trials, 1), ("seed", seed, 0)):
        if type(value) is not int or value < least:
            raise InputError(f"{name}: {value!r} is not allowed; a whole number, at least {least}")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InputError(f"timeout: {timeout!r} is not allowed; seconds, above 0")


def _chosen(claim: str | None) -> list[Claim]:
    known = ledger.claims()
    if claim is None:
        return list(known.values())
    if claim not in known:
        near = difflib.get_close_matches(str(claim), known, n=3, cutoff=0.4) or ["exp-supnorm"]
        raise InputError(
            f"claim: {claim!r} is not in the ledger; an id such as {', '.join(near)} "
            "(`varnum verify --no-checks` lists all)"
        )
    return [known[claim]]


def _ledger_items(entry: Claim) -> Iterator[Item]:
    found = ledger.problems(entry)
    verdict: Verdict = Refuted(found, "the ledger entry") if found else Proved("consistent")
    yield Item(entry.id, "ledger", entry.id, verdict)


def _obligation_items(
    entry: Claim, obligation: Obligation | None, solvers: Sequence[Solver]
) -> Iterator[Item]:
    if obligation is None:
        return  # the ledger item already says so
    printed = obligation.texts()
    for name, text in printed.items():
        kind = "twin" if name.endswith(".sat.smt2") else "obligation"
        path = ledger.data_folder("proofs") / name
        stored = path.read_text("utf-8") if path.is_file() else ""
        if stored != text:
            how = "the stored file differs from what the formulas print"
            yield Item(entry.id, kind, name, Refuted(name, how))
            continue
        if kind == "twin" and not obligation.witness_holds():
            yield Item(
                entry.id, kind, name, Refuted(dict(obligation.twin.witness), "the witness fails")
            )
            continue
        if not solvers:
            yield Item(entry.id, kind, name, Unknown("no solver is installed"))
        for solver in solvers:
            verdict = solver.decide(stored)
            if kind == "twin" and isinstance(verdict, Proved):
                shown = ", ".join(f"{k} = {v}" for k, v in sorted(obligation.twin.witness.items()))
                verdict = Proved(f"{verdict.how}; witness {shown}")
            yield Item(entry.id, kind, f"{name} ({solver.name})", verdict)


def _coq_items(entries: Sequence[Claim], progress: Callable[[str], None]) -> Iterator[Item]:
    """One item for each theorem; Coq is asked once for all."""
    from varnum.proof.coq.theorems import verdicts

    names = list(dict.fromkeys(name for entry in entries for name in entry.theorems))
    found = verdicts(names, progress) if names else {}
    for entry in entries:
        for name in entry.theorems:
            yield Item(entry.id, "theorem", name, found[name])


def _value_item(entry: Claim, value: ledger.Value) -> Item:
    name = f"{value.formula}({', '.join(f'{k}={v}' for k, v in value.at.items())})"
    with precision(_BITS):
        exact = parse(value.is_)
        got = ledger.formula(value.formula).ball(**{k: parse(v) for k, v in value.at.items()})
        digits = len(value.is_.partition(".")[2])
        slack = Fraction(0) if "/" in value.is_ or not digits else Fraction(1, 10**digits)
        gap = abs(got - ball(exact))
        low, high = lower(gap), upper(gap)
    if low > slack:
        return Item(entry.id, "value", name, Refuted(str(got), f"not {value.is_}"))
    if high > slack + Fraction(1, 10**30):
        return Item(entry.id, "value", name, Unknown("the enclosure is too wide"))
    return Item(entry.id, "value", name, Proved(f"= {value.is_}"))


def _ball_items(entry: Claim, fact: ledger.BallFact) -> Iterator[Item]:
    low, high = parse(fact.low), parse(fact.high)
    for backend in BACKENDS:
        name = f"{fact.fact} in [{fact.low}, {fact.high}] ({backend})"
        bottom, top = facts()[fact.fact].enclose(backend, Fraction(1, 10**6))
        if top < low or bottom > high:
            verdict: Verdict = Refuted((float(bottom), float(top)), "outside")
        elif low <= bottom and top <= high:
            verdict = Proved(f"{backend}: [{float(bottom):.7f}, {float(top):.7f}]")
        else:
            verdict = Unknown("not decided at this tolerance")
        yield Item(entry.id, "ball", name, verdict)


def _check_item(
    entry: Claim,
    name: str,
    trials: int,
    seed: int,
    results: dict[str, Sequence[checking.Measurement]],
) -> Item:
    try:
        if name not in results:
            results[name] = checking.load(name).measure(trials=trials, seed=seed)
    except (FileNotFoundError, ImportError) as error:
        return Item(entry.id, "check", name, Unknown(f"could not run: {error}"))
    found = results[name]
    return Item(entry.id, "check", name, checking.judge(found), *checking.extremes(found, entry.id))
