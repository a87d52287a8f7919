"""`varnum doctor`: what is installed, what that enables, and a quick self-test."""

from __future__ import annotations

import sys

from varnum._version import __version__
from varnum.cli.common import Json
from varnum.cli.envelope import print_envelope

# package, import name, extra (None: base), what it enables
PARTS = (
    ("numpy", "numpy", None, "the reference model in float64 and float32"),
    ("sympy", "sympy", None, "closed forms"),
    ("mpmath", "mpmath", None, "second opinion on transcendental facts"),
    ("python-flint", "flint", None, "balls: every certified number"),
    ("z3-solver", "z3", None, "proof obligations"),
    ("array-api-compat", "array_api_compat", None, "one model for NumPy, torch and balls"),
    ("torch", "torch", "torch", "the reference model on CPU and GPU"),
    ("safetensors", "safetensors", "torch", "weights in .safetensors files"),
    ("transformers", "transformers", "transformers", "guaranteed attention in Hugging Face models"),
    ("cvc5", "cvc5", "cvc5", "a second solver for proof obligations"),
    ("matplotlib", "matplotlib", "plot", "pictures: varnum plot, regime --plot"),
    ("distributed", "distributed", "cluster", "varnum audit on a cluster (--cluster)"),
    ("math-core", "math_core", "docs", "formulas of the site"),
    ("mkdocs-material", "material", "docs", "the site (mkdocs serve)"),
    ("pytest", "pytest", "test", "the tests"),
    ("hypothesis", "hypothesis", "test", "the tests"),
    ("triton", "triton", None, "running what poly --emit triton writes"),
)
OPTIONAL = {"triton"}  # of no extra: it comes with a GPU build of torch, or not at all
# program, what it enables
PROGRAMS = (
    ("coqc", "check --coq, verify --require coq"),
    ("gcc", "compiling what poly --emit c writes"),
    ("nvcc", "compiling what poly --emit cuda writes"),
    ("sollya", "the same degrees by a second program (tests)"),
    ("chromium", "pages in a browser (tests)"),
)


def doctor(json: Json = False) -> int:
    """Say what is installed and what it enables, and run a quick self-test.

    Exit code 0: the base install works; 1: the self-test failed; 4: a base part is missing.

    Example: varnum doctor --json
    """
    import platform
    import shutil

    parts = [
        {"package": package, "version": _installed(package, module), "extra": extra, "enables": use}
        for package, module, extra, use in PARTS
    ]
    missing = [
        p["package"]
        for p in parts
        if p["version"] is None and p["extra"] is None and p["package"] not in OPTIONAL
    ]
    programs = [
        {"program": name, "found": shutil.which(name) is not None, "enables": use}
        for name, use in PROGRAMS
    ]
    tests = [] if missing else self_test()
    code = 4 if missing else 0 if all(passed for _, passed in tests) else 1
    if json:
        results = [{"test": name, "passed": passed} for name, passed in tests]
        content = {"python": platform.python_version(), "parts": parts, "programs": programs}
        return print_envelope(
            "varnum/doctor/2", content | {"self_test": results, "ok": code == 0},
            verdict="refuted" if code == 1 else "unknown" if code else "done",
            assurance="measured", exit_code=code,
        )  # fmt: skip
    print(f"varnum {__version__}, Python {platform.python_version()}, {platform.machine()}")
    for part in parts:
        state = part["version"] or ("MISSING" if part["package"] in missing else "absent")
        print(f"  {part['package']:<17} {state:<12} {part['enables']}")
    for program in programs:
        state = "found" if program["found"] else "absent"
        print(f"  {program['program']:<17} {state:<12} {program['enables']}")
    absent = dict.fromkeys(p["extra"] for p in parts if p["extra"] and p["version"] is None)
    if absent:
        print("  to add what is absent:")
        print(f"    pip install 'varnum[{','.join(map(str, absent))}]'")
    for name, passed in tests:
        print(f"  self-test: {name}: {'ok' if passed else 'FAILED'}")
    if missing:
        print(f"missing parts of the base install: {', '.join(map(str, missing))}", file=sys.stderr)
    return code


def _installed(package: str, module: str) -> str | None:
    import importlib.metadata
    import importlib.util

    if importlib.util.find_spec(module) is None:
        return None
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown version"


def self_test() -> list[tuple[str, bool]]:
    """A proof from both sides, its check by the independent checker, and a check that must fail."""
    import json

    from varnum import checker
    from varnum._plan import plan

    text = plan("1", eps="1e-3").certify()
    try:
        proved = checker.check(text.encode()).least is not None
    except (checker.NotProved, checker.Malformed):
        proved = False
    false = json.loads(text) | {"eps": "0.0001"}  # a right digest on a false statement
    try:
        checker.check(checker.serialise(false))
        refused = False
    except checker.NotProved:
        refused = True
    return [("a certificate is checked", proved), ("a false one is refused", refused)]
