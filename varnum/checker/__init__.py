"""Check a certificate again, with the standard library alone and nothing else of varnum.

A certificate (docs/reference/certificate.md) says: this polynomial is within eps of exp on this
interval, and none of lower degree is. Read in this order: `certificate` (the file: form, limits,
digest), `arithmetic` (exp between integers), `proof` (the two theorems). Run it on a bare Python
with `python varnum/checker c.json`. A circuit file holds threshold gates: `circuit` re-runs them.
The certificate of an evaluation in a float format is read by `evaluation`, a folder of its own.
"""

from . import circuit, evaluation
from .certificate import Malformed, load, read, serialise
from .proof import Checked, NotProved, check

__all__ = [
    "Checked",
    "Malformed",
    "NotProved",
    "check",
    "circuit",
    "evaluation",
    "load",
    "read",
    "serialise",
]
