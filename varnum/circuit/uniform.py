"""Uniformity: wires and weights of the add, product and float-sum circuits from names alone.

A name is a tuple of small integers: O(log) bits. `wire(sizes, u, v)` says with which weight node u
enters gate v (0: not at all), by comparing indices; nothing is built. Claim `uniformity`: equal to
the built circuits on all pairs of nodes at small sizes, so their connection language is decided in
time linear in the length of a name: DLOGTIME. Tables of exp are not covered: each bit of them is
polylogarithmic time only.

Inputs ("x", number, bit); gates as the builders name them: ("threshold", j, m) and ("bit", j), with
("and", pair, s, t) for products; ("digit", number, sign, e, a), ("above", c), ("below", c) for
floats.
"""

from __future__ import annotations

Name = tuple[str, *tuple[int, ...]]


def wire(kind: str, sizes: tuple[int, ...], u: Name, v: Name) -> int:
    """Weight of the wire from u to v; kind add: (N, p), multiply: (d, p), float: (N, p, k)."""
    i, j = u[1:], v[1:]
    match (u[0], v[0]):
        case ("x", "threshold") if kind == "add":  # bit a counts modulo 2^(j+1) if a <= j
            return int(i[1] <= j[0]) << int(i[1])
        case ("x", "and"):  # number 2i is the first of pair i, 2i + 1 the second
            return int(i[0] // 2 == j[0] and i[1] == j[1 + i[0] % 2])
        case ("and", "threshold"):
            return int(i[1] + i[2] <= j[0]) << int(i[1] + i[2])
        case ("threshold", "bit"):  # the alternating multiples of 2^j
            top = sizes[1] - 1 if kind == "add" else 2 * sizes[1] - 2
            return _alternates(i[1], j[0] - i[0]) if i[0] == min(j[0], top) else 0
        case ("x", "digit"):
            return _literal(sizes, i[1], v) if i[0] == j[0] else 0
        case ("digit", "above" | "below"):  # +-2^(max(e,1) - 1 + a) quanta
            size = 1 << int(max(i[2], 1) - 1 + i[3])
            return size if (i[1] == 0) == (v[0] == "above") else -size
        case ("above" | "below", "bit"):
            return _alternates(i[0] + 1, j[0])
    return 0


def _alternates(m: int, j: int) -> int:
    """+1 at odd multiples of 2^j, -1 at even ones, 0 elsewhere."""
    return 0 if m % (1 << j) else 1 if m >> j & 1 else -1


def _literal(sizes: tuple[int, ...], bit: int, v: Name) -> int:
    """Bits of a word: fraction, exponent, sign; v holds where all literals of (sign, e, a) do."""
    p, k = sizes[1:]
    _, sign, e, a = v[1:]
    if bit == p - 1 + k:
        return 1 if sign else -1
    if bit >= p - 1:
        return 1 if e >> (bit - p + 1) & 1 else -1
    return int(bit == a)
