"""z3 and cvc5 behind one door, each in a child process that is ended when its time is up."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from queue import Empty, Queue
from types import TracebackType
from typing import TYPE_CHECKING

from varnum.errors import MissingExtra
from varnum.verdict import Proved, Refuted, Unknown, Verdict

if TYPE_CHECKING:
    from varnum.proof.worker import Answer

SOLVERS = ("z3", "cvc5")
_STATUS = re.compile(r"^\(set-info :status (sat|unsat)\)$", re.MULTILINE)


def installed() -> tuple[str, ...]:
    """The solvers that can be loaded here."""
    return tuple(name for name in SOLVERS if importlib.util.find_spec(name) is not None)


@dataclass
class Solver:
    """A solver in its own process; use as a context manager. `timeout` in seconds a problem."""

    name: str
    timeout: float = 10.0
    version: str = field(default="", init=False)
    _process: subprocess.Popen[str] | None = field(default=None, init=False)
    _answers: Queue[str] = field(default_factory=Queue, init=False)

    def __enter__(self) -> Solver:
        if self.name not in installed():
            raise MissingExtra(self.name, self.name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def decide(self, text: str) -> Verdict:
        """Proved if the script's own `:status` is found, Refuted if the opposite, else Unknown."""
        statuses = _STATUS.findall(text)
        if len(statuses) != 1 or text.count("(check-sat)") != 1:
            return Unknown("the script needs exactly one :status and one (check-sat)")
        answer = self._ask(
            _STATUS.sub("", text)
        )  # the expected answer is not the solver's business
        if answer is None:
            return Unknown(f"{self.name}: no answer in {self.timeout:g} s")
        result = answer["result"]
        if result == statuses[0]:
            return Proved(f"{self.name} {self.version}: {result}")
        if result in ("sat", "unsat"):
            return Refuted(answer.get("model") or {}, f"{self.name} {self.version}: {result}")
        return Unknown(f"{self.name}: {answer.get('error', result)}")

    def _ask(self, text: str) -> Answer | None:
        process = self._process or self._start()
        if process is None or process.stdin is None:
            return None
        try:
            process.stdin.write(json.dumps({"text": text}) + "\n")
            process.stdin.flush()
            answer: Answer = json.loads(self._answers.get(timeout=self.timeout))
        except (Empty, OSError, ValueError):
            self._stop()
            return None
        return answer

    def _start(self) -> subprocess.Popen[str] | None:
        self._answers = Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "varnum.proof.worker", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        answers, pipe = self._answers, self._process.stdout
        assert pipe is not None

        def read() -> None:
            for line in pipe:
                answers.put(line)
            answers.put("")  # the process ended: json refuses the empty line
            pipe.close()

        threading.Thread(target=read, daemon=True).start()
        try:  # loading the solver is not part of the problem's time
            self.version = str(json.loads(answers.get(timeout=max(60.0, self.timeout)))["version"])
        except (Empty, ValueError):
            self._stop()
            return None
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
