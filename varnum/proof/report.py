"""The report of `varnum verify` as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from varnum.envelope import envelope, plain
from varnum.proof.ledger import claims
from varnum.verdict import ANSWER_OF, Verdict, weakest

if TYPE_CHECKING:
    from varnum.proof.verify import Item, Report

SCHEMA = "varnum/verify/2"


def content(report: Report) -> dict[str, object]:
    """What `--json` prints inside the envelope."""
    names = dict.fromkeys(item.claim for item in report.items)
    return {
        "solvers": report.solvers,
        "absent": list(report.absent),
        "claims": [
            {
                "id": name,
                "assurance": claims()[name].assurance,
                "statement": claims()[name].statement,
                "repaired": claims()[name].repaired,
                "tight": claims()[name].tight,
                "verdict": type(report.verdict(name)).__name__,
                "items": [_item(item) for item in report.of(name)],
            }
            for name in names
        ],
    }


def document(report: Report) -> dict[str, object]:
    """The whole document of `varnum verify --json`."""
    found, code = content(report), report.exit_code
    said = {0: "proved", 1: "refuted"}.get(code, "unknown")
    whole: dict[str, object] = plain(
        envelope(SCHEMA, found, verdict=said, assurance=_assurance(report), exit_code=code)
    )
    return whole


def _assurance(report: Report) -> str:
    """The weakest answer that the claims shown allow, those that assure nothing left out."""
    names = dict.fromkeys(item.claim for item in report.items)
    kinds = [claims()[name].assurance for name in names]
    words = [ANSWER_OF[kind] for kind in kinds if kind in ANSWER_OF]
    return weakest(*words or ["estimated"])


def _item(item: Item) -> dict[str, object]:
    fields: dict[str, object] = {"kind": item.kind, "name": item.name}
    fields["verdict"] = type(item.verdict).__name__
    fields["detail"] = detail(item.verdict)
    if item.measured is not None:
        fields |= {"measured": item.measured, "claimed": item.claimed}
    return fields


def detail(verdict: Verdict) -> str:
    """By what, or why; with the witness."""
    how = getattr(verdict, "how", "") or getattr(verdict, "reason", "")
    witness = getattr(verdict, "witness", None)
    return f"{how}: {witness}" if witness is not None else str(how)
