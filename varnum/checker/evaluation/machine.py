"""Every input of a 16-bit format, evaluated in integers as the operations say."""

from collections.abc import Iterator
from fractions import Fraction

from ..arithmetic import exp_bounds
from ..proof import NotProved
from .evaluation_form import Evaluation, Format
from .pieces import log2_bounds

S = 160  # numbers of 16-bit formats are multiples of 2^-133: kept as integers times 2^-S
_BITS = 96


def numbers(form: Format, low: Fraction, high: Fraction) -> Iterator[int]:
    """2^S times every number of the format in [low, high], 0 once."""
    significands = [*range(1 << (form.digits - 1))]
    pairs = [(m, form.least) for m in significands]
    pairs += [(m + len(significands), e) for e in range(form.least, form.most + 1)
              for m in significands]  # fmt: skip
    first = -((-low.numerator << S) // low.denominator)
    last = (high.numerator << S) // high.denominator
    for m, e in pairs:
        x = m << (e + 1 - form.digits + S)
        for signed in (x, -x) if m else (x,):
            if first <= signed <= last:
                yield signed


class Machine:
    """The format's arithmetic on integers times 2^-S, round to nearest, ties to even."""

    def __init__(self, c: Evaluation) -> None:
        self.c, self.form = c, c.format
        self.constants = {f"c{k}": self.load(x) for k, x in enumerate(c.coefficients)}
        self.largest = ((1 << c.format.digits) - 1) << (c.format.most + 1 - c.format.digits + S)

    def load(self, x: Fraction) -> int:
        """2^S x, for numbers of the format."""
        return (x.numerator << S) // x.denominator

    def round(self, value: int, extra: int = 0) -> int:
        """The number nearest to value 2^-(S + extra)."""
        size = abs(value)
        top = size.bit_length() - 1 - S - extra
        drop = max(top, self.form.least) + 1 - self.form.digits + S + extra
        kept, left, half = size >> drop, size & ((1 << drop) - 1), 1 << (drop - 1)
        kept += left > half or (left == half and kept & 1)
        near = kept << (drop - extra)
        if near > self.largest:
            raise NotProved("an input leads to an overflow")
        return near if value >= 0 else -near

    def apply(self, operation: str, a: int, b: int, c: int = 0) -> int:
        """One rounded operation."""
        if operation == "add":
            return self.round(a + b)
        return self.round(a * b + (c << S), S)

    def evaluate(self, x: int) -> int:
        """The computed value at x."""
        n, r = self.reduced(x)
        values = {**self.constants, "r": r}
        result = self.constants["c0"]
        for name, operation, arguments in self.c.steps:
            result = values[name] = self.apply(operation, *(values[a] for a in arguments))
        return self.round(result << max(n, 0), max(-n, 0))

    def reduced(self, x: int) -> tuple[int, int]:
        """(n, r); without a reduction (0, x)."""
        how = self.c.reduction
        if how is None:
            return 0, x
        if how.kind != "cody-waite":
            n = x >> S if how.kind == "floor" else nearest(x)
            return n, self.round(x - (n << S))
        scale, first, second = (self.load(c) for c in how.constants)
        n = nearest(self.apply("mul", x, scale))
        for part in (first, second):
            if how.fma:
                x = self.apply("fma", -n << S, part, x)
            else:
                x = self.round(x - self.round(n * part))
        return n, x


def nearest(x: int) -> int:
    """2^-S x to the nearest integer, ties to even."""
    n, left, half = x >> S, x & ((1 << S) - 1), 1 << (S - 1)
    return n + (left > half or (left == half and n & 1))


def check_inputs(c: Evaluation) -> int:
    """Try every input; the count. NotProved with the first one whose error exceeds eps."""
    machine, rate = Machine(c), log2_bounds(_BITS)
    count = 0
    for x in numbers(c.format, *c.domain):
        count += 1
        low, high, k = function(x, c.function == "exp2", rate)
        y, one = machine.evaluate(x), 1 << S  # 2^-S y against [low, high] 2^(k - _BITS)
        move = k - _BITS + S
        if move >= 0:
            low, high = low << move, high << move
        else:
            y, one = y << -move, one << -move
        allowed = c.eps.numerator * (low if c.relative else one)
        if max(high - y, y - low) * c.eps.denominator > allowed:
            raise NotProved(f"at x = {Fraction(x, 1 << S)} the error exceeds eps")
    return count


def function(x: int, binary: bool, log2: tuple[int, int]) -> tuple[int, int, int]:
    """(low, high, k): f(2^-S x) lies in [low, high] 2^(k - _BITS)."""
    if binary:  # 2^k e^(r ln 2), r the fractional part
        k = x >> S
        r = x - (k << S)
        ends = (r * log2[0] >> S, -(-r * log2[1] >> S))
    else:  # 2^k e^(x - k ln 2)
        k = (x << _BITS) // (log2[0] << S)
        scaled = x >> (S - _BITS)
        near, far = sorted(k * end for end in log2)
        ends = (scaled - far, scaled + 1 - near)
    bottom, top = (Fraction(end, 1 << _BITS) for end in ends)
    return exp_bounds(bottom, _BITS)[0], exp_bounds(top, _BITS)[1], k
