"""exp of a p-bit number: by its table (depth 2), and in polynomial size by remainders (depth 4).

x = sum_b 2^b x_b / 2^g. The second way computes prod_b c_b^(x_b) 2^(P (1 - x_b)) exactly, with the
constants c_b = round(2^P e^(2^b / 2^g)), and drops its s lowest bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from varnum.balls.scalar import ball, lower, precision, upper
from varnum.circuit.form import Form, constant, narrowed, total
from varnum.circuit.gates import Builder, Circuit
from varnum.circuit.lemmas import bit_of, telescope


@dataclass(frozen=True)
class ExpFormat:
    """p input bits, g of them after the point; constants of P bits after the point, s dropped."""

    p: int
    g: int
    P: int
    s: int

    @classmethod
    def of(cls, p: int) -> ExpFormat:
        """x in [0, 1); constants and result with about 3p/2 bits after the point."""
        P = (3 * p) // 2 + 1
        return cls(p, p, P, (p - 1) * P)

    @property
    def constants(self) -> list[int]:
        """c_b = round(2^P e^(2^b / 2^g)), from an enclosure that leaves one integer."""
        return [rounded_exp(2**b, 2**self.g, self.P) for b in range(self.p)]

    @property
    def most(self) -> int:
        """The largest product."""
        return math.prod(max(c, 1 << self.P) for c in self.constants)

    @property
    def outputs(self) -> int:
        """Bits of the result."""
        return (self.most >> self.s).bit_length()

    @property
    def remainder_gates(self) -> int:
        """At least the gates of `exp_by_remainders`: r primes, W outputs, so polynomial in p.

        sum_q (p (q - 2) + 1) residues, r - 1 thresholds for t, W r (2r + 2) alternating ones, W r
        selections, W outputs.
        """
        primes, W = odd_primes(self.most), self.outputs
        r = len(primes)
        residues = sum(self.p * (q - 2) + 1 for q in primes)
        return residues + r - 1 + W * (r * (2 * r + 2) + r + 1)


def rounded_exp(top: int, bottom: int, bits: int) -> int:
    """round(2^bits e^(top/bottom)), certain: the enclosure is refined until one integer is left."""
    need = 64 + bits + 2 * (abs(top) // bottom + 1)
    while True:
        with precision(need):
            value = (ball(top) / bottom).exp() * (1 << bits) + ball("1/2")
            low, high = math.floor(lower(value)), math.floor(upper(value))
        if low == high:
            return low
        need *= 2


def exp_by_table(form: ExpFormat) -> Circuit:
    """The same result by its table: at most 2^p - 1 thresholds, depth 2."""
    b = Builder()
    x, _ = b.number(form.p)
    constants = form.constants
    table = [
        math.prod(c if v >> i & 1 else 1 << form.P for i, c in enumerate(constants)) >> form.s
        for v in range(1 << form.p)
    ]
    return b.finish([b.output(telescope(b, x, bit_of(table, j))) for j in range(form.outputs)])


def odd_primes(beyond: int) -> list[int]:
    """The first odd primes whose product is above `beyond`."""
    found: list[int] = []
    q = 3
    while math.prod(found) <= beyond:
        if all(q % r for r in found if r * r <= q):
            found.append(q)
        q += 2
    return found


def exp_by_remainders(form: ExpFormat) -> Circuit:
    """Claim `circuit-exp-crr`: depth 4, gates polynomial in p.

    1. Modulo each prime the product is a function of one sum of discrete logarithms.
    2. X = sum_q r_q Q/q - tQ: thresholds for t, and for each t and each output bit, with
       coefficients modulo 2^(s+j+1), few alternating thresholds.
    3. The right t selects; 4. or.
    """
    b = Builder()
    bits = b.bits(form.p)
    primes = odd_primes(form.most)
    Q = math.prod(primes)
    residues = []
    for q in primes:
        logs, value = _residue(form, bits, q)
        inverse = pow(Q // q, -1, q)
        residues.append((q, logs, _scaled(value, inverse, q)))
    z = total(telescope(b, logs, f) * (Q // q) for q, logs, f in residues)
    count = z.high // Q + 1  # t < count
    at_least = [b.gate(z, t * Q) for t in range(1, count)]
    ends = [constant(1), *at_least, constant(0)]
    chosen = [narrowed(ends[t] - ends[t + 1], 0, 1) for t in range(count)]  # [X needs this t]
    outputs = []
    for j in range(form.outputs):
        block = 1 << (form.s + j + 1)
        low = total(telescope(b, logs, _scaled(f, Q // q, block)) for q, logs, f in residues)
        picked = []
        for t in range(count):
            shifted = low - t * Q % block + (block if t * Q % block else 0)
            half = block >> 1
            first = shifted.low // half + 1
            steps = [
                b.gate(shifted, m * half) * (1 if m % 2 else -1)
                for m in range(first, shifted.high // half + 1)
            ]
            bit = narrowed(total([(first - 1) % 2, *steps]), 0, 1)
            picked.append(b.gate(bit + chosen[t], 2))
        outputs.append(b.output(narrowed(total(picked), 0, 1)))
    return b.finish(outputs)


def _scaled(f: Callable[[int], int], factor: int, modulus: int) -> Callable[[int], int]:
    return lambda m: f(m) * factor % modulus


def _residue(form: ExpFormat, bits: list[Form], q: int) -> tuple[Form, Callable[[int], int]]:
    """A form and f with f(form) = the product modulo q.

    A constant that q divides gets a weight beyond all others together: from there on f is 0.
    """
    root = next(g for g in range(1, q) if len({pow(g, i, q) for i in range(q - 1)}) == q - 1)
    log = {pow(root, i, q): i for i in range(q - 1)}
    one = pow(2, form.P, q)
    ratios = [c * pow(one, -1, q) % q for c in form.constants]
    logs = [log[r] if r else 0 for r in ratios]
    beyond = sum(logs) + 1
    weights = [beyond if r == 0 else e for r, e in zip(ratios, logs, strict=True)]
    start = pow(one, form.p, q)

    def value(m: int) -> int:
        return 0 if m >= beyond else start * pow(root, m, q) % q

    return total(bit * w for bit, w in zip(bits, weights, strict=True)), value
