"""Polynomials and exp between two neighbouring binary numbers, from integers alone."""

from fractions import Fraction
from math import ceil


def evaluate(coefficients: list[int], unit: Fraction, x: Fraction, bits: int) -> tuple[int, int]:
    """Integers low, low + 1 with low <= 2^bits unit sum_k coefficients[k] x^k < low + 1."""
    twos = (x.denominator & -x.denominator).bit_length() - 1
    odd, power, value = x.denominator >> twos, 1, 0
    for k, c in enumerate(reversed(coefficients)):  # value: x.denominator^k times Horner's
        value = value * x.numerator + (c * power << twos * k)
        power *= odd
    value *= unit.numerator * odd << bits
    low = value // (power * unit.denominator << twos * (len(coefficients) - 1))
    return low, low + 1


def derivative(coefficients: list[int]) -> list[int]:
    """The coefficients of p', padded with a zero to the length of p."""
    return [*(k * c for k, c in enumerate(coefficients) if k > 0), 0]


def exp_bounds(x: Fraction, bits: int) -> tuple[int, int]:
    """Integers low, high with 0 <= low <= 2^bits e^x <= high, a few units apart for x <= 0."""
    if x < 0:
        low, high = exp_bounds(-x, bits)  # low >= 2^bits, as e^-x >= 1
        return (1 << 2 * bits) // high, (1 << 2 * bits) // low + 1
    halvings = ceil(x).bit_length() + 8  # e^x = (e^y)^(2^halvings) with 0 <= y <= 1/256
    work = bits + halvings + 8
    y = (x.numerator << work) // (x.denominator << halvings)  # y <= 2^work (exact y) <= y + 1
    low = high = low_term = high_term = 1 << work
    k = 0
    while high_term > 1:
        k += 1
        low_term = (low_term * y >> work) // k  # rounded down, at most 2^work y^k/k!
        high_term = (high_term * (y + 1) >> work) // k + 1  # rounded up, at least that
        low, high = low + low_term, high + high_term
    high += 1  # the terms left out: the last is <= 1 unit, each next one <= 1/256 of the one before
    for _ in range(halvings):
        low, high = low * low >> work, (high * high >> work) + 1
    return low >> (work - bits), (high >> (work - bits)) + 1
