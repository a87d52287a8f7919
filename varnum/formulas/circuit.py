"""Sizes of threshold circuits from their parameters alone, without building them.

Plain integer functions: N numbers, p bits, d pairs, k exponent bits, B change points of exp.
"""

from __future__ import annotations

from collections.abc import Sequence


def column_gates(columns: Sequence[int]) -> int:
    """Gates of `add_columns`: columns[j] bits of weight 2^j are added, every bit of the sum.

    Bit j needs the floor(M_j/2^j) multiples of 2^j up to M_j, the largest sum of columns 0..j, and
    a gate that settles them if there is more than one; from the top column on all share M.
    """
    return sum(size + settled for size, settled, _, _ in _columns(columns))


def column_wires(columns: Sequence[int]) -> int:
    """Wires of the same circuit: each threshold has the bits of columns 0..j, each settling gate
    the thresholds of its bit."""
    wires = 0
    for size, settled, bits, settles in _columns(columns):
        wires += size * bits + (settles if settled else 0)
    return wires


def _columns(columns: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Per bit j of the sum: (thresholds, 1 if settled, bits summed, thresholds that settle)."""
    top = len(columns) - 1
    most = sum(count << j for j, count in enumerate(columns))
    rows, largest, bits = [], 0, 0
    for j, count in enumerate(columns):
        largest, bits = largest + (count << j), bits + count
        n = largest >> j
        rows.append((n, int(n > 1), bits, n))
    for j in range(top + 1, most.bit_length()):  # thresholds of column `top`, used again
        n = most >> j
        rows.append((0, int(n > 1), bits, n))
    return rows


def add_gates(N: int, p: int) -> int:
    """Claim `circuit-add`: N numbers of p bits, n_j = floor(N (2^(j+1) - 1)/2^j),
    H = N (2^p - 1): sum_(j <= p-2) (n_j + [n_j > 1]) + floor(H/2^(p-1))
    + #{p - 1 <= j < bits of H: floor(H/2^j) > 1}.

    >>> add_gates(64, 16), add_gates(680, 8)
    (1933, 9540)
    """
    low = [N * ((2 << j) - 1) >> j for j in range(p - 1)]
    H = N * ((1 << p) - 1)
    settled = sum(H >> j > 1 for j in range(p - 1, H.bit_length()))
    return sum(n + (n > 1) for n in low) + (H >> (p - 1)) + settled


def add_wires(N: int, p: int) -> int:
    """Wires of `circuit-add`."""
    return column_wires([N] * p)


def product_columns(d: int, p: int) -> list[int]:
    """Bits of weight 2^j in the d products of p-bit numbers: d min(j + 1, 2p - 1 - j)."""
    return [d * min(j + 1, 2 * p - 1 - j) for j in range(2 * p - 1)]


def product_gates(d: int, p: int) -> int:
    """Claim `circuit-product`: d p^2 conjunctions, then the sum of their columns.

    >>> product_gates(1, 8), product_gates(3, 3), product_gates(16, 8)
    (197, 77, 3026)
    """
    return d * p * p + column_gates(product_columns(d, p))


def product_wires(d: int, p: int) -> int:
    """Wires of `circuit-product`: two for a conjunction."""
    return 2 * d * p * p + column_wires(product_columns(d, p))


def float_digits(p: int, k: int) -> int:
    """Digits of a floating-point word: p - 1 for each of 2^k exponents, and the implicit ones."""
    return ((p - 1) << k) + (1 << k) - 1


def float_sum_gates(N: int, p: int, k: int) -> int:
    """Claim `circuit-float`: digits of either sign, rounding boundaries of either sign, p - 1 + k
    bits of the code; the sign is the first boundary below 0.

    >>> float_sum_gates(3, 3, 2)
    100
    """
    return 2 * N * float_digits(p, k) + 2 * ((1 << (p - 1 + k)) - 1) + p - 1 + k


def float_product_gates(p: int, k: int) -> int:
    """Claim `circuit-float`: conjunctions of two digits, two gates for the sign, boundaries, bits
    of the code but its highest (a boundary), the sign."""
    return float_digits(p, k) ** 2 + 2 + (1 << (p - 1 + k)) - 1 + p - 2 + k + 1


def float_quotient_gates(p: int, k: int) -> int:
    """Claim `circuit-float`: the digits of both, boundaries, bits of the code but its highest.

    >>> float_quotient_gates(4, 3)
    130
    """
    return 2 * float_digits(p, k) + (1 << (p - 1 + k)) - 1 + p - 2 + k


def real_head_gates(N: int, d: int, p: int, B: int, depth: int = 4) -> int:
    """Claim `circuit-head` at real size, all N^2 pairs, p-bit q, k, v and output, B change points.

    depth 4: N^2 (d p^2 + B (1 + d p)) + N d 2^p; depth 6: N^2 (2 d p^2 + 2 B) + N d 2^p, E of p
    bits.
    """
    pair = d * p * p + (B * (1 + d * p) if depth == 4 else 2 * B + d * p * p)
    return N * N * pair + (N * d << p)


def real_head_wires(N: int, d: int, p: int, B: int, depth: int = 4) -> int:
    """Wires of the same: conjunctions 2; thresholds of S d p^2 (+ 1 for a value bit); quotients
    N (B (1 + d p)) or all products; bits."""
    s = d * p * p
    if depth == 4:
        pair = 2 * s + B * s + B * d * p * (s + 1)
        quotient = N * (B + B * p)  # wires of sum E and of sum E v for one entry of v
    else:
        pair = 2 * s + B * s + 2 * B + 2 * s
        quotient = N * (p + p * p)
    return N * N * pair + (N * d << p) * (quotient + p)


def exp_changes(d: int, p: int, M: int) -> int:
    """At least the change points of E for |logit| <= M: min(2R, 2^bits - 1), R = d 4^(p-1).

    p-bit entries with sign give |S| <= R; E of relative error 2^-p has p + 1 + 2 M log2 e bits.

    >>> exp_changes(64, 8, 101)
    2097152
    """
    R = d << 2 * (p - 1)
    bits = p + 1 + -(-2 * M * 14427 // 10000)
    return min(2 * R, (1 << bits) - 1)
