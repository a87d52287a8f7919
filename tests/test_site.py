"""The pages as a site: it builds without warnings, links hold, versions and outcomes agree."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import varnum
from varnum import __version__
from varnum.proof.ledger import claims

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text()
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as MkDocs makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", t.lower()).strip()) for t in titles}


def broken(page: Path, text: str) -> list[str]:
    """Links of a page to files or headings that are not there."""
    found = []
    for link in LINK.findall(re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_no_link_is_broken(page: Path) -> None:
    assert broken(page, page.read_text()) == []


def test_a_broken_link_would_be_seen() -> None:
    page = ROOT / "docs" / "index.md"
    assert broken(page, "[x](tutorial.md) [y](tutoriel.md) [z](tutorial.md#nowhere)") == [
        "tutoriel.md",
        "tutorial.md#nowhere",
    ]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for module in ("mkdocs", "material", "mkdocstrings_handlers"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: the site needs the extra 'docs'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr + built.stdout
    assert (tmp_path / "tutorial" / "index.html").is_file()
    proofs = {page.stem for page in (ROOT / "proofs").glob("*.md")}
    assert {page.name for page in (tmp_path / "proofs").iterdir()} == proofs


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    pages = {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")}
    assert listed == pages


def test_the_version_stands_in_one_place() -> None:
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.M)
    newest = re.search(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert cited is not None
    assert newest is not None
    assert cited[1] == newest[1] == __version__
    shown = dict(re.findall(r"^  (title|version) += \{(.*)\}", README, re.M))
    assert shown["version"] == __version__
    assert f'title: "{shown["title"]}"' in (ROOT / "CITATION.cff").read_text()
    assert "version =" not in (ROOT / "pyproject.toml").read_text().partition("[tool")[0]


def test_every_public_name_is_on_the_reference_page() -> None:
    shown = set(
        re.findall(r"^::: varnum\.(\w+)$", (ROOT / "docs/reference/api.md").read_text(), re.M)
    )
    assert set(varnum.__all__) - {"__version__"} <= shown


def test_outcomes_agree_with_the_ledger() -> None:
    """The page of statements: known claims only, and every repair of the ledger is told."""
    text = (ROOT / "docs" / "explanation" / "statements.md").read_text()
    rows = [row.split(" | ") for row in text.splitlines() if row.count(" | ") == 2]
    told: dict[str, str] = {}
    for _, outcome, ids in rows[1:]:
        told |= dict.fromkeys(re.findall(r"`([\w-]+)`", ids), outcome)
    assert len(told) >= 25
    assert set(told) <= set(claims())
    repaired = {c.id for c in claims().values() if c.repaired}
    assert repaired <= set(told)
    still_open = {c.id for c in claims().values() if c.assurance == "open"}
    assert still_open == set(re.findall(r"`([\w-]+)`", text.split("## Stated, not")[1]))


def load_hooks() -> ModuleType:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: the extra 'docs'")
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    return hooks


def test_formulas_of_the_front_matter_are_shown_as_they_are() -> None:
    """A browser takes `<u, v>` for a tag, Markdown `b* = g* c` for emphasis."""
    hooks = load_hooks()
    claim = replace(
        claims()["ov-head"], statement="b* = g* c, *every* <u_i, v>, `a*b*`", hypotheses=("x_a*",)
    )
    assert hooks.literal(claim).statement == r"b\* = g\* c, *every* &lt;u\_i, v>, `a*b*`"
    assert hooks.literal(claim).hypotheses == (r"x\_a\*",)
    assert hooks.escape("a|b <= *c") == r"a\|b &lt;= \*c"


def test_examples_of_docstrings_stand_in_code_blocks() -> None:
    pytest.importorskip("griffe", reason="griffe is not installed: the extra 'docs'")
    spec = importlib.util.spec_from_file_location("doctests", ROOT / "docs" / "doctests.py")
    assert spec is not None
    assert spec.loader is not None
    doctests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(doctests)
    text = "One line.\n\n>>> f(1)\n2\n>>> f(\n... )\nTraceback\n\nMore."
    assert doctests.fenced(text) == (
        "One line.\n\n```pycon\n>>> f(1)\n2\n>>> f(\n... )\nTraceback\n```\n\nMore."
    )
    assert doctests.fenced("a >>> b") == "a >>> b"


def test_latex_becomes_mathml_and_bad_latex_fails_the_build() -> None:
    pytest.importorskip("math_core", reason="math-core is not installed: the extra 'docs'")
    hooks = load_hooks()
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    inline = hooks.on_page_content('<span class="arithmatex">\\(a &lt; b\\)</span>', page)
    assert "<math>" in inline
    assert "&lt;" in inline
    assert "arithmatex" not in inline
    block = '<div class="arithmatex">\\[\\frac{1}{2} \\tag{7}\\]</div>'
    assert "<mfrac>" in hooks.on_page_content(block, page)
    assert "(7)" in hooks.on_page_content(block, page)
    with pytest.raises(ValueError, match=r"a.md: \\frac\{1: "):
        hooks.on_page_content('<span class="arithmatex">\\(\\frac{1\\)</span>', page)
