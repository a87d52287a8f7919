"""State that certifies: one call at a time, and none after one that was cut short."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from varnum.errors import InputError


class Turns:
    """Guards an object whose calls change it.

    A call that fails before `change` leaves the object as it was. One that is cut short after it,
    by whatever exception, leaves it broken: from then on every call is refused.
    """

    def __init__(self, what: str, broken: bool = False) -> None:
        self.what, self.broken = what, broken
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        """The only call under way; raises InputError where another one is, or was cut short."""
        if not self._lock.acquire(blocking=False):
            raise InputError(f"{self.what}: another call is under way; one at a time")
        try:
            if self.broken:
                raise InputError(
                    f"{self.what}: an earlier call was cut short, what it holds is unknown; "
                    "start a new one"
                )
            yield
            self.broken = False
        finally:
            self._lock.release()

    def change(self) -> None:
        """From here to the end of this turn the object changes."""
        self.broken = True

    def __reduce__(self) -> tuple[type[Turns], tuple[str, bool]]:
        """A copy has a lock of its own; made in the middle of a change, it is broken."""
        return Turns, (self.what, self.broken)
