"""Inputs of certificates, checked: what is no exact real number is refused, never rounded."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from varnum.errors import InputError
from varnum.propagate.forms import Floats


def exact_floats(values: npt.ArrayLike, name: str) -> Floats:
    """The values as float64, each exactly; at least one, all finite. Raises InputError."""
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(f"{name}: a masked array has entries that are no numbers; give plain ones")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors with gradients
        raise InputError(f"{name}: no array of numbers ({str(error)[:80]})") from None
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in "fiu" or (kind == "f" and size > 8):
        raise InputError(f"{name}: dtype {array.dtype}; allowed are float64 and what it holds")
    floats = array.astype(np.float64)
    if kind != "f" and size == 8 and (floats.astype(array.dtype) != array).any():
        raise InputError(f"{name}: integers beyond 2^53 are not exact in float64")
    if floats.size == 0:
        raise InputError(f"{name}: empty, shape {array.shape}")
    if not np.isfinite(floats).all():
        raise InputError(f"{name}: NaN or infinity; allowed are finite numbers")
    return floats


def error_bound(zeta: npt.ArrayLike | Fraction, name: str = "zeta") -> Fraction:
    """A bound of an error, exactly: one finite number from 0 on. Raises InputError."""
    if isinstance(zeta, int | Fraction) and not isinstance(zeta, bool):
        found = Fraction(zeta)
    else:
        array = exact_floats(zeta, name)
        if array.size != 1:
            raise InputError(f"{name}: shape {array.shape}, expected one number")
        found = Fraction(array.item())
    if found < 0:
        raise InputError(f"{name}: {float(found):.3g} is negative; it bounds a size, so from 0 on")
    return found


def whole(value: object, low: int, high: int, name: str) -> int:
    """An integer within low..high, as an int. Raises InputError."""
    allowed = int | np.integer
    if isinstance(value, allowed) and not isinstance(value, bool) and low <= value <= high:
        return int(value)
    raise InputError(f"{name}: {value!r} is not allowed; a whole number from {low} to {high}")
