"""Fuzz the readers of files from outside, guided by coverage (libFuzzer through atheris).

    python checks/fuzz certificate --minutes 10      also: dimacs, checkpoint, rows
    python checks/fuzz rows --replay crash-1234      one file again

Starts from checks/fuzz/seeds; what it finds on the way stays in a temporary folder (--corpus keeps
it). An uncaught error, more than 4 GB or more than 60 s for one input ends it with a file
`crash-..`, `oom-..` or `timeout-..` in the working directory and a non-zero exit code. Needs
`pip install atheris`; exit code 4 without it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

WATCHED = ["varnum", "zipfile", "json.decoder", "numpy.lib", "torch._weights_only_unpickler"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("target", choices=("certificate", "dimacs", "checkpoint", "rows"))
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--corpus", type=Path, help="a folder that keeps what adds coverage")
    parser.add_argument("--replay", type=Path, help="run this file and no other")
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    if o.replay:
        from targets import TARGETS

        TARGETS[o.target](o.replay.read_bytes())
        return 0
    try:
        import atheris
    except ImportError:
        print("fuzz: needs atheris (pip install atheris)", file=sys.stderr)
        return 4
    with atheris.instrument_imports(include=WATCHED):
        import targets

        import varnum.audit.page.page
        import varnum.audit.row_file
        import varnum.audit.summary
        import varnum.hardness.cnf
        import varnum.model.checkpoint  # noqa: F401
    with tempfile.TemporaryDirectory() as folder:
        corpus = o.corpus or Path(folder)
        corpus.mkdir(parents=True, exist_ok=True)
        options = [f"-max_total_time={max(1, round(o.minutes * 60))}", f"-seed={o.seed}"]
        options += [
            "-rss_limit_mb=4096",
            "-timeout=60",
            "-max_len=20000",
            "-print_final_stats=1",
            "-len_control=0",
        ]
        folders = [str(corpus), str(targets.SEEDS / o.target)]
        atheris.Setup([sys.argv[0], *options, *folders], targets.TARGETS[o.target])
        start = time.monotonic()
        atheris.Fuzz()
        print(f"{o.target}: {time.monotonic() - start:.0f} s, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
