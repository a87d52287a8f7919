"""A model and its inputs from a function of the user: `script.py:build` or `package.module:build`.

The function runs in this process, as if it had been called from a script: nothing else is executed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from varnum.errors import InputError, MissingExtra


def build_from(where: str, *, script: bool) -> tuple[Any, Any]:
    """(model, inputs) that the function returns; raises InputError, one line, whatever it does."""
    name, colon, function = where.rpartition(":")
    if not colon or not name or not function.isidentifier():
        kind = "script.py:build" if script else "package.module:build"
        raise InputError(f"{where}: need {kind}, a function that returns (model, inputs)")
    need_torch()
    module = _script(name) if script else _module(name)
    made = getattr(module, function, None)
    if not callable(made):
        raise InputError(f"{where}: no function {function!r} in it")
    try:
        found = made()
    except (Exception, SystemExit) as error:  # code of the user: whatever it raises is one line
        raise InputError(f"{where}: {function}() raised {_said(error)}") from error
    if not isinstance(found, tuple) or len(found) != 2:
        kind = type(found).__name__
        raise InputError(f"{where}: {function}() returned {kind}; need (model, inputs)")
    model, inputs = found
    check(model, inputs, where)
    return model, inputs


def need_torch() -> None:
    """Raise MissingExtra where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra("torch", "torch")


def check(model: Any, inputs: Any, name: str) -> None:
    """Raise InputError unless the model can be called and its inputs are a tuple or a dict."""
    if not callable(model):
        raise InputError(f"{name}: the model is {type(model).__name__}, which cannot be called")
    if not isinstance(inputs, tuple | dict):
        kind = type(inputs).__name__
        raise InputError(f"{name}: inputs are {kind}; a tuple or a dict of arguments is allowed")
    for parameter in model.parameters() if hasattr(model, "parameters") else ():
        if parameter.device.type == "meta":
            raise InputError(f"{name}: weights on the meta device hold no numbers; load them")


def _script(path: str) -> Any:
    file = Path(path)
    if file.suffix != ".py" or not file.is_file():
        raise InputError(f"{path}: no such script (a file ending in .py)")
    spec = importlib.util.spec_from_file_location("varnum_audited", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["varnum_audited"] = module  # dataclasses in it look themselves up
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"{path}: raised {_said(error)}") from error
    finally:
        sys.path.pop(0)
    return module


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise InputError(f"{name}: cannot be imported: {_said(error)}") from error


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
