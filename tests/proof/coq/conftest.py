"""Coq where it is installed; the library is compiled once for all tests here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from varnum.proof.coq.compiler import Compiled, compile_file
from varnum.proof.coq.library import LIBRARY, compiled_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The compiled library, in the cache that `varnum check --coq` looks in as well."""
    if shutil.which("coqc") is None:
        pytest.skip("coqc is not installed (apt-get install coq libcoq-interval)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield compiled_library(LIBRARY)


@pytest.fixture
def compile_text(library: Path, tmp_path: Path) -> Callable[[str], Compiled]:
    def run(text: str) -> Compiled:
        path = tmp_path / "file.v"
        path.write_text(text, encoding="utf-8")
        return compile_file(path, library)

    return run
