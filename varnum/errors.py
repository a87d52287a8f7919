"""Errors a user can cause or mend; the command line turns each into one line and an exit code."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: the message says what, where and what is allowed (exit code 2).

    >>> raise InputError("eps: 2 is not allowed; 0 < eps < 1")
    Traceback (most recent call last):
    varnum.errors.InputError: eps: 2 is not allowed; 0 < eps < 1
    """


class MissingExtra(ImportError):
    """An optional part is not installed; the message names the extra that brings it (exit 4).

    >>> raise MissingExtra("torch", "torch")
    Traceback (most recent call last):
    varnum.errors.MissingExtra: torch is not installed; install it with: pip install 'varnum[torch]'
    """

    def __init__(self, part: str, extra: str) -> None:
        super().__init__(f"{part} is not installed; install it with: pip install 'varnum[{extra}]'")
        self.extra = extra


class MissingProgram(MissingExtra):
    """A program that Python does not bring is not installed; the message says how to (exit 4)."""

    def __init__(self, part: str, how: str) -> None:
        ImportError.__init__(self, f"{part} is not installed; install it with: {how}")
        self.extra = part
