"""Results on disk: arrays as .npz (balls as midpoint and radius), images as .png."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from varnum.model.backend import Array, is_balls, to_numpy

Arrays = dict[str, np.typing.NDArray[Any]]


def host_arrays(arrays: dict[str, Array]) -> Arrays:
    """NumPy arrays: integers as they are, floats as float64, balls as float64 `x` and `x_radius`.

    |exact - x| <= x_radius holds for every ball entry, the rounding of x to float64 included.
    """
    result: Arrays = {}
    for name, x in arrays.items():
        if is_balls(x):
            low, high = x.bounds()
            middle = x.estimate()
            with np.errstate(invalid="ignore"):  # beyond float64: NaN, no radius
                radius = np.maximum(high - middle, middle - low)
            result[name], result[f"{name}_radius"] = middle, np.nextafter(radius, np.inf)
        elif isinstance(x, np.ndarray) and x.dtype.kind in "iu":
            result[name] = x
        else:
            result[name] = to_numpy(x)
    return result


def write_png(path: str, images: np.typing.NDArray[np.float64]) -> None:
    """Write images (B, 3, h, w) in [0, 1], side by side, as one 8-bit RGB PNG."""
    batch, _, height, width = images.shape
    strip = images.transpose(2, 0, 3, 1).reshape(height, batch * width, 3)
    pixels = np.clip(np.rint(strip * 255), 0, 255).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # filter type 0 on every row

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", batch * width, height, 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        file.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
