"""`python -m varnum.checker FILE`, or with no varnum installed `python varnum/checker FILE`."""

import sys
from pathlib import Path

if not __package__:  # the folder was run: let its parent be searched, so that it is a package
    folder = Path(__file__).resolve().parent
    sys.path[0], __package__ = str(folder.parent), folder.name

from .certificate import load
from .proof import NotProved, check


def main(arguments: list[str]) -> int:
    """Check one file (`-`: standard input): 0 proved, 1 not proved, 2 not a certificate."""
    if len(arguments) != 1:
        print("usage: python -m varnum.checker FILE   (- for standard input)", file=sys.stderr)
        return 2
    try:
        print(check(load(arguments[0])))
    except NotProved as reason:
        print(f"not proved: {reason}")
        return 1
    except (OSError, ValueError) as reason:  # Malformed is a ValueError
        print(f"not a certificate: {reason}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
