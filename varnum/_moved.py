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
    _warn(old, homes, 4)
    return _finder(old, homes, renamed)


def moved_names(room: str, *homes: str) -> Callable[[str], Any]:
    """The same for a module that is a room now: warns whoever takes a name out of it."""
    find = _finder(room, homes, {})

    def warned(name: str) -> Any:
        found = find(name)
        _warn(f"{room}.{name}", homes, 3)
        return found

    return warned


def _warn(old: str, homes: tuple[str, ...], level: int) -> None:
    warnings.warn(
        f"{old} has moved to {' and '.join(homes)}; the old path goes with the next version",
        DeprecationWarning,
        stacklevel=level,
    )


def _finder(old: str, homes: tuple[str, ...], renamed: dict[str, str]) -> Callable[[str], Any]:
    def find(name: str) -> Any:
        wanted = renamed.get(name, name)
        for home in homes:
            if not name.startswith("__") and hasattr(import_module(home), wanted):
                return getattr(import_module(home), wanted)
        raise AttributeError(f"module {old!r} has no attribute {name!r}")

    return find
