"""Tests collected once; per mutant a fork, in which the code is exchanged and the tests run.

A child executes the changed source beside the loaded module and gives the old functions the new
code, so that every `from .. import f` has it too. What tests start as a new process is not changed.
Tests that noticed something lately go first; a child ends with its first failure.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import signal
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Job = Callable[["Runner"], None]


class Runner:
    """A pytest plugin that hands the collected tests to `job` instead of running them."""

    def __init__(self, job: Job) -> None:
        self.job, self.killers = job, list[str]()
        self.seconds: dict[str, float] = {}
        self.report: Any = None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.session, self.items = session, list(session.items)
        if self.report is None and not session.testsfailed:  # all files could be collected
            self.job(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.report is not None:
            entry = [report.nodeid, report.outcome, report.duration]
            os.write(self.report, (json.dumps(entry) + "\n").encode())
            if report.failed:
                os._exit(1)

    def run(self, change: Callable[[], None], limit: float) -> str:
        """passed, failed or timeout (`limit` seconds of processor time) with `change` made."""
        order = sorted(self.items, key=self._rank)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            self._child(change, order, writer, limit)
        os.close(writer)
        with os.fdopen(reader) as lines:
            for line in lines:
                name, outcome, seconds = json.loads(line)
                self.seconds[name] = max(self.seconds.get(name, 0.0), seconds)
                if outcome == "failed":
                    self.killers = [name, *(k for k in self.killers if k != name)][:12]
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return {0: "passed", -signal.SIGXCPU: "timeout", -signal.SIGALRM: "timeout"}.get(
            code, "failed"
        )

    def _rank(self, item: pytest.Item) -> tuple[int, int, float]:
        name = item.nodeid
        if name in self.killers:
            return 0, self.killers.index(name), 0.0
        return 1, 0, self.seconds.get(name, 0.0)

    def _child(self, change: Callable[[], None], order: Any, writer: int, limit: float) -> None:
        code = 1
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 6))
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
            signal.alarm(int(20 * limit) + 60)  # for what sleeps
            self.report = writer
            change()
            hook = self.session.config.hook
            for i, item in enumerate(order):
                following = order[i + 1] if i + 1 < len(order) else None
                hook.pytest_runtest_protocol(item=item, nextitem=following)
            code = 0
        finally:
            os._exit(code)


def collect(tests: list[str], job: Job) -> int:
    """Run `job` on the tests of these files and folders, in this process."""
    runner = Runner(job)
    options = ["-q", "-p", "no:cacheprovider"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded
    with contextlib.redirect_stdout(io.StringIO()):
        return int(pytest.main([*options, *tests], plugins=[runner]))


def exchange(file: str, source: str) -> None:
    """Give the module of `file` (varnum/..) the code of `source`, wherever it is known."""
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    fresh = types.ModuleType(module.__name__)
    fresh.__dict__.update({k: module.__dict__[k] for k in ("__file__", "__package__", "__spec__")})
    sys.modules[module.__name__] = fresh  # dataclasses look themselves up
    try:
        exec(compile(source, str(module.__file__), "exec"), fresh.__dict__)
    finally:
        sys.modules[module.__name__] = module
    for name, new in list(fresh.__dict__.items()):
        old = module.__dict__.get(name)
        if (
            (name.startswith("__") and name != "__getattr__")
            or old is new
            or getattr(new, "__module__", None) is None
        ):
            if name in module.__dict__ and not name.startswith("__") and old is not new:
                _replace(name, old, new)
        elif not _transplant(old, new, module.__name__):
            _replace(name, old, new)


def _transplant(old: Any, new: Any, home: str) -> bool:
    """Exchange the code of a function, or of each method of a class; False for anything else."""
    if getattr(new, "__module__", None) != home:
        return False
    if isinstance(new, type) and isinstance(old, type):
        for name, value in vars(new).items():
            before = vars(old).get(name)
            for part in ("fget", "__func__"):
                if hasattr(value, part):
                    before, value = getattr(before, part), getattr(value, part)
            if isinstance(value, types.FunctionType) and value.__module__ == home:
                _transplant(before, value, home)
        return True
    before, after = _bare(old), _bare(new)
    if not isinstance(before, types.FunctionType) or not isinstance(after, types.FunctionType):
        return False
    before.__code__, before.__defaults__ = after.__code__, after.__defaults__
    before.__kwdefaults__ = after.__kwdefaults__
    return True


def _bare(function: Any) -> Any:
    """The function inside all of its wrappers; what they remember is forgotten."""
    while hasattr(function, "__wrapped__"):
        if hasattr(function, "cache_clear"):
            function.cache_clear()
        function = function.__wrapped__
    return function


def _replace(name: str, old: Any, new: Any) -> None:
    """Bind a changed constant in every module that has the old one under this name."""
    for module in list(sys.modules.values()):
        known = getattr(module, "__dict__", {})
        if name in known and known[name] is old:
            known[name] = new


def here(root: Path) -> None:
    """Let this process import varnum and the tests from `root`."""
    os.chdir(root)
    own = {str(Path(__file__).resolve().parents[n]) for n in range(3)}
    sys.path[:] = [str(root), *(p for p in sys.path if p not in own | {""})]
    os.environ |= {"PYTHONPATH": str(root), "HYPOTHESIS_PROFILE": "mutation"}
