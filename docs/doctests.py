"""A griffe extension: examples in docstrings stand in code blocks on the site."""

import re
from typing import Any

import griffe

# a `>>>` line and what follows it, up to a blank line
EXAMPLE = re.compile(r"^( *)>>> .*(?:\n(?! *$).*)*", re.M)


def fenced(text: str) -> str:
    """The docstring with a fence around each run of examples."""
    return EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", text)


class Doctests(griffe.Extension):
    """Fences the docstrings of everything that is shown."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every object once it is read."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
