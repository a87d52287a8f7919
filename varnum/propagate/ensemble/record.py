"""A record of an error bound, and its check by fresh draws.

The record carries what was claimed and of what (hashes), never trust: the check runs the whole
procedure again on noise that this machine draws, with twice the samples, so the chance that it is
wrong is the reader's own. It agrees if its own bound is not above the recorded one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypedDict, cast

import numpy as np
import numpy.typing as npt

from varnum._version import __version__
from varnum.balls.exact import parse
from varnum.errors import InputError
from varnum.model.generate import Model
from varnum.outward import at_least, at_most
from varnum.propagate.ensemble.error import error_of
from varnum.propagate.ensemble.given import checked_logits, checked_tokens
from varnum.propagate.ensemble.run_error import RunError
from varnum.tensor import Plain

SCHEMA = "varnum/error-record/1"
MOST_SAMPLES = 4096
_FIELDS = {
    "schema": str, "version": str, "chance": str, "samples": int, "bounds_on": str,
    "kernel_error": (str, type(None)), "logit_error": float, "rounding_bound": float,
    "weights": str, "inputs": str,
    "logits": (str, type(None)), "commitments": list, "digest": str,
}  # fmt: skip


class Record(TypedDict):
    """A record that was read: its fields are of the right kinds."""

    schema: str
    version: str
    chance: str
    samples: int
    bounds_on: str
    kernel_error: str | None
    logit_error: float
    rounding_bound: float
    weights: str
    inputs: str
    logits: str | None
    commitments: list[str]
    digest: str


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True)
class Rechecked:
    """What the check found: `verdict` proved, refuted or unknown, and its own bound."""

    verdict: str
    text: str
    own: RunError


def record_of(
    model: Model,
    labels: npt.ArrayLike,
    tokens: npt.ArrayLike,
    logits: npt.ArrayLike | None,
    found: RunError,
) -> dict[str, object]:
    """The record of `found`, which `error_of` returned for these arguments. Raises InputError."""
    if found.verdict != "proved":
        raise InputError("record: nothing was certified")
    content: dict[str, object] = {
        "schema": SCHEMA,
        "version": __version__,
        "chance": found.chance,
        "samples": found.samples,
        "bounds_on": found.bounds_on,
        "kernel_error": found.kernel_error,
        "logit_error": found.logit_error,
        "rounding_bound": found.rounding_bound,
        **_hashes(model, labels, tokens, logits),
        "commitments": list(found.commitments),
    }
    return content | {"digest": _digest(content)}


def recheck(
    record: Mapping[str, object],
    model: Model,
    labels: npt.ArrayLike,
    tokens: npt.ArrayLike,
    logits: npt.ArrayLike | None = None,
    *,
    bounds_on: str = "numpy",
    say: Callable[[str], None] = lambda _: None,
) -> Rechecked:
    """Run the procedure again with fresh noise and compare.

    proved: this run's own bound is not above the recorded one; refuted: the logits given are
    certainly further from the exact ones; unknown: neither. bounds_on: of this check (the record
    says what computed its own). Raises InputError where the record is
    damaged, or is of other weights, tokens or logits.
    """
    held = read(record)
    given = _hashes(model, labels, tokens, logits)
    for name in ("weights", "inputs", "logits"):
        if held[name] != given[name]:
            raise InputError(f"record: of other {name} than those given")
    own = error_of(
        model, labels, tokens, logits, kernel_error=held["kernel_error"],
        samples=min(2 * held["samples"], MOST_SAMPLES), chance=parse(held["chance"], "chance"),
        bounds_on=bounds_on, say=say,
    )  # fmt: skip
    claimed = float(held["logit_error"])
    if own.verdict != "proved":
        return Rechecked("unknown", f"not certified here: {own.reason}", own)
    least = _at_least(model, labels, tokens, logits, own)
    if least > claimed:
        said = f"a logit is off by at least {at_least(least)}, the record says {at_most(claimed)}"
        return Rechecked("refuted", said, own)
    mine = f"own bound {at_most(own.logit_error)}, recorded {at_most(claimed)}"
    if own.logit_error > claimed:
        return Rechecked("unknown", f"{mine}: this check does not reach it", own)
    return Rechecked("proved", mine, own)


def _at_least(
    model: Model,
    labels: npt.ArrayLike,
    tokens: npt.ArrayLike,
    logits: npt.ArrayLike | None,
    own: RunError,
) -> float:
    """Some logit of those given is at least so far from the exact one."""
    if logits is None:
        return 0.0
    given = checked_logits(model, logits, len(own.centre))
    apart = np.abs(given - own.centre) * (1 - 2.0**-50) - own.bound
    return float((apart * (1 - 2.0**-50)).max())


def read(record: Mapping[str, object]) -> Record:
    """The fields of a record, checked. Raises InputError."""
    if not isinstance(record, Mapping) or record.get("schema") != SCHEMA:
        raise InputError(f"record: no document of schema {SCHEMA}")
    if set(record) != set(_FIELDS):
        odd = sorted(set(record) ^ set(_FIELDS))[:3]
        raise InputError(f"record: fields missing or unknown: {', '.join(map(str, odd))}")
    for name, kind in _FIELDS.items():
        if not isinstance(record[name], kind) or isinstance(record[name], bool):  # type: ignore[arg-type]
            raise InputError(f"record: {name} is not of the right kind")
    held = cast("Record", {name: record[name] for name in _FIELDS})
    if held["digest"] != _digest({k: v for k, v in held.items() if k != "digest"}):
        raise InputError("record: changed after it was written (digest)")
    for name, bound in (
        ("logit_error", held["logit_error"]),
        ("rounding_bound", held["rounding_bound"]),
    ):
        if not 0 <= bound < float("inf"):
            raise InputError(f"record: {name} {bound} is no bound")
    if not 4 <= held["samples"] <= MOST_SAMPLES:
        raise InputError(f"record: samples {held['samples']}, allowed are 4 to {MOST_SAMPLES}")
    if not 0 < parse(held["chance"], "chance") <= Fraction(1, 100):
        raise InputError(f"record: chance {held['chance']}, allowed are above 0 to 1/100")
    return held


def _digest(content: Mapping[str, object]) -> str:
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise InputError("record: NaN or infinity; allowed are finite numbers") from None
    return hashlib.sha256(text.encode()).hexdigest()


def _hashes(
    model: Model, labels: npt.ArrayLike, tokens: npt.ArrayLike, logits: npt.ArrayLike | None
) -> dict[str, str | None]:
    """SHA-256 of weights with sizes, of labels and tokens, of logits."""
    ids, names = checked_tokens(model, labels, tokens)
    weights = hashlib.sha256(repr((model.var, model.vae)).encode())
    for part in (model.var_weights, model.vae_weights):
        for name in sorted(part):
            _add(weights, name, np.asarray(part[name]))
    inputs = hashlib.sha256(repr(names).encode())
    _add(inputs, "tokens", ids.astype("<i8"))
    found = None
    if logits is not None:
        run = hashlib.sha256()
        _add(run, "logits", checked_logits(model, logits, len(ids)).astype("<f8"))
        found = run.hexdigest()
    return {"weights": weights.hexdigest(), "inputs": inputs.hexdigest(), "logits": found}


def _add(digest: _Digest, name: str, array: Plain) -> None:
    plain = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
    digest.update(repr((name, plain.dtype.str, plain.shape)).encode())
    digest.update(plain.tobytes())
