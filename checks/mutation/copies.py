"""A copy of the project in a temporary folder, in which one file is changed and tests run.

Tests run in a fork of this process, after the slow imports of other people's packages.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

OWN = {str(Path(__file__).resolve().parents[n]) for n in range(3)} | {""}  # not to be imported from


class Copy:
    """A copy of the project in which files are changed and tests run, one at a time."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        skip = shutil.ignore_patterns("__pycache__", ".git", ".*_cache", ".hypothesis", ".venv")
        for name in ("varnum", "tests", "checks", "proofs", "docs"):
            shutil.copytree(root / name, folder / name, ignore=skip)
        for path in root.iterdir():
            if path.is_file() and path.name != ".git":
                shutil.copy(path, folder)

    def run(self, tests: list[str], limit: float, keep_bytecode: bool = False) -> str:
        """passed, failed, timeout (after `limit` seconds of processor time) or no tests."""
        sys.stdout.flush()
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 6))
            self._tests(tests, keep_bytecode)
        end = time.monotonic() + 20 * limit + 60  # for what sleeps
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                return {0: "passed", 5: "no tests", -signal.SIGXCPU: "timeout"}.get(code, "failed")
            if time.monotonic() > end:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "timeout"
            time.sleep(0.02)

    def _tests(self, tests: list[str], keep_bytecode: bool) -> None:
        code = 70
        try:
            os.setsid()
            os.chdir(self.folder)
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            sys.dont_write_bytecode = not keep_bytecode
            sys.path[:] = [str(self.folder), *(p for p in sys.path if p not in OWN)]
            os.environ |= {"PYTHONPATH": str(self.folder), "HYPOTHESIS_PROFILE": "mutation"}
            if not keep_bytecode:
                os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            import pytest

            options = ["-x", "-q", "-p", "no:cacheprovider"]
            options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded
            code = int(pytest.main([*options, *tests]))
        finally:
            os._exit(code)

    def verdict(self, file: str, source: str, tests: list[str], limit: float) -> str:
        """The verdict of `tests` with `file` replaced by `source`."""
        path = self.folder / file
        for old in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            old.unlink()
        try:
            path.write_text(source, "utf-8")
            return self.run(tests, limit)
        finally:
            shutil.copy(self.root / file, path)
