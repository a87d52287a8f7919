"""Ready to release: what a stranger's machine would see, each part in an empty environment.

Run: python checks/release.py (needs `pip install build`, git, and a package index; minutes).
1. Wheel and sdist build, and each, installed alone, passes `varnum doctor` and `varnum verify`.
2. A newcomer: a fresh clone and README's first command reach a proved bound, which one more
   command writes and checks as a certificate; the site builds with the extra 'docs' alone.
Prints a line per step; the exit code is 0 only if every step passed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(command: str, folder: Path, environment: Path | None = None) -> str:
    """stdout of a shell command, in `folder`, with the environment's programs first."""
    settings = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    settings["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    if environment is not None:
        settings["PATH"] = f"{environment / 'bin'}{os.pathsep}{settings['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=folder, env=settings, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def empty(folder: Path, name: str) -> Path:
    """A new environment with nothing but pip."""
    venv.create(folder / name, with_pip=True)
    return folder / name


def built(folder: Path) -> list[Path]:
    """Wheel and sdist of this checkout."""
    run(f"{sys.executable} -m build -q --outdir {folder / 'dist'} {ROOT}", folder)
    files = sorted((folder / "dist").iterdir())
    if [path.suffix for path in files] != [".whl", ".gz"]:
        raise SystemExit(f"expected one wheel and one sdist, got {files}")
    return files


def installed(folder: Path, package: Path) -> None:
    """The package alone answers, knows its claims, and refutes nothing."""
    home = empty(folder, f"venv{package.suffix}")
    run(f"pip install -q {package}", folder, home)
    if not json.loads(run("varnum doctor --json", folder, home))["ok"]:
        raise SystemExit(f"{package.name}: varnum doctor")
    claims = json.loads(run("varnum verify --json", folder, home))["claims"]  # exit code 0
    tried = [c for c in claims if c["verdict"] == "Proved"]
    print(f"{package.name}: doctor ok, {len(tried)} of {len(claims)} claims tried, all hold")


def newcomer(folder: Path) -> None:
    """Two commands from a fresh clone to a proved bound and a checked certificate."""
    run(f"git clone -q {ROOT} clone", folder)
    home, clone = empty(folder, "venv"), folder / "clone"
    readme = (clone / "README.md").read_text()
    first = re.search(r"^pip install -e \. && varnum .*$", readme, re.M)
    if first is None or "proved least" not in run(first[0], clone, home):
        raise SystemExit("README's first command does not reach a proved bound")
    said = run("varnum certify --M 4 --eps 1e-6 > c.json && varnum check c.json", clone, home)
    if not said.startswith("proved: "):
        raise SystemExit(f"the certificate is not accepted: {said}")
    print("newcomer: two commands to a proved bound and a checked certificate")
    run('pip install -q -e ".[docs]" && mkdocs build --strict -q -d ../site', clone, home)
    if not (folder / "site" / "proofs" / "minimal-degree" / "index.html").is_file():
        raise SystemExit("the site lacks the proofs")
    print("newcomer: the site builds, without a warning")


def main() -> int:
    """Every step, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package in built(folder):
            installed(folder, package)
        newcomer(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
