"""Which method does a head: the one asked for by name, or for "auto" the best of those that fit.

"auto" tries the methods that promise what is asked, the one that costs least to fit first, each
against the best so far, and takes the one expected to answer soonest; exact attention where none
fits, or none pays, or there are so few tokens that looking costs more than it can save.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter

from varnum.lowrank.method import METHODS, Answer, Fitted, Method, method
from varnum.lowrank.problem import Problem
from varnum.verdict import Unknown

NAMES = ("auto", *METHODS)
EXACT = "exact"

# what fitting may take; only time rests on these, measured on one core
_SHARE = 0.25  # of exact attention
_MOMENT = 0.005  # seconds a head, if that is more
_FRAME = 2e-8  # seconds for the eigenvectors behind the frames of a kernel, times d^3
_EXACT_SECONDS = (2e-10, 2e-8)  # of exact attention for a query and a key: per coordinate, and once
_FEW = 0.012  # seconds of exact attention below which looking for an output target costs too much


@dataclass(frozen=True)
class Chosen:
    """The answer, by which method, why that one, and the seconds that fitting took."""

    method: str
    answer: Answer
    reason: str
    seconds: float


def choose(problem: Problem, name: str = "auto") -> Chosen | Unknown:
    """Attention of the problem by the method `name`; Unknown where that one certifies nothing."""
    if name == EXACT:
        return _exactly(problem, "asked for", 0.0)
    began = perf_counter()
    found = choose_low(problem, name)
    if isinstance(found, Unknown) and name == "auto":
        return _exactly(problem, found.reason, perf_counter() - began)
    return found


def choose_low(problem: Problem, name: str = "auto") -> Chosen | Unknown:
    """As `choose`, but Unknown, and why, where exact attention would do it; nothing ran then."""
    began = perf_counter()
    if name == "auto":
        if problem.target.of == "output" and problem.exact_seconds < _FEW:
            return Unknown("too few tokens for low rank to pay")
        seconds, d = seconds_to_fit(problem), int(problem.q.shape[1])
        if problem.target.of == "kernel" and _FRAME * d**3 > seconds:
            return Unknown(f"exact attention is over before a fit in {d} coordinates")
        problem = replace(problem, seconds=seconds)
        asked = sorted(candidates(problem), key=lambda m: m.cost(problem))
    else:
        asked = [method(name)]
    tried = []
    for one in asked:
        tried.append((one.name, one.fit(problem)))
        problem = replace(problem, beat=min(problem.beat, _work(tried[-1][1])))
    said = _said(tried)
    spent = perf_counter() - began
    fitted = [(one, found) for one, found in tried if not isinstance(found, Unknown)]
    if not fitted:
        return Unknown(said)
    taken, best = min(fitted, key=lambda pair: (_work(pair[1]), pair[1].rank))
    few = min(int(problem.q.shape[0]), int(problem.k.shape[0]))
    if best.rank >= few and name == "auto":
        return Unknown(f"nothing pays: {said}, and there are {few} tokens")
    return _chosen(taken, best, said, spent)


def _work(found: Fitted | Unknown) -> float:
    """Expected time of an answer, as a part of exact attention's; 1 where a method does not say."""
    return float(getattr(found, "work", 1.0))


def candidates(problem: Problem) -> list[Method]:
    """Those that "auto" tries: they promise just what is asked."""
    low = [method(name) for name in METHODS if name != EXACT]
    return [one for one in low if one.promises == problem.target.of]


def seconds_to_fit(problem: Problem) -> float:
    """A quarter of exact attention's time, or a moment that nobody notices."""
    coordinate, once = _EXACT_SECONDS
    width = int(problem.q.shape[1]) + int(problem.v.shape[1])
    exact = (coordinate * width + once) * int(problem.q.shape[0]) * int(problem.k.shape[0])
    return max(_SHARE * exact, _MOMENT)


def _said(tried: list[tuple[str, Fitted | Unknown]]) -> str:
    """What came of each, by name where there are several for such a target."""
    words = [(n, f.reason if isinstance(f, Unknown) else f.said) for n, f in tried]
    promise = method(tried[0][0]).promises
    several = sum(method(name).promises == promise for name in METHODS if name != EXACT) > 1
    return "; ".join(f"{name}: {said}" if several else said for name, said in words)


def _exactly(problem: Problem, reason: str, spent: float) -> Chosen:
    found = method(EXACT).fit(problem)
    if isinstance(found, Unknown):  # exact attention always runs
        raise ArithmeticError(found.reason)
    return _chosen(EXACT, found, reason, spent)


def _chosen(name: str, fitted: Fitted, reason: str, spent: float) -> Chosen:
    answer = fitted.answer()
    whole = "; ".join(part for part in (reason, answer.reason) if part)
    return Chosen(name, answer, whole, spent + answer.seconds)
