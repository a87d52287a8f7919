"""What a method of low-rank attention is: four names, and the laws that all of them obey.

`METHODS` is the one table: `varnum.attention`, its "auto", the command line, the evaluators of
`varnum.hardness` and the tests take the methods from it. A new one is a module with an object that
fits `Method`, and a line there. Light to import: the methods load where they are used.

No method is the audit's output rank, the leading monomials of `varnum.audit.leading_monomials`: it
is read off a comparison with exact attention, so it says nothing of other tokens (law 2 below). The
same monomials with a bound that does are recovery: any set of them leaves a kernel that is positive
semidefinite, which is all that its theorem asks; it keeps the sets that a few products make.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from varnum.tensor import Tensor

if TYPE_CHECKING:
    from varnum.lowrank.problem import Problem, Promise
    from varnum.verdict import Unknown

METHODS = {  # name -> module and object; names in the order in which they are listed
    "pivots": "varnum.lowrank.pivots.pivot_method:PIVOTS",
    "monomials": "varnum.lowrank.monomials.monomial_method:MONOMIALS",
    "recovery": "varnum.lowrank.recovery.recovery_method:RECOVERY",
    "moments": "varnum.lowrank.moments.moment_method:MOMENTS",
    "clusters": "varnum.lowrank.clusters.cluster_method:CLUSTERS",
    "exact": "varnum.lowrank.exact_method:EXACT",
}


@dataclass(frozen=True)
class Answer:
    """Attention of a problem's own tokens in its view; each error is an upper bound.

    output (L_q, d_v); output_error in units of the range of each value column over the keys that a
    row sees; kernel_error entrywise relative, infinite where nothing is said about the kernel.
    """

    output: Tensor
    output_error: float
    kernel_error: float
    rank: int
    rows_exact: int = 0  # rows that exact attention did
    reason: str = ""  # what should be said beside the reason for choosing the method
    seconds: float = 0.0  # spent on bounds
    tested: str = ""  # what ran that is only tested, in words

    def error(self, of: Promise) -> float:
        """Of the kernel or of the output."""
        return self.kernel_error if of == "kernel" else self.output_error


class Fitted(Protocol):
    """Settled on a problem's tokens; holds no keys yet: `add` brings them, `attend` reads.

    Laws, for float32 or float64 tokens of the problem's backend and widths, tested over `METHODS`
    in tests/lowrank/test_laws.py:

    1. Adding in parts equals adding at once, up to rounding: both are within their bounds.
    2. The bounds hold for whatever is added and asked, new tokens included, rounding included: row
       i of the output is within bound_i times the range of each value column over the keys added.
       Where a method cannot say anything, the bound is infinite, never too small.
    3. `answer` says the same about the problem's own tokens, in its view; asked twice it is the
       same, whatever was added meanwhile.
    4. The same problem gives the same bits again, and nothing given is written to.
    """

    @property
    def rank(self) -> int:
        """Features per query; 0 for exact attention."""

    @property
    def said(self) -> str:
        """What this is, in a few words: "rank 12"."""

    def add(self, k: Tensor, v: Tensor) -> None:
        """More keys (n, d) and values (n, d_v), n >= 1; what is kept are copies."""

    def attend(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Output (n, d_v) for queries (n, d) over all keys added, and its bound per row (n,).

        Raises InputError where there are no keys.
        """

    def answer(self) -> Answer:
        """Attention of the problem's own tokens."""


class Method(Protocol):
    """A way to do attention within an error; any number of problems, no state of its own."""

    @property
    def name(self) -> str:
        """As users write it."""

    @property
    def claims(self) -> tuple[str, ...]:
        """Of the ledger: what the bounds rest on."""

    @property
    def promises(self) -> Promise:
        """ "kernel" (which bounds the output too, claim softmax-relative) or "output" alone."""

    def cost(self, problem: Problem) -> float:
        """About how many operations fitting takes; only the order of trials rests on it."""

    def fit(self, problem: Problem) -> Fitted | Unknown:
        """Settled so that the target is kept, or why that is not possible or not worth it.

        Never an exception for a problem that is merely hard; InputError for arrays that are wrong.
        """


def method(name: str) -> Method:
    """Of the table."""
    module, _, attribute = METHODS[name].partition(":")
    found: Method = getattr(import_module(module), attribute)
    return found
