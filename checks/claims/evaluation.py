"""shipped-error, evaluation-error, range-reduction: emitted evaluations against their bounds.

Random: functions, formats, degrees, schemes, with and without FMA, random inputs. Adversary: the
inputs next to where n changes, the ends, and a run of neighbouring numbers at the lower end, where
polynomials err most. The reference is long double where that has 64 digits, else float64.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.approx.ship.coefficient_error import certify_error
from varnum.approx.ship.formats import FORMATS
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.kernel import Kernel, certify_kernel, default_interval
from varnum.approx.ship.twin import rounded
from varnum.approx.ship.vectors import inputs
from varnum.balls.scalar import upper
from varnum.proof.checking import Measurement, main, summarise

CASES = (
    # function, interval (None: reduced), format, degree, scheme, fma
    ("exp2", None, "float32", 6, "estrin", True),
    ("exp", None, "float32", 6, "horner", False),
    ("exp2", ("0", "1"), "float32", 5, "horner", True),
    ("exp", ("-1", "1"), "float32", 8, "horner", True),
    ("exp2", None, "float16", 3, "horner", True),
    ("exp2", None, "bfloat16", 3, "estrin", False),
)


def _kernel(case: Any) -> Kernel:
    function, ends, form, degree, scheme, fma = case
    low, high = default_interval(function, FORMATS[form], fma)
    if ends is not None:
        low, high = Fraction(ends[0]), Fraction(ends[1])
    found = certify_kernel(
        Goal(function, low, high), FORMATS[form], degree, scheme_name=scheme, fma=fma,
        reduce=ends is None,
    )  # fmt: skip
    assert isinstance(found, Kernel), found
    return found


def _errors(kernel: Kernel, x: Any, y: Any) -> Any:
    long = np.asarray(x, dtype=np.longdouble)
    f = np.exp2(long) if kernel.goal.function == "exp2" else np.exp(long)
    return np.abs(y / f - 1).astype(float)


def _polynomial(kernel: Kernel, x: Any) -> Any:
    value = np.zeros(len(x), dtype=np.longdouble)
    for c in reversed(kernel.polynomial.coefficients):
        value = value * x + float(c)
    return _errors(kernel, x, value)


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Errors of evaluations, reduced or not, and of polynomials in exact arithmetic."""
    rng = np.random.default_rng(seed)
    pairs: dict[str, list[list[Any]]] = {
        key: [[], [], [], []] for key in ("shipped-error", "evaluation-error", "range-reduction")
    }
    for case in CASES:
        kernel = _kernel(case)
        low, high = (float(x) for x in kernel.domain)
        drawn = rounded(rng.uniform(low, high, trials // len(CASES) + 1), kernel.form)
        start = rounded(low + np.arange(min(trials, 4096)) * 2.0**-21, kernel.form)
        claimed = float(upper(kernel.total_error))
        key = "evaluation-error" if kernel.reduction is None else "range-reduction"
        for place, x in ((0, drawn), (2, np.concatenate([inputs(kernel), start]))):
            error = _errors(kernel, x, kernel(x))
            pairs[key][place].append(error)
            pairs[key][place + 1].append(np.full(len(x), claimed))
        enclosed = certify_error(kernel.goal, kernel.polynomial.coefficients)
        bound = float(upper(enclosed.high)) + 2.0**-50  # and the reference's own error
        a, b = float(kernel.goal.low), float(kernel.goal.high)
        grid = np.cos(np.linspace(0, np.pi, 2001)) * (b - a) / 2 + (a + b) / 2
        for place, x in ((0, rng.uniform(a, b, 1000)), (2, np.clip(grid, a, b))):
            pairs["shipped-error"][place].append(_polynomial(kernel, x))
            pairs["shipped-error"][place + 1].append(np.full(len(x), bound))
    return [
        summarise(claim, "float32 and 16-bit formats", (np.concatenate(p[0]), np.concatenate(p[1])),
                  (np.concatenate(p[2]), np.concatenate(p[3])))
        for claim, p in pairs.items()
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(measure))
