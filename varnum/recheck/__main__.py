"""`python -m varnum.recheck FILE --inputs in.npz --output out.npy`: 0 agrees, 1 not, 3 unknown."""

from __future__ import annotations

import argparse
import sys
from zipfile import BadZipFile

import numpy as np

from .agreement import check
from .attention_form import MAX_BYTES, Disagrees, Malformed
from .exact_rows import Array


def load(inputs: str, output: str) -> list[Array]:
    """q, k, v from one .npz or from three .npy with commas between, and the output; no pickles.

    Malformed where a file does not hold that.
    """
    names = inputs.split(",")
    try:
        three = [*map(_read, names)] if len(names) == 3 else [_read(inputs, "qkv")]
        arrays = [array for part in (*three, _read(output)) for array in part]
    except (EOFError, BadZipFile, MemoryError) as reason:
        raise Malformed(f"arrays: {reason or 'the file ends too soon'}") from None
    if not all(isinstance(array, np.ndarray) for array in arrays):
        raise Malformed("arrays: a file or a part of one is no array of NumPy")
    return arrays


def _read(path: str, parts: str | None = None) -> list[Array]:
    """The array of a .npy, or those of a .npz with these names."""
    with open(path, "rb") as file:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray) == (parts is not None):
            raise Malformed(f"{path}: expected {'.npz with q, k, v' if parts else '.npy'}")
        return [found] if parts is None else [found[name] for name in parts]


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
