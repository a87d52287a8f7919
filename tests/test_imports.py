"""Who may import whom, and what must not be loaded: held by reading the code and by running it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "varnum"
GROUND = {
    "errors",
    "verdict",
    "_version",
    "balls",
    "formulas",
    "outward",
    "_moved",
    "text",
    "value",
    "envelope",
    "tensor",
}

# first part of the module path -> what it may import besides itself; the house of docs/development
MAY: dict[str, set[str]] = {
    "errors": set(),
    "verdict": set(),
    "_moved": set(),
    "_gone": {"model"},
    "tensor": set(),
    "_version": set(),
    "balls": {"errors", "verdict", "tensor"},
    "outward": {"balls", "errors"},
    "text": {"balls"},
    "value": set(),
    "envelope": {"balls", "verdict", "_version"},
    "_plan_text": GROUND | {"_plan"},
    "_plan_json": GROUND | {"_plan"},
    "formulas": GROUND,
    "approx": GROUND,
    "floats": {"errors", "tensor"},
    "lowrank": GROUND | {"approx", "floats"},
    "model": GROUND,
    "cost": GROUND | {"approx", "lowrank", "model.config", "model.flowar.flow_config"},
    "question": GROUND | {"approx", "cost", "model.config"},
    "_plan": GROUND
    | {"approx", "lowrank", "cost", "question", "model.config", "_plan_text", "_plan_json"},
    "_plan_flowar": GROUND
    | {"approx", "lowrank", "cost", "question", "_plan", "_plan_flowar_text"},
    "_plan_flowar_text": GROUND | {"_plan_flowar", "_plan_json"},
    "_certificate": GROUND | {"floats"},
    "_portable": GROUND | {"floats", "lowrank", "_certificate"},
    "recheck": set(),
    "_spread": GROUND | {"floats", "lowrank"},
    "_attention": GROUND | {"approx", "floats", "lowrank", "_certificate", "_spread", "_portable"},
    "_slot": GROUND | {"floats", "lowrank", "_attention"},
    "integrations": GROUND | {"floats", "lowrank", "_attention"},
    "sampled": GROUND | {"floats", "_attention", "model", "propagate"},
    "propagate": GROUND | {"approx", "floats", "lowrank", "cost", "model", "_plan", "question"},
    "hardness": GROUND | {"approx", "floats", "lowrank", "cost", "model", "_attention"},
    "audit": GROUND
    | {
        "floats",
        "approx",
        "lowrank",
        "cost",
        "model",
        "_plan",
        "_attention",
        "question",
        "propagate",
        "integrations",
    },
    "series": GROUND,
    "plots": GROUND | {"approx", "lowrank", "cost", "model", "_plan", "propagate", "proof"},
    "loop": GROUND | {"model", "propagate"},
    "circuit": GROUND | {"model"},
    "checker": set(),
}
LATER = {"proof", "cli", "_proofs", "__main__", "__init__"}  # may import everything below them
HEAVY = {
    "flint": {"balls"},
    "z3": {"proof"},
    "cvc5": {"proof"},
}


def imports(path: Path) -> list[str]:
    """Absolute names of all modules a file imports, wherever the import stands."""
    package = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts[:-1])
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]).rstrip(".")
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_direction(path: Path) -> None:
    room = path.relative_to(ROOT).with_suffix("").parts[0]
    assert room in MAY or room in LATER, f"{room}: say in this test what it may import"
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top in HEAVY:
            assert room in HEAVY[top], f"{path.name} imports {name}"
        if top != "varnum" or not rest or room in LATER:
            continue
        target = rest.split(".")[0]
        if target in {"__version__", room}:
            continue
        allowed = MAY[room]
        assert (
            target in allowed
            or any(rest.startswith(a) for a in allowed if "." in a)
            or any(a.startswith(rest) for a in allowed if "." in a)
        ), f"{path.relative_to(ROOT)} imports {name}"


# an array must name its namespace (Array API)
CIRCLES = {frozenset({"varnum.balls.array", "varnum.balls.namespace"})}


def _imported(path: Path) -> set[str]:
    """The modules of the house a file imports, lazily or not; imports for types alone left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    modules = {_module(file) for file in FILES}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & modules or {node.module}
    return found & modules - {_module(path)}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The sets of modules that reach each other."""
    reach = {name: set(targets) for name, targets in graph.items()}
    for middle in graph:
        for targets in reach.values():
            if middle in targets:
                targets |= reach[middle]
    return {frozenset(b for b in reach[a] if a in reach[b]) | {a} for a in graph if a in reach[a]}


def test_no_circle_between_files() -> None:
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == {frozenset({"b", "c"})}
    assert _circles({_module(path): _imported(path) for path in FILES}) == CIRCLES


KEYS = {"cli", "plots", "formulas"}  # rooms whose files bear the word by which they are looked up


def _shared(paths: list[Path]) -> dict[str, list[str]]:
    """Names that two files have; rooms of keys and old paths that only forward are left out."""
    homes: dict[str, list[str]] = {}
    for path in paths:
        if (
            path.stem not in {"__init__", "__main__"}
            and path.relative_to(ROOT).parts[0] not in KEYS
        ):
            homes.setdefault(path.stem, []).append(str(path.relative_to(ROOT)))
    return {name: found for name, found in homes.items() if len(found) > 1}


def test_a_module_has_a_name_of_its_own() -> None:
    one, other, verb = (
        ROOT / name for name in ("lowrank/state.py", "loop/state.py", "cli/state.py")
    )
    assert _shared([one, other, verb]) == {"state": ["lowrank/state.py", "loop/state.py"]}
    forwards = "from varnum._moved import moved\n"
    assert not _shared([path for path in FILES if forwards not in path.read_text()])


def test_the_checker_is_the_standard_library_alone() -> None:
    for path in (ROOT / "checker").glob("*.py"):
        for name in imports(path):
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or name.startswith("varnum.checker"), name
    for path in FILES:
        if "checker" in {n.split(".")[1] for n in imports(path) if n.startswith("varnum.")}:
            assert path.relative_to(ROOT).parts[0] in {"checker", "cli", "_proofs.py"}, path


def test_the_second_program_for_attention_shares_nothing() -> None:
    for path in (ROOT / "recheck").glob("*.py"):
        for name in imports(path):
            top = name.split(".")[0]
            good = top in sys.stdlib_module_names or top == "numpy"
            assert good or name.startswith("varnum.recheck"), name
    for path in FILES:
        if "recheck" in {n.split(".")[1] for n in imports(path) if n.startswith("varnum.")}:
            assert path.relative_to(ROOT).parts[0] in {"recheck", "cli"}, path


def loaded(code: str) -> set[str]:
    """Top-level modules in memory after running `code` in a fresh interpreter."""
    code += "\nimport sys; print(*{m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stderr.split())


HELP = """
import sys
from varnum.cli import main
sys.argv = ["varnum", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
"""


@pytest.mark.parametrize("code", ["import varnum", HELP], ids=["import", "help"])
def test_nothing_heavy_is_loaded(code: str) -> None:
    heavy = {"sympy", "z3", "flint", "torch", "numpy", "cvc5", "matplotlib", "mpmath", "rich"}
    assert not loaded(code) & heavy


BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "cvc5", "matplotlib", "distributed", "safetensors"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
"""


def test_optional_means_optional() -> None:
    """Without any extra the main job runs, and every module can be imported."""
    code = BLOCK + (
        "import pkgutil, importlib, varnum\n"
        "for m in pkgutil.walk_packages(varnum.__path__, 'varnum.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "assert varnum.plan(M='1', d=4, eps='1e-3', n=4).degree == 4\n"
    )
    assert "torch" not in loaded(code)
