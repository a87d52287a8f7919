"""What the circuits should compute, in NumPy and Python integers.

Kept apart: nothing here knows forms, gates or lemmas.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]  # int64, or Python integers where those do not fit


def numbers(bits: Bits, width: int) -> Ints:
    """(batch, n) unsigned numbers of `width` bits, lowest first, from (batch, n width) bits."""
    kind: type[np.int64] | type[object] = np.int64 if width <= 62 else object
    words = bits.reshape(len(bits), -1, width).astype(kind)
    return np.asarray(words @ np.array([1 << j for j in range(width)], dtype=kind))


def to_bits(values: Ints, width: int) -> Bits:
    """(batch, width) bits, lowest first, of non-negative integers (batch)."""
    return np.stack([np.asarray(values >> j & 1, dtype=bool) for j in range(width)], axis=1)


def add(bits: Bits, width: int) -> Bits:
    """All bits of the sum of the numbers of a row."""
    count = bits.shape[1] // width
    values = numbers(bits, width).sum(axis=1)
    return to_bits(values, (count * ((1 << width) - 1)).bit_length())


def multiply_add(bits: Bits, width: int) -> Bits:
    """All bits of x_1 y_1 + x_2 y_2 + .. for the numbers x_1, y_1, x_2, y_2, .. of a row."""
    values = numbers(bits, width)
    pairs = values.shape[1] // 2
    products = (values[:, 0::2] * values[:, 1::2]).sum(axis=1)
    return to_bits(products, (pairs * ((1 << width) - 1) ** 2).bit_length())


# --- floating point: words of p - 1 fraction bits, k exponent bits, sign -------------------------


def float_magnitudes(p: int, k: int) -> list[int]:
    """Non-negative numbers by code, in units of the smallest: subnormals, then normals."""
    found = []
    for code in range(1 << (p - 1 + k)):
        e, f = divmod(code, 1 << (p - 1))
        found.append(f if e == 0 else (f + (1 << (p - 1))) << (e - 1))
    return found


def one_over_quantum(p: int, k: int) -> int:
    """How many units the number 1 has (exponent bias 2^(k-1) - 1)."""
    return 1 << ((1 << (k - 1)) - 1 + p - 2)


def float_values(bits: Bits, p: int, k: int) -> Ints:
    """(batch, n) values in units from words with signs."""
    words = bits.reshape(len(bits), -1, p + k)
    code = numbers(np.ascontiguousarray(words[:, :, :-1]).reshape(len(bits), -1), p - 1 + k)
    magnitude = np.array(float_magnitudes(p, k))[code]
    return np.asarray(np.where(words[:, :, -1], -magnitude, magnitude))


def nearest_code(size: Ints, over: Ints | int, p: int, k: int) -> Ints:
    """Code nearest to size/over >= 0, ties to the even code, too large to the largest."""
    grid = np.array(float_magnitudes(p, k), dtype=np.int64)
    low = np.zeros(np.shape(size), dtype=np.int64)
    for code in range(1, len(grid)):  # the largest number not above
        low = np.where(grid[code] * over <= size, code, low)
    high = np.minimum(low + 1, len(grid) - 1)
    twice = 2 * size - (grid[low] + grid[high]) * over  # its sign says which is nearer
    up = (twice > 0) | ((twice == 0) & (low % 2 == 1))
    return np.asarray(np.where(up & (low < high), high, low))


def _word(code: Ints, negative: Bits, p: int, k: int) -> Bits:
    return np.concatenate([to_bits(code, p - 1 + k), (negative & (code > 0))[:, None]], axis=1)


def float_sum(bits: Bits, p: int, k: int) -> Bits:
    """Exact sum of a row's numbers, rounded once."""
    exact = float_values(bits, p, k).sum(axis=1)
    return _word(nearest_code(abs(exact), 1, p, k), exact < 0, p, k)


def float_sum_in_order(bits: Bits, p: int, k: int) -> Bits:
    """Another function: the sum in index order, rounded after every addition."""
    values = float_values(bits, p, k)
    grid = np.array(float_magnitudes(p, k))
    held = values[:, 0]
    for i in range(1, values.shape[1]):
        exact = held + values[:, i]
        code = nearest_code(abs(exact), 1, p, k)
        held = np.where(exact < 0, -grid[code], grid[code])
    return _word(nearest_code(abs(held), 1, p, k), held < 0, p, k)


def float_product(bits: Bits, p: int, k: int) -> Bits:
    """Product of a row's two numbers, rounded once; a zero has the sign +."""
    exact = float_values(bits, p, k).prod(axis=1)
    return _word(nearest_code(abs(exact), one_over_quantum(p, k), p, k), exact < 0, p, k)


def float_quotient(bits: Bits, p: int, k: int) -> tuple[Bits, npt.NDArray[np.bool_]]:
    """Quotient of a row's two numbers without signs, and where the divisor is above 0."""
    words = np.concatenate([bits.reshape(len(bits), 2, -1), np.zeros((len(bits), 2, 1), bool)], 2)
    values = float_values(words.reshape(len(bits), -1), p, k)
    top, bottom = values[:, 0] * one_over_quantum(p, k), values[:, 1]
    code = nearest_code(top, bottom, p, k)
    return to_bits(code, p - 1 + k), bottom > 0


def exp_product(bits: Bits, constants: list[int], P: int, s: int, outputs: int) -> Bits:
    """floor(prod_b (c_b where bit b is set, else 2^P) / 2^s), (batch, outputs)."""
    values = np.ones(len(bits), dtype=object)
    for b, c in enumerate(constants):
        values = values * np.where(bits[:, b], c, 1 << P)
    return to_bits(values >> s, outputs)


# --- one softmax head ----------------------------------------------------------------------------


def head_outputs(bits: Bits, tokens: int, width: int, p: int, A: Ints, W: Ints, exp: Ints,
                 least: int, g: int) -> Ints:  # fmt: skip
    """floor(2^g sum E v / sum E) of every token and row of W: (batch, tokens, rows).

    exp[S - least] is E(S) for S_ij = x_i A x_j; v_j = W x_j.
    """
    x = numbers(bits, p).reshape(len(bits), tokens, width)
    logits = np.einsum("nic,cd,njd->nij", x, A, x)
    E = exp[logits - least]
    v = np.einsum("rc,njc->njr", W, x)
    above = np.einsum("nij,njr->nir", E, v) << g
    return np.asarray(above // E.sum(axis=2)[:, :, None])


def head_bits(outputs: Ints, lows: list[int], highs: list[int]) -> Bits:
    """Bits of output - least output, token by token, row by row."""
    parts = [
        to_bits(outputs[:, i, r] - low, (high - low).bit_length())
        for i in range(outputs.shape[1])
        for r, (low, high) in enumerate(zip(lows, highs, strict=True))
    ]
    return np.concatenate(parts, axis=1)


def real_head(bits: Bits, tokens: int, width: int, p: int, A: Ints, W: Ints, scale: float) -> Ints:
    """The softmax head itself in float64: (batch, tokens, rows)."""
    x = numbers(bits, p).reshape(len(bits), tokens, width).astype(float)
    E = np.exp(np.einsum("nic,cd,njd->nij", x, A, x) / scale)
    v = np.einsum("rc,njc->njr", W, x)
    return np.asarray(np.einsum("nij,njr->nir", E, v) / E.sum(axis=2)[:, :, None])
