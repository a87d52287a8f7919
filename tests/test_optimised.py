"""`python -O` drops assert statements: none may decide anything."""

import ast
import subprocess
import sys
from pathlib import Path

import varnum

HOME = Path(varnum.__file__).parent


def narrows(test):
    """`x is not None` and its like tell the type checker something, and nothing else."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.IsNot)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    )


def test_no_assert_decides():
    found = [
        f"{path.relative_to(HOME)}: {ast.unparse(node)}"
        for path in HOME.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert) and not narrows(node.test)
    ]
    assert found == []


def test_a_false_certificate_is_refused_without_asserts():
    """The self-test holds a true certificate and a false one."""
    code = "from varnum.cli.doctor import self_test; print(all(ok for _, ok in self_test()))"
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
