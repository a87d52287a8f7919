"""Python: a NumPy function, each operation rounded as in the format."""

from __future__ import annotations

from varnum.approx.ship.emit.notation import FULL, cuts, head, name
from varnum.approx.ship.formats import hexadecimal
from varnum.approx.ship.kernel import Kernel

_ROUND = '''
def _round(v):
    """The nearest number of the format, ties to even; numbers are carried in float64."""
    _, above = np.frexp(v)
    place = np.maximum(above - 1, {least}) + 1 - {digits}
    near = np.ldexp(np.rint(np.ldexp(v, -place)), place)
    return np.where(np.abs(near) > {largest}, np.copysign(np.inf, v), near)


def _odd(a, b):
    """a + b rounded to odd in float64: a second rounding, to the format, is then right."""
    s = a + b
    back = s - a
    e = (a - (s - back)) + (b - back)
    move = (e != 0) & ((np.asarray(s).view(np.int64) & 1) == 0) & np.isfinite(s)
    return np.where(move, np.nextafter(s, np.where(e > 0, np.inf, -np.inf)), s)


def _add(a, b):
    return _round(_odd(a, b))


def _mul(a, b):
    return _round(a * b)


def _fma(a, b, c):
    return _round(_odd(a * b, c))
'''
_DOUBLE = '''
def _round(v):
    return v


def _add(a, b):
    return a + b


def _mul(a, b):
    return a * b


def _halves(a):
    far = a * 134217729.0
    high = far - (far - a)
    return high, a - high


def _two_sum(a, b):
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)


def _fma(a, b, c):
    """a b + c rounded once (Boldo and Melquiond 2008), far from both ends of the format."""
    p = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    p_low = a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)
    t, t_low = _two_sum(c, p_low)
    v, v_low = _two_sum(p, t)
    s, e = _two_sum(t_low, v_low)
    move = (e != 0) & ((np.asarray(s).view(np.int64) & 1) == 0)
    return v + np.where(move, np.nextafter(s, np.where(e > 0, np.inf, -np.inf)), s)
'''


def source(kernel: Kernel, certificate: str) -> str:
    """A Python file with one function of an array."""
    form, how = kernel.form, kernel.reduction
    helpers = _DOUBLE if form.digits == 53 else _ROUND.format(
        least=form.least, digits=form.digits, largest=float(form.largest)
    )  # fmt: skip
    lines = [f"_C{k} = float.fromhex({hexadecimal(c)!r})"
             for k, c in enumerate(kernel.polynomial.coefficients)]  # fmt: skip
    body = [f"    {s.result} = _{s.operation}({', '.join(map(_named, s.arguments))})"
            for s in kernel.how.steps]  # fmt: skip
    before, result = ["    r = np.asarray(x, dtype=np.float64)"], _named(kernel.how.result)
    if kernel.how.result.startswith("c"):
        result = f"np.full_like(r, {result})"
    after = [f"    return {result}"]
    if how is not None:
        low, high = cuts(form, kernel)
        before = [
            "    given = np.asarray(x, dtype=np.float64)",
            f"    inside = (given >= {float(low)!r}) & (given <= {float(high)!r})",
            "    x = np.where(inside, given, 0.0)",
            *_reduced(kernel),
        ]
        after = [
            f"    y = _round(np.ldexp({result}, n.astype(np.int64)))",
            "    far = np.where(np.isnan(given), given, np.where(given < 0, 0.0, np.inf))",
            "    return np.where(inside, y, far)",
        ]
    body = [*before, *body, *after]
    return (
        head(kernel, certificate, ("", "# ", "\n"), FULL)
        + "import numpy as np\n\n" + "\n".join(lines) + "\n\n" + helpers + "\n\n"
        + f"def {name(kernel)}(x):\n"
        + f'    """The values at numbers x of {form.name}, both carried in float64."""\n'
        + "    with np.errstate(over=\"ignore\", under=\"ignore\", invalid=\"ignore\"):\n"
        + "\n".join("    " + line for line in body) + "\n"
    )  # fmt: skip


def _named(argument: str) -> str:
    return f"_C{argument[1:]}" if argument.startswith("c") else argument


def _reduced(kernel: Kernel) -> list[str]:
    how = kernel.reduction
    assert how is not None
    if how.kind != "cody-waite":
        whole = {"nearest": "rint", "floor": "floor"}[how.kind]
        return [f"    n = np.{whole}(x)", "    r = _add(x, -n)"]
    scale, *parts = (f"float.fromhex({hexadecimal(c)!r})" for c in how.constants)
    lines, given = [f"    n = np.rint(_mul(x, {scale}))"], "x"
    for part in parts:
        minus = f"_fma(-n, {part}, {given})" if how.fma else f"_add({given}, -_mul(n, {part}))"
        lines, given = [*lines, f"    r = {minus}"], "r"
    return lines
