"""Which module is running: a stack kept by torch's global forward hooks, of one thread."""

from __future__ import annotations

import threading
from fnmatch import fnmatchcase
from typing import Any


class Names:
    """Module paths of `model`, class names without one; and which tensors are parameters."""

    def __init__(self, model: Any) -> None:
        self._paths: dict[int, str] = {}
        self._kept: list[Any] = []  # what an id stands for must live
        if model is not None and hasattr(model, "named_modules"):
            for name, module in model.named_modules():
                self._paths[id(module)] = name or type(module).__name__
                self._kept.append(module)
        self._stack: list[Any] = []
        self._seen: set[int] = set()
        self._parameters: set[int] = set()
        self._thread = threading.get_ident()
        self._handles: list[Any] = []

    def open(self) -> None:
        """Begin to listen."""
        from torch.nn.modules import module as hooks

        self._handles = [
            hooks.register_module_forward_pre_hook(self._enter),
            hooks.register_module_forward_hook(self._leave, always_call=True),
        ]

    def close(self) -> None:
        """Stop; nothing of the model is kept."""
        for handle in self._handles:
            handle.remove()
        self._stack.clear()
        self._kept.clear()
        self._parameters.clear()

    def here(self) -> str:
        """The innermost module that runs."""
        if not self._stack:
            return "(no module)"
        module = self._stack[-1]
        return self._paths.get(id(module)) or type(module).__name__

    def is_parameter(self, t: Any) -> bool:
        """Does it share the storage of a parameter of a module that ran?"""
        try:
            return t.untyped_storage().data_ptr() in self._parameters
        except (RuntimeError, NotImplementedError):
            return False

    def _enter(self, module: Any, args: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        self._stack.append(module)
        if id(module) not in self._seen:
            self._seen.add(id(module))
            self._kept.append(module)
            for parameter in module.parameters(recurse=False):
                self._parameters.add(_pointer(parameter))
            self._parameters.discard(0)

    def _leave(self, module: Any, args: Any, output: Any) -> None:
        if threading.get_ident() == self._thread and module in self._stack:
            while self._stack and self._stack.pop() is not module:
                pass


def _pointer(t: Any) -> int:
    try:
        return int(t.untyped_storage().data_ptr())
    except (RuntimeError, NotImplementedError):
        return 0


def wanted(name: str, modules: list[str] | None) -> bool:
    """Is the module one of these (exact, or with *)? None: all."""
    return modules is None or any(name == m or fnmatchcase(name, m) for m in modules)
