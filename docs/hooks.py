"""What the site makes of other files: proofs/ as pages, tables from the JSON Schemas and words."""

import html
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from varnum.proof.ledger import Claim

ROOT = Path(__file__).parents[1]
# what pymdownx.arithmatex makes of $..$ and $$..$$
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', flags=re.S)


def on_config(config: Any) -> Any:
    """The navigation ends with every claim, section by section."""
    order = tomllib.loads((ROOT / "proofs" / "order.toml").read_text())
    sections = [{title(key): [f"proofs/{n}.md" for n in names]} for key, names in order.items()]
    config["nav"].append({"Claims and proofs": sections})
    return config


def title(section: str) -> str:
    """`2-rank` -> `rank`."""
    return section.partition("-")[2].replace("-", " ")


def on_files(files: Files, config: Any) -> Files:
    """Add proofs/*.md to the site."""
    for page in sorted(Path(config["docs_dir"]).parent.glob("proofs/*.md")):
        files.append(File.generated(config, f"proofs/{page.name}", abs_src_path=str(page)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """What is outside docs/ is inside on the site; `<!-- table: NAME -->` becomes that table."""
    markdown = markdown.replace("](../../proofs/", "](../proofs/")
    if page.file.src_uri.startswith("proofs/"):
        from varnum.proof.claim_page import render
        from varnum.proof.ledger import claims

        markdown = render(literal(claims()[Path(page.file.src_uri).stem]))
    return re.sub(r"<!-- table: (\w+) -->", lambda found: TABLES[found[1]](), markdown)


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """LaTeX becomes MathML, which browsers set without a script; bad LaTeX fails the build."""
    from math_core import LatexError, LatexToMathML

    setter = LatexToMathML()

    def mathml(found: re.Match[str]) -> str:
        latex, block = html.unescape(found[3]), found[1] == "div"
        if block:
            latex = rf"\begin{{equation}}{latex}\end{{equation}}" if r"\tag" in latex else latex
        try:
            formula = setter.convert_with_local_state(latex, displaystyle=block)
        except LatexError as problem:
            raise ValueError(f"{page.file.src_uri}: {latex}: {problem}") from problem
        return f'<{found[1]} class="formula">{formula}</{found[1]}>'

    return FORMULA.sub(mathml, content)


def fields() -> str:
    """Every field of every schema, but the envelope's, one table a schema."""
    parts = []
    for path in sorted((ROOT / "varnum" / "schemas").glob("*.json")):
        schema = json.loads(path.read_text())
        rows = list(rows_of(schema, "", after=5))
        table = "\n".join(["| field | is | means |", "|---|---|---|", *rows])
        parts.append(f"### {schema['title']}\n\n{schema['description']}.\n\n{table}\n")
    return "\n".join(parts)


def rows_of(schema: dict[str, Any], prefix: str, after: int = 0) -> Any:
    """A row per property, deep ones as `outer.inner` and `list[].inner`."""
    for name, part in list(schema.get("properties", {}).items())[after:]:
        optional = "" if name in schema.get("required", ()) else ", or absent"
        yield f"| `{prefix}{name}` | {kind(part)}{optional} | {part['description']} |"
        inner, mark = part, "."
        while "items" in inner and "prefixItems" not in inner:
            inner, mark = inner["items"], "[]."
        yield from rows_of(inner, f"{prefix}{name}{mark}")


def kind(part: dict[str, Any]) -> str:
    """number, bound from above, exact decimal or fraction, .. ; `or null`."""
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    said = " or ".join(t for t in types if t != "null")
    if part.get("x-exact"):
        said = "exact, a string"
    if said == "integer or string":
        said = "integer (a string past 2^53)"
    if "x-bound" in part:
        said += f", bound: {part['x-bound']}"
    return said + (" or null" if "null" in types else "")


def figures() -> str:
    """What the audit says of a head: every figure, what it rests on, what it is."""
    from varnum.audit.fields import of

    rows = [
        f"| `{name}` | {field.assurance or ''} | {field.text} |"
        for name, field in of("head").items()
    ]
    return "\n".join(["| field | rests on | is |", "|---|---|---|", *rows]) + "\n"


def words() -> str:
    """The terms of docs/glossary.toml in their order."""
    terms = tomllib.loads((ROOT / "docs" / "glossary.toml").read_text())
    order = sorted(terms, key=str.lower)
    return "\n\n".join(f"**{term}**: {terms[term].strip()}" for term in order) + "\n"


def assurance() -> str:
    """The two tables of words in `varnum.verdict`."""
    from varnum.verdict import ANSWER_WORDS, CLAIM_WORDS

    parts = []
    for title, table in (("a claim rests on", CLAIM_WORDS), ("an answer is", ANSWER_WORDS)):
        rows = [f"| {word} | {meaning} |" for word, meaning in table.items()]
        parts.append("\n".join([f"| {title} | which means |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def all_claims() -> str:
    """Every claim of the ledger, with what it rests on."""
    from varnum.proof.ledger import claims

    rows = [
        f"| [`{c.id}`](../proofs/{c.id}.md) | {escape(c.statement)} | {c.assurance} |"
        for c in claims().values()
    ]
    return "\n".join(["| claim | says | rests on |", "|---|---|---|", *rows]) + "\n"


def escape(text: str) -> str:
    """Text of a table's cell: no bar ends it, no star or underscore sets it."""
    text = re.sub(r"([|*_$\\])", r"\\\1", " ".join(text.split()))
    return text.replace("<", "&lt;")


def literal(claim: Claim) -> Claim:
    """The claim with formulas of its front matter as they are: `b* < <u, v>` sets nothing."""

    def plain(text: str) -> str:
        kept = re.split(r"(`[^`]*`|\$[^$]+\$|(?<![\w*])\*\w[^*]*\w\*(?![\w*]))", text)
        for i in range(0, len(kept), 2):
            kept[i] = re.sub(r"([*_])", r"\\\1", kept[i]).replace("<", "&lt;")
        return "".join(kept)

    texts = {n: plain(getattr(claim, n)) for n in ("statement", "source", "repaired", "tight")}
    return replace(claim, **texts, hypotheses=tuple(map(plain, claim.hypotheses)))


TABLES = {
    "claims": all_claims,
    "fields": fields,
    "figures": figures,
    "words": words,
    "assurance": assurance,
}
