"""Errors a user can cause or mend; the command line turns each into one line and an exit code."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: the message says what, where and what is allowed (exit code 2)."""


class MissingExtra(ImportError):
    """An optional part is not installed; the message names the extra that brings it (exit 4)."""

    def __init__(self, part: str, extra: str) -> None:
        super().__init__(f"{part} is not installed; install it with: pip install 'varnum[{extra}]'")
        self.extra = extra
