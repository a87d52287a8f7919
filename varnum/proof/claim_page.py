"""The page of a claim, whole: its front matter as prose, the proof, the obligations, the code."""

from __future__ import annotations

from collections.abc import Iterator

from varnum.proof.ledger import Claim, page
from varnum.proof.obligations import all_obligations


def render(claim: Claim) -> str:
    """Markdown in one shape: statement, hypotheses, source, why, how tight, checks, code."""
    title, _, body = page(claim).partition("\n")
    parts = [title, f"> {claim.statement}"]
    if claim.hypotheses:
        parts.append("Hypotheses:\n\n" + "\n".join(f"- {text}" for text in claim.hypotheses))
    parts.append(f"Source: {claim.source}")
    if claim.repaired:
        parts.append(f"Repaired: {claim.repaired}")
    parts += [body.strip(), f"## How tight\n\n{claim.tight}", f"## Checks\n\n{_checks(claim)}"]
    if claim.code:
        parts.append("## Code\n\n" + "\n".join(f"- `{name}`" for name in claim.code))
    return "\n\n".join(part for part in parts if part) + "\n"


def _checks(claim: Claim) -> str:
    return "\n".join([f"Rests on: {claim.assurance}.", "", *_listed(claim)]).strip()


def _listed(claim: Claim) -> Iterator[str]:
    for o in all_obligations():
        if o.claim == claim.id:
            yield f"- `{o.name}.smt2` (unsat): {o.says}. Its twin (sat): {o.twin.says}."
    yield from (f"- `checks/claims/{name}.py`, from extremal cases too" for name in claim.checks)
    yield from (f"- `{name}`" for name in claim.tests)
