"""Arguments of `error_of`, checked; one line says what, where and what is allowed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from varnum.balls.exact import parse
from varnum.errors import InputError
from varnum.model.generate import Model
from varnum.propagate.checked import exact_floats, whole
from varnum.propagate.forms import Floats
from varnum.tensor import Whole


def checked_model(model: object) -> None:
    """A model of `varnum.model`, not of torch."""
    if not isinstance(model, Model):
        kind = type(model).__name__
        other = "; FlowAR's error is flow_error_of" if kind == "FlowModel" else ""
        raise InputError(f"model: {kind} is not allowed; a varnum.model.generate.Model{other}")


def checked_samples(samples: object) -> int:
    """An even number of samples."""
    count = whole(samples, 4, 4096, "samples")
    if count % 2:
        raise InputError(f"samples: {samples} is odd; allowed are even numbers from 4 to 4096")
    return count


def checked_chance(chance: str | Fraction) -> Fraction:
    """A chance that draws of this kind can keep."""
    value = parse(chance, "chance")
    if not 0 < value <= Fraction(1, 100):
        raise InputError(f"chance: {chance} is not allowed; above 0 and at most 1/100")
    if value < Fraction(1, 1 << 100):
        raise InputError("chance: below 2^-100 the draws themselves are not that good")
    return value


def checked_error(value: str | Fraction, name: str, most: Fraction) -> Fraction:
    """An error above 0 and below `most`."""
    found = parse(value, name)
    if not 0 < found < most:
        raise InputError(f"{name}: {value} is not allowed; above 0 and below {most}")
    return found


def checked_tokens(
    model: Model, labels: npt.ArrayLike, tokens: npt.ArrayLike
) -> tuple[Whole, list[int]]:
    """Tokens (B, L) and a label for each row."""
    var = model.var
    ids = np.asarray(tokens)
    if ids.ndim != 2 or ids.shape[1] != var.length or ids.dtype.kind not in "iu" or not len(ids):
        raise InputError(
            f"tokens: need integers of shape (B, {var.length}), got {ids.dtype} of {ids.shape}"
        )
    if ids.min() < 0 or ids.max() >= var.vocab_size:
        raise InputError(f"tokens: allowed are 0 to {var.vocab_size - 1}")
    names = np.asarray(labels).reshape(-1)
    if names.dtype.kind not in "iu" or len(names) not in (1, len(ids)):
        raise InputError(f"labels: need 1 or {len(ids)} integers, got {str(labels)[:60]}")
    if names.max() > var.num_classes or names.min() < -1:
        raise InputError(f"labels: allowed are -1 (no class) to {var.num_classes}")
    return ids, [int(names[row % len(names)]) for row in range(len(ids))]


def checked_logits(model: Model, logits: npt.ArrayLike, rows: int) -> Floats:
    """Logits (B, L, V); one sequence may come without B."""
    given = exact_floats(logits, "logits")
    if given.ndim == 2:
        given = given[None]
    expected = (rows, model.var.length, model.var.vocab_size)
    if given.shape != expected:
        raise InputError(f"logits: shape {given.shape}, expected {expected}")
    return given


def checked_image(model: Model, image: npt.ArrayLike, rows: int) -> Floats:
    """Images (B, 3, h, w) in [0, 1]; one may come without B."""
    given = exact_floats(image, "image")
    if given.ndim == 3:
        given = given[None]
    side = model.vae.image_size
    if given.shape != (rows, 3, side, side):
        raise InputError(f"image: shape {given.shape}, expected {(rows, 3, side, side)}")
    if given.min() < 0 or given.max() > 1:
        raise InputError("image: entries must be from 0 to 1, as `varnum run --out` writes them")
    return given
