"""Old module paths: each works for one version, says on import where its content is now."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any


def moved(old: str, *homes: str, **renamed: str) -> Callable[[str], Any]:
    """The `__getattr__` of the module `old`, all that stands there: names are looked up in `homes`.

    renamed: name in `old` -> name in a home. Warns (DeprecationWarning) whoever imports `old`.
    """
    warnings.warn(
        f"{old} is now {' and '.join(homes)}; the old path goes with the next version",
        DeprecationWarning,
        stacklevel=3,
    )

    def find(name: str) -> Any:
        wanted = renamed.get(name, name)
        for home in homes:
            if not name.startswith("__") and hasattr(import_module(home), wanted):
                return getattr(import_module(home), wanted)
        raise AttributeError(f"module {old!r} has no attribute {name!r}")

    return find
