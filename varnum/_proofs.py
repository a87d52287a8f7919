"""certify, check and verify from Python: a proof as text, its independent check, the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from varnum.errors import InputError
from varnum.verdict import Proved, Refuted, Unknown

if TYPE_CHECKING:
    from varnum.proof.verify import Report


def certify(*size: Any, **question: Any) -> str | Unknown:
    """The certificate of the least degree, as text that `varnum check` and `vn.check` read.

    Takes the arguments of `vn.plan`. Unknown where the degree is not proved at all; where it is
    proved to suffice and not proved least, the certificate claims no more. Raises InputError.

    >>> text = certify(M="1", eps="1e-3")
    >>> check(text).how[:55]
    'proved: the polynomial P in the file, of degree at most'
    >>> certify(M="1", eps="1e-3", max_degree=2)
    Unknown(reason='every degree up to 2 has error above eps')
    >>> certify(M="1", eps="2")
    Traceback (most recent call last):
    varnum.errors.InputError: eps: 2 is not allowed; 0 < eps < 1

    Claims exp-supnorm, minimal-degree.
    """
    from varnum._plan import plan

    answer = plan(*size, **question)
    return answer.least if isinstance(answer.least, Unknown) else answer.certify()


def check(certificate: str | bytes) -> Proved | Refuted | Unknown:
    """Re-check a certificate (its text, not a file name) with the small independent checker.

    Of a degree, or of an evaluation (alone or in the comment of emitted code), or a circuit file,
    which is run again: Unknown where that cannot be done for all its inputs.

    Proved with the statement, or Refuted where the statement does not follow from what it holds.
    Raises InputError where the text is no certificate, or was changed.

    >>> text = certify(M="1", eps="1e-3")
    >>> type(check(text)).__name__
    'Proved'
    >>> check(text.replace("0.001", "0.0001"))
    Traceback (most recent call last):
    varnum.errors.InputError: certificate: bytes and digest: expected the canonical form of the ...
    """
    from varnum import checker

    if not isinstance(certificate, bytes | str):
        raise InputError(f"certificate: {type(certificate).__name__} is no text")
    data = (
        certificate if isinstance(certificate, bytes) else str(certificate).encode(errors="replace")
    )
    try:
        if checker.circuit.is_circuit(data):
            seen = checker.circuit.replay(checker.circuit.read(data))
            return Proved(str(seen)) if seen.all else Unknown(f"not all inputs were tried: {seen}")
        evaluation = checker.evaluation.is_evaluation(data)
        said = checker.evaluation.check(data) if evaluation else checker.check(certificate)
        return Proved(str(said))
    except checker.NotProved as reason:
        return Refuted(str(reason), "the statement does not follow from the certificate")
    except checker.Malformed as reason:
        raise InputError(f"certificate: {reason}") from None


def verify(
    claim: str | None = None,
    *,
    timeout: float = 10,
    require: Sequence[str] = (),
    trials: int = 200,
    seed: int = 0,
    checks: bool = True,
) -> Report:
    """Try the claims of the ledger again (all, or one id), as `varnum verify` does.

    timeout: seconds per obligation and solver; require: solvers that must be present; trials, seed:
    of the numerical checks, left out with checks=False. `report.verdict(claim)` says what became of
    one. Raises InputError for an unknown claim and MissingExtra for a required solver.

    >>> verify("cost-exact", checks=False).verdict("cost-exact")
    Proved(how='2 values')
    >>> verify("cost-of-tea")
    Traceback (most recent call last):
    varnum.errors.InputError: claim: 'cost-of-tea' is not in the ledger; an id such as cost-...
    """
    from varnum.proof.verify import verify as run

    return run(
        claim, timeout=timeout, require=tuple(require), trials=trials, seed=seed, checks=checks
    )
