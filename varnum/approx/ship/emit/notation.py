"""What the languages share: the statement, names, literals, and the certificate in a comment."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from varnum._version import __version__
from varnum.approx.ship.evaluation_certificate import claimed
from varnum.approx.ship.formats import Format, hexadecimal, inward
from varnum.approx.ship.kernel import Kernel
from varnum.outward import at_most

BEGIN, END = "BEGIN VARNUM CERTIFICATE", "END VARNUM CERTIFICATE"
Literal = Callable[[Fraction], str]


def name(kernel: Kernel) -> str:
    """Of the emitted function, such as varnum_exp2_float32."""
    return f"varnum_{kernel.goal.function}_{kernel.form.name}"


def statement(kernel: Kernel, outside: str) -> list[str]:
    """What is proved, in lines of a comment; outside: what is returned outside the domain."""
    f, form, relative = kernel.goal.function, kernel.form.name, kernel.goal.kind == "relative"
    what = f"|{name(kernel)}(x) / {f}(x) - 1|" if relative else f"|{name(kernel)}(x) - {f}(x)|"
    how = "with" if kernel.how.fma else "without"
    lines = [
        f"{f} in {form}: a polynomial of degree {kernel.polynomial.degree}, {kernel.how.name}, "
        f"{how} FMA.",
        f"{what} <= {at_most(claimed(kernel)[0], 5)}",
        f"for every {form} x in {inward(*kernel.domain)}, every rounding counted,",
        "for round to nearest and exactly the operations below.",
    ]
    if kernel.reduction is not None:
        lines.append(outside)
    return [*lines, f"Written by varnum {__version__}; `varnum check` reads the certificate here."]


def commented(lines: list[str], prefix: str) -> str:
    """Lines of a comment, none with blanks at its end."""
    return "\n".join((prefix + line).rstrip() for line in lines) + "\n"


def certificate_lines(certificate: str) -> list[str]:
    """The certificate between its marks; `varnum check` takes it out again."""
    return [BEGIN, *certificate.splitlines(), END]


FULL = "Below that domain it goes on to subnormal numbers and 0, above it to infinity."
CUT = "Below that domain it returns 0, above it infinity."


def head(kernel: Kernel, certificate: str, comment: tuple[str, str, str], outside: str) -> str:
    """The comment at the top: opening, prefix, closing."""
    opening, prefix, closing = comment
    lines = [*statement(kernel, outside), *certificate_lines(certificate)]
    return opening + commented(lines, prefix) + closing


def hexadecimal_literal(suffix: str) -> Literal:
    """Short hexadecimal floats of C: 0x1.8p+1f."""

    def write(x: Fraction) -> str:
        mantissa, _, exponent = hexadecimal(x).partition("p")
        return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}{suffix}"

    return write


def cuts(form: Format, kernel: Kernel) -> tuple[Fraction, Fraction]:
    """Below the first f(x) rounds to 0, above the second it overflows: numbers of the format."""
    low, high = Fraction(form.least - form.digits - 1), Fraction(form.most + 2)
    if kernel.goal.function == "exp":
        low, high = low * Fraction(6932, 10000), high * Fraction(6932, 10000)
    return form.towards_zero(low) - Fraction(2) ** form.place(low), form.round(high)
