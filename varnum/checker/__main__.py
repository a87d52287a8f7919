"""`python -m varnum.checker FILE`, or with no varnum installed `python varnum/checker FILE`."""

import os
import sys
from pathlib import Path
from typing import TextIO

if not __package__:  # the folder was run: let its parent be searched, so that it is a package
    folder = Path(__file__).resolve().parent
    sys.path[0], __package__ = str(folder.parent), folder.name

from . import circuit, evaluation
from .certificate import load
from .proof import NotProved, check


def main(arguments: list[str]) -> int:
    """Check one file (`-`: standard input): 0 proved, 1 not proved, 2 not a certificate.

    3: the answer could not be written, 141: its reader left. Neither says anything of the file.
    """
    if len(arguments) != 1:
        return say("usage: python -m varnum.checker FILE   (- for standard input)", sys.stderr, 2)
    try:
        data = load(arguments[0], circuit.MAX_BYTES)
        if circuit.is_circuit(data):
            answer = str(circuit.replay(circuit.read(data)))
        else:
            is_evaluation = evaluation.is_evaluation(data)
            answer = str(evaluation.check(data) if is_evaluation else check(data))
        code = 0
    except NotProved as reason:
        answer, code = f"not proved: {reason}", 1
    except (OSError, ValueError) as reason:  # Malformed is a ValueError
        return say(f"not a certificate: {reason}", sys.stderr, 2)
    return say(answer, sys.stdout, code)


def say(text: str, stream: TextIO | None, code: int) -> int:
    """Print, and return the code; another one where an answer did not arrive."""
    if stream is None:  # closed before the start
        return code if code == 2 else 3
    try:
        print(text, file=stream, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # the interpreter's last flush
        return code if code == 2 else 141 if isinstance(error, BrokenPipeError) else 3
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
