"""The ledger: one entry per claim id, read from `ledger/*.toml`, and what is wrong with it.

`problems()` is what `varnum verify` and the tests ask: everything an entry names must exist and
everything it says about itself must agree with its proof and its obligations.
"""

from __future__ import annotations

import importlib
import re
import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from varnum.verdict import CLAIM_WORDS

ASSURANCES = tuple(CLAIM_WORDS)
_NOTHING_RUNS = ("hypothesis", "definition", "open")  # open: stated, nothing assured here yet
_TIGHTNESS = ("attained", "enclosed", "close", "order", "not tight", "each step", "within", "exact",
              "as ", "not applicable")  # fmt: skip


@dataclass(frozen=True)
class Value:
    """`formula` at exact arguments is `is_` (exact if a fraction, else to the last digit)."""

    formula: str
    at: dict[str, str]
    is_: str


@dataclass(frozen=True)
class BallFact:
    """sup of a transcendental fact lies in [low, high]; two interval types confirm it."""

    fact: str
    low: str
    high: str


@dataclass(frozen=True)
class Claim:
    """One statement: what it says, under which hypotheses, what it rests on."""

    id: str
    statement: str
    hypotheses: tuple[str, ...]
    source: str
    repaired: str
    tight: str
    assurance: str
    obligations: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    balls: tuple[BallFact, ...] = ()
    coq: tuple[str, ...] = ()  # "Module.theorem" of proofs/coq: together they are the statement
    coq_parts: tuple[str, ...] = ()  # those that prove a part of it
    section: str = field(default="")

    @property
    def theorems(self) -> tuple[str, ...]:
        """What Coq checks for this claim."""
        return self.coq + self.coq_parts


def data_folder(name: str) -> Path:
    """proofs/ or checks/: inside the installed package, or beside it in a checkout."""
    package = Path(str(resources.files("varnum")))
    for folder in (package / "_data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{name}/ is neither in the package nor beside it")


@cache
def claims() -> dict[str, Claim]:
    """id -> Claim, sections in order."""
    folder = Path(str(resources.files("varnum.proof"))) / "ledger"
    found: dict[str, Claim] = {}
    for path in sorted(folder.glob("*.toml")):
        for raw in tomllib.loads(path.read_text(encoding="utf-8"))["claim"]:
            claim = read(raw, path.stem)
            if claim.id in found:
                raise ValueError(f"{path.name}: {claim.id} stands twice")
            found[claim.id] = claim
    return found


def read(raw: dict[str, Any], section: str = "") -> Claim:
    """A ledger table as a Claim; unknown or missing keys raise TypeError."""
    known = {f.name for f in fields(Claim)} - {"section", "values", "balls"}
    plain = {key: tuple(v) if isinstance(v, list) else v for key, v in raw.items() if key in known}
    if unknown := set(raw) - known - {"value", "ball"}:
        raise TypeError(f"{raw.get('id')}: unknown keys {sorted(unknown)}")
    values = tuple(Value(v["formula"], dict(v["at"]), v["is"]) for v in raw.get("value", ()))
    balls = tuple(BallFact(**b) for b in raw.get("ball", ()))
    values_of: dict[str, Any] = {**plain, "values": values, "balls": balls, "section": section}
    return Claim(**values_of)


def problems(claim: Claim) -> list[str]:
    """What is wrong with an entry, in words; empty if nothing is."""
    from varnum.proof.obligation import all_obligations

    found = []
    if claim.assurance not in ASSURANCES:
        found.append(f"assurance {claim.assurance!r} is none of {ASSURANCES}")
    if not claim.tight.startswith(_TIGHTNESS):
        found.append(f"tight: {claim.tight!r} does not say how tight")
    own = {o.name for o in all_obligations() if o.claim == claim.id}
    if own != set(claim.obligations):
        found.append(
            f"obligations differ from those printed: {sorted(own ^ set(claim.obligations))}"
        )
    if claim.assurance != "coq" and (claim.assurance == "solver") != bool(own):
        found.append("assurance 'solver' and obligations go together")
    if (claim.assurance == "coq") != bool(claim.coq):
        found.append("assurance 'coq' and theorems that prove the statement go together")
    if (claim.assurance == "balls") and not (claim.balls or claim.tests or claim.checks):
        found.append("assurance 'balls' without a ball check")
    if claim.assurance not in _NOTHING_RUNS and not (claim.checks or claim.tests):
        found.append("nothing is named that could fail")
    if claim.assurance not in _NOTHING_RUNS and not (
        own or claim.values or claim.balls or claim.checks
    ):
        found.append("nothing that `varnum verify` could run")
    return found + _missing(claim) + _against_proof(claim)


def _missing(claim: Claim) -> list[str]:
    found = [
        f"checks/claims/{name}.py does not exist"
        for name in claim.checks
        if not (data_folder("checks") / "claims" / f"{name}.py").is_file()
    ]
    found += [f"proofs/coq has no theorem {name}" for name in claim.theorems if not _proved(name)]
    root = Path(str(resources.files("varnum"))).parent
    if not (root / "tests").is_dir():
        return found  # an installed wheel has no tests; the repository's suite asks there
    for test in claim.tests:
        file, _, function = test.partition("::")
        path = root / file
        if not path.is_file() or (function and not _defines(path, function)):
            found.append(f"{test} does not exist")
    return found


def _defines(path: Path, function: str) -> bool:
    return re.search(rf"^\s*def {re.escape(function)}\(", path.read_text("utf-8"), re.M) is not None


def _proved(name: str) -> bool:
    """Whether proofs/coq has a theorem "Module.theorem"."""
    module, _, theorem = name.partition(".")
    path = data_folder("proofs") / "coq" / f"{module}.v"
    text = path.read_text("utf-8") if path.is_file() else ""
    return re.search(rf"^(?:Theorem|Lemma) {re.escape(theorem)}\b", text, re.M) is not None


def _against_proof(claim: Claim) -> list[str]:
    """The page that proves a claim quotes its statement, or every sentence (`is_quoted`)."""
    path = data_folder("proofs") / f"{claim.id}.md"
    if not path.is_file():
        needed = claim.assurance in ("coq", "solver", "balls", "words") or is_quoted(claim)
        needed = needed and claim.assurance not in _NOTHING_RUNS
        return [f"proofs/{path.name} does not exist"] if needed else []
    text = _flat(path.read_text("utf-8"))
    if not re.match(rf"# {re.escape(claim.id)}[ :]", text):
        return [f"proofs/{path.name} does not begin with '# {claim.id}'"]
    parts: list[str] = [claim.statement]
    if is_quoted(claim):
        parts += [*claim.hypotheses, claim.source, claim.repaired, claim.tight]
    return [
        f"proofs/{path.name} does not say: {part!r}" for part in parts if _flat(part) not in text
    ]


def is_quoted(claim: Claim) -> bool:
    """Sections whose proof pages carry the ledger's sentences word by word."""
    return claim.section.startswith(("3-", "4-", "5-", "6-regime", "7-lower"))


def _flat(text: str) -> str:
    return " ".join(text.replace("\n> ", " ").replace("\n>", " ").split())


def formula(name: str) -> Any:
    """The Formula object behind "module.name" of varnum.formulas."""
    module, _, attribute = name.partition(".")
    return getattr(importlib.import_module(f"varnum.formulas.{module}"), attribute)
