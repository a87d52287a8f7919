"""Coq where it is installed; its prelude is compiled once for all tests here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from varnum.proof.coq.compiler import Compiled, compile_file
from varnum.proof.coq.prelude import compiled_prelude


@pytest.fixture(scope="session")
def prelude(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if shutil.which("coqc") is None:
        pytest.skip("coqc is not installed (apt-get install coq libcoq-interval)")
    cache = tmp_path_factory.mktemp("cache")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(cache)  # what `varnum check --coq` finds as well
    try:
        yield compiled_prelude()
    finally:
        os.environ.pop("XDG_CACHE_HOME")
        if before is not None:
            os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture
def compile_text(prelude: Path, tmp_path: Path) -> Callable[[str], Compiled]:
    def run(text: str) -> Compiled:
        path = tmp_path / "file.v"
        path.write_text(text, encoding="utf-8")
        return compile_file(path, prelude)

    return run
