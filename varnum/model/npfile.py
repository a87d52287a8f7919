"""Read .npy and .npz files whose headers may lie: sizes are checked before memory is taken.

Only real numbers, whole numbers and truth values are read, never objects; a header must describe
exactly the bytes that follow it, and an archive must not unpack to far more than it holds.
"""

from __future__ import annotations

import math
import os
import stat
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from varnum.errors import InputError

UNPACKED = 512 << 20  # bytes that any archive may unpack to
RATIO = 20  # and beyond that, per byte of the file: weights hardly shrink
_SUFFIX = ".npy"


class Damaged(ValueError):
    """The file is not what it says."""


def readable_file(path: str, what: str = "") -> Path:
    """The path of a plain file that can be opened; else raises InputError, `what` in front."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its other end
            reason = "no such file" if Path(path).is_dir() else "not a plain file"
        else:
            with open(path, "rb"):
                return Path(path)
    except FileNotFoundError:
        reason = "no such file"
    except ValueError:  # a name with a null character
        reason = "no such file"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    raise InputError(f"{what}{path[:200]}: {reason}")


def read_arrays(path: str) -> Any:
    """The array of a .npy file, or name -> array of a .npz; native byte order.

    Raises Damaged for anything else, OSError as `open`.
    """
    try:
        with open(path, "rb") as file:
            return _read(file)
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib, struct and NumPy each have their own
        raise Damaged(str(error).strip().split("\n")[0] or type(error).__name__) from None


def _read(file: BinaryIO) -> Any:
    size = os.fstat(file.fileno()).st_size
    if file.read(6) == np.lib.format.MAGIC_PREFIX:
        file.seek(0)
        return _read_array(file, size)
    file.seek(0)
    if not zipfile.is_zipfile(file):
        raise Damaged("no .npy or .npz file")
    with zipfile.ZipFile(file) as archive:
        check_archive(archive, size)
        return {_name(i.filename): _member(archive, i) for i in archive.infolist()}


def check_archive(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that unpacks to far more than the file's `size`, or names a part twice."""
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    if unpacked > max(UNPACKED, RATIO * size):
        raise Damaged(f"it would unpack from {size} to {unpacked} bytes")
    if len({part.filename for part in parts}) < len(parts):
        raise Damaged("a part is there twice")


def _name(filename: str) -> str:
    return filename.removesuffix(_SUFFIX)


def _member(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Any:
    with archive.open(part) as file:
        return _read_array(file, part.file_size)  # type: ignore[arg-type]


def _read_array(file: BinaryIO, size: int) -> Any:
    """One array from `size` bytes."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):  # 3.0 is for names of fields
        raise Damaged(f"version {version} of the .npy format, expected (1, 0) or (2, 0)")
    first = version == (1, 0)
    header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(file)
    if dtype.hasobject or dtype.kind not in "fiub":
        raise Damaged(f"dtype {dtype}; only real and whole numbers are read")
    if any(type(n) is not int or n < 0 for n in shape):
        raise Damaged(f"shape {shape}")
    count = math.prod(shape)
    if count * dtype.itemsize != size - file.tell():
        raise Damaged(f"shape {str(shape)[:60]} of {dtype} does not fit the {size} bytes there")
    flat = np.empty(count, dtype)
    _fill(file, flat.view(np.uint8).data)
    array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _fill(file: BinaryIO, buffer: memoryview) -> None:
    done = 0
    while done < len(buffer):
        got = file.readinto(buffer[done : done + (1 << 24)])  # type: ignore[attr-defined]
        if not got:
            raise Damaged("cut short")
        done += got
