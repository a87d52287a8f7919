"""What every result object can do: be compared, pickled and shown, in one line, as text, as JSON.

A result is a frozen dataclass of plain values (numbers, strings, tuples, other results): no balls,
no arrays of a library that may be absent, nothing that only this process knows.
"""

from __future__ import annotations

from html import escape


class Value:
    """Base of results. `summary` is one line, `__str__` what the terminal shows."""

    def summary(self) -> str:
        """What it says, in one line of at most 180 characters."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, object]:
        """What `--json` prints, as Python values."""
        raise NotImplementedError

    def __repr__(self) -> str:
        line = self.summary()
        shown = line if len(line) <= 180 else line[:177] + "..."
        return f"{type(self).__name__}({shown})"

    def _repr_html_(self) -> str:
        """Notebooks show the terminal's text."""
        return f"<pre>{escape(str(self))}</pre>"
