"""The proofs stand in proofs/, beside docs/; on the site they are pages too."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files


def on_files(files: Files, config: Any) -> Files:
    """Add proofs/*.md to the site."""
    for page in sorted(Path(config["docs_dir"]).parent.glob("proofs/*.md")):
        files.append(File.generated(config, f"proofs/{page.name}", abs_src_path=str(page)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """What is outside docs/ in the repository is inside on the site."""
    return markdown.replace("](../../proofs/", "](../proofs/")
