"""Standard output and standard error that may be closed, full, or left by their reader.

Losing stdout raises what no verb mistakes for an error of its own files (no OSError); losing stderr
is not worth an exit code: the talk is dropped and the work goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

READER_LEFT = 141  # as a program ended by SIGPIPE: neither proved (0) nor refuted (1)


class OutputLost(Exception):
    """The result did not arrive, and why; `reader_left`: the pipe's other end was closed."""

    def __init__(self, error: OSError | ValueError) -> None:
        super().__init__(getattr(error, "strerror", None) or "the stream is closed")
        self.reader_left = isinstance(error, BrokenPipeError)


class Stream:
    """A text stream whose failures stay here; everything else is the stream's own."""

    def __init__(self, stream: Any, needed: bool) -> None:
        self._stream, self._needed = stream, needed
        self._lost: OutputLost | None = None

    def write(self, text: str) -> int:
        """Write; where the stream is lost raise OutputLost, or go on without it."""
        self._do(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, likewise."""
        self._do(self._stream.flush)

    def _do(self, act: Callable[[], object]) -> None:
        if self._lost is None:
            try:
                act()
                return
            except UnicodeEncodeError:
                raise
            except (OSError, ValueError) as error:  # ValueError: a closed file
                self._lost = OutputLost(error)
                _to_nowhere(self._stream)  # the interpreter's last flush
        if self._needed:  # again and again: somebody may have caught the first
            raise self._lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _to_nowhere(stream: Any) -> None:
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def guarded() -> Iterator[None]:
    """sys.stdout and sys.stderr as `Stream`s inside the block; a closed stderr goes nowhere."""
    before = sys.stdout, sys.stderr
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # names of files are not always text
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if sys.stdout is not None:
        sys.stdout = Stream(sys.stdout, needed=True)
    sys.stderr = Stream(sys.stderr, needed=False)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
