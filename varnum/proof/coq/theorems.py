"""Theorems of proofs/coq by name: what each states, and on which axioms they rest."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from varnum.errors import InputError
from varnum.proof.coq.compiler import compile_file, version
from varnum.proof.coq.library import LIBRARY, Say, compiled_library
from varnum.verdict import Proved, Refuted, Unknown, Verdict

REALS = frozenset({
    "ClassicalDedekindReals.sig_forall_dec",
    "ClassicalDedekindReals.sig_not_dec",
    "Classical_Prop.classic",
    "FunctionalExtensionality.functional_extensionality_dep",
})  # fmt: skip
"""Coq's real numbers: excluded middle, in three forms, and functional extensionality."""

_INTEGERS = """
add add_spec addc addc_def_spec addcarryc addcarryc_def_spec addmuldiv addmuldiv_def_spec compare
compare_def_spec div div_spec diveucl diveucl_21 diveucl_21_spec diveucl_def_spec eqb eqb_correct
eqb_refl head0 head0_spec int land land_spec leb leb_spec lor lor_spec lsl lsl_spec lsr lsr_spec
ltb ltb_spec lxor lxor_spec mod mod_spec mul mul_spec mulc mulc_spec of_to_Z sub sub_spec subc
subc_def_spec subcarryc subcarryc_def_spec tail0 tail0_spec
"""
_STATED = re.compile(r"_spec$|^eqb_|^of_to_Z$")
PRIMITIVE = REALS | {
    f"{'Uint63' if _STATED.search(name) else 'PrimInt63'}.{name}" for name in _INTEGERS.split()
}
"""Those, and the 63-bit integers of the processor with what Coq assumes of them."""


class Seen(NamedTuple):
    """What Coq prints of theorems: statement of each, axioms of all together."""

    statements: dict[str, str]
    axioms: frozenset[str]


def look(names: Sequence[str], say: Say = lambda _: None) -> Seen:
    """Let Coq print these theorems; InputError if one is absent, MissingProgram if Coq is."""
    library = compiled_library(LIBRARY, say)
    say("Coq prints the axioms")
    modules = " ".join(dict.fromkeys(name.partition(".")[0] for name in names))
    lines = ["From Coq Require Import Reals List.", f"From Varnum Require Import {modules}.",
             "Import ListNotations. Open Scope R_scope.", *(f"Check {name}." for name in names),
             f"Definition all := ({', '.join(names)}, tt).", "Print Assumptions all."]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "look.v"
        path.write_text("\n".join(lines) + "\n", encoding="ascii")
        answer = compile_file(path, library)
    if not answer.ok:
        raise InputError(f"Coq: {answer.message}")
    checked, _, assumed = answer.output.partition("Axioms:\n")
    return Seen(_statements(checked, names), axioms_of(assumed))


def _statements(output: str, names: Sequence[str]) -> dict[str, str]:
    """`Check` prints a name at the start of a line and its type on lines that are indented."""
    parts = [part for part in re.split(r"^(?=\w)", output, flags=re.M) if " : " in part]
    found = [" ".join(part.split()).partition(" : ")[2] for part in parts]
    return dict(zip(names, found, strict=True))


def axioms_of(printed: str) -> frozenset[str]:
    """The names that `Print Assumptions` lists: those at the start of a line."""
    return frozenset(re.findall(r"^([\w.]+)(?= :|$)", printed, re.M)) - {"Axioms"}


def verdicts(names: Sequence[str], say: Say = lambda _: None) -> dict[str, Verdict]:
    """For each theorem: Proved if Coq's kernel accepts it on the axioms of the real numbers alone.

    Raises MissingProgram without Coq. What fails to compile is Unknown: it was not checked.
    """
    try:
        seen = look(names, say)
    except InputError as error:
        return dict.fromkeys(names, Unknown(str(error)))
    if more := seen.axioms - REALS:
        return dict.fromkeys(names, Refuted(sorted(more), "axioms beyond those of the reals"))
    return dict.fromkeys(names, Proved(f"Coq {version()}, axioms of the real numbers"))
