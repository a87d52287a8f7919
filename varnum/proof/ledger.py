"""The ledger: one page per claim, `proofs/<id>.md`, whose front matter is the entry.

`proofs/order.toml` lists the ids by section of the theory. `problems()` is what `varnum verify` and
the tests ask: everything an entry names must exist and everything it says about itself must agree
with its page and its obligations.
"""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from varnum.verdict import CLAIM_WORDS

if TYPE_CHECKING:
    from varnum.formulas.core import Formula

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


# the same as a page's front matter has them
_ValueTable = TypedDict("_ValueTable", {"formula": str, "at": dict[str, str], "is": str})


class _BallTable(TypedDict):
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
    code: tuple[str, ...] = ()  # dotted names of what computes, certifies or prints it
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
    folder = data_folder("proofs")
    order = tomllib.loads((folder / "order.toml").read_text(encoding="utf-8"))
    found: dict[str, Claim] = {}
    for section, names in order.items():
        for name in names:
            front, _ = split((folder / f"{name}.md").read_text(encoding="utf-8"))
            found[name] = read({"id": name, **tomllib.loads(front)}, section)
    if unlisted := {page.stem for page in folder.glob("*.md")} - set(found):
        raise ValueError(f"proofs/order.toml does not list {sorted(unlisted)}")
    return found


def split(page: str) -> tuple[str, str]:
    """(front matter between two lines `+++`, the rest) of a page; ValueError without one."""
    match = re.match(r"\+\+\+\n(.*?)^\+\+\+\n", page, re.S | re.M)
    if match is None:
        raise ValueError("a proof page begins with front matter between two lines '+++'")
    return match[1], page[match.end() :]


def page(claim: Claim) -> str:
    """The page without its front matter."""
    return split((data_folder("proofs") / f"{claim.id}.md").read_text(encoding="utf-8"))[1]


def read(raw: Mapping[str, object], section: str = "") -> Claim:
    """A ledger table as a Claim; unknown or missing keys raise TypeError."""
    known = {f.name for f in fields(Claim)} - {"section", "values", "balls"}
    plain = {key: tuple(v) if isinstance(v, list) else v for key, v in raw.items() if key in known}
    if unknown := set(raw) - known - {"value", "ball"}:
        raise TypeError(f"{raw.get('id')}: unknown keys {sorted(unknown)}")
    values = tuple(
        Value(v["formula"], dict(v["at"]), v["is"])
        for v in cast("list[_ValueTable]", raw.get("value", []))
    )
    balls = tuple(BallFact(**b) for b in cast("list[_BallTable]", raw.get("ball", [])))
    build: Callable[..., Claim] = Claim  # of the wrong kind a field is found by `problems`
    claim: Claim = build(**plain, values=values, balls=balls, section=section)
    return claim


def problems(claim: Claim) -> list[str]:
    """What is wrong with an entry, in words; empty if nothing is."""
    from varnum.proof.obligations import all_obligations

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
    return found + _missing(claim) + _no_such_code(claim) + _shape(claim)


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


def _no_such_code(claim: Claim) -> list[str]:
    if not claim.code and claim.assurance not in _NOTHING_RUNS:
        return ["no code is named that computes, certifies or prints it"]
    return [f"code {name} does not exist" for name in claim.code if not exists(name)]


def exists(name: str) -> bool:
    """Is this dotted name a module of varnum, or something in one?"""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part, None)
        return found is not None and parts[0] == "varnum"
    return False


def _shape(claim: Claim) -> list[str]:
    """A page begins with its id; what rests on a proof says why."""
    text = page(claim)
    if not re.match(rf"# {re.escape(claim.id)}[\n:]", text):
        return [f"proofs/{claim.id}.md does not begin with '# {claim.id}'"]
    needed = claim.assurance in ("coq", "solver", "balls", "words")
    if needed and not re.search(r"^## Why", text, re.M):
        return [f"proofs/{claim.id}.md has no section 'Why'"]
    if re.search(r"^## (How tight|Obligations|Repair)$", text, re.M):
        return [f"proofs/{claim.id}.md repeats what its front matter says"]
    return []


def formula(name: str) -> Formula:
    """The Formula object behind "module.name" of varnum.formulas."""
    module, _, attribute = name.partition(".")
    found: Formula = getattr(importlib.import_module(f"varnum.formulas.{module}"), attribute)
    return found
