"""`python -m varnum.recheck FILE --inputs in.npz --output out.npy`: 0 agrees, 1 not, 3 unknown."""

from __future__ import annotations

import argparse
import sys
from typing import Any
from zipfile import BadZipFile

import numpy as np

from .check import check
from .form import MAX_BYTES, Disagrees, Malformed


def load(inputs: str, output: str) -> list[Any]:
    """q, k, v from one .npz or from three .npy with commas between, and the output; no pickles.

    Malformed where a file does not hold that.
    """
    names = inputs.split(",")
    try:
        if len(names) == 3:
            arrays = [np.load(name, allow_pickle=False) for name in names]
        else:
            file = np.load(inputs, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise Malformed("inputs: one array; expected .npz with q, k, v")
            arrays = [file[name] for name in "qkv"]
        arrays.append(np.load(output, allow_pickle=False))
    except (EOFError, BadZipFile, MemoryError) as reason:
        raise Malformed(f"arrays: {reason or 'the file ends too soon'}") from None
    if not all(isinstance(array, np.ndarray) for array in arrays):
        raise Malformed("arrays: a file or a part of one is no array of NumPy")
    return arrays


def main(arguments: list[str]) -> int:
    """Check one certificate; what it proves goes to stdout."""
    parser = argparse.ArgumentParser("varnum.recheck", description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--inputs", required=True, help=".npz with q, k, v; or q.npy,k.npy,v.npy")
    parser.add_argument("--output", required=True)
    options = parser.parse_args(arguments)
    try:
        with open(options.file, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        found = check(data, *load(options.inputs, options.output))
    except Disagrees as reason:
        print(f"refuted: {reason}")
        return 1
    except (OSError, KeyError, ValueError, Malformed) as reason:
        print(f"nothing to check: {reason}", file=sys.stderr)
        return 2
    print(found)
    return 3 if found.open else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
