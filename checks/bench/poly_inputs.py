"""evaluation-error: the emitted C, compiled and run on every float32 input, against the bound.

For each kernel: gcc compiles what `varnum poly --emit c` prints; its outputs are compared with the
function, itself computed by an emitted float64 kernel whose total error is certified (below 4e-16),
so the largest error seen is an enclosure up to that and to gcc and the processor.

--log2 26 (default): 2^26 inputs, every 64th of all 2^32 bit patterns; --log2 32: all of them.
Exit code 0: every output in the domain within the bound, none of the bounds above --ratio times the
largest error seen (with all inputs: 2 by analysis); 1: not; 4: no gcc.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

from varnum.approx.ship.emit import LANGUAGES
from varnum.approx.ship.emit.notation import name
from varnum.approx.ship.evaluation_certificate import certificate
from varnum.approx.ship.formats import FORMATS, hexadecimal
from varnum.approx.ship.goal import Function, Goal
from varnum.approx.ship.kernel import Kernel, certify_kernel, default_interval
from varnum.balls.scalar import upper

MAIN = """
#include <stdio.h>
#include <string.h>
int main(void)
{
    double worst = 0, at = 0;
    long long count = 0;
    for (uint64_t i = 0; i < (UINT64_C(1) << 32); i += STEP) {
        uint32_t bits = (uint32_t)(i + (i >> 9) % STEP); /* other low bits each time */
        float x;
        memcpy(&x, &bits, 4);
        if (!(x >= LOW && x <= HIGH))
            continue;
        const double f = REFERENCE(x), y = TRIED(x);
        const double error = RELATIVE ? fabs(y / f - 1) : fabs(y - f);
        count++;
        if (!(error <= worst)) {
            worst = error;
            at = x;
        }
    }
    printf("%lld %.17g %a\\n", count, worst, at);
    return 0;
}
"""
CASES: list[tuple[Function, str | None, int, str, bool]] = [
    # function, interval (None: reduced), degree, scheme, fma
    ("exp2", None, 4, "horner", True),
    ("exp2", None, 6, "horner", True),
    ("exp2", None, 6, "horner", False),
    ("exp2", None, 6, "estrin", True),
    ("exp2", None, 6, "estrin", False),
    ("exp", None, 6, "horner", True),
    ("exp", None, 6, "estrin", False),
    ("exp2", "0,1", 6, "horner", True),
    ("exp", "-1,1", 8, "horner", True),
    ("exp", "-1,1", 8, "estrin", False),
    ("exp", "-4,4", 10, "horner", True),
]


def made(
    function: Function, interval: str | None, degree: int, form: str, scheme: str, fma: bool
) -> Kernel:
    low, high = default_interval(function, FORMATS[form], fma)
    if interval is not None:
        low, high = (Fraction(x) for x in interval.split(","))
    found = certify_kernel(
        Goal(function, low, high), FORMATS[form], degree, scheme_name=scheme, fma=fma,
        reduce=interval is None,
    )  # fmt: skip
    assert isinstance(found, Kernel), found
    return found


def run(tried: Kernel, reference: Kernel, step: int, folder: Path) -> tuple[int, float, str]:
    """(inputs in the domain, largest error, where) over every `step`th pattern."""
    sources = [LANGUAGES["c"](k, certificate(k)) for k in (tried, reference)]
    low, high = (hexadecimal(x) for x in tried.domain)
    defines = {
        "STEP": step, "LOW": low, "HIGH": high, "TRIED": name(tried),
        "REFERENCE": name(reference), "RELATIVE": int(tried.goal.kind == "relative"),
    }  # fmt: skip
    text = "\n".join(sources) + "".join(f"\n#define {k} {v}" for k, v in defines.items()) + MAIN
    (folder / "run.c").write_text(text)
    flags = ["-O2", "-Wall", "-Werror"] + ["-mfma"] * (" fma " in cpu_flags())
    command = ["gcc", *flags, "-o", folder / "run", folder / "run.c", "-lm"]
    subprocess.run(command, check=True)
    out = subprocess.run(
        [folder / "run"], check=True, capture_output=True, text=True
    ).stdout.split()
    return int(out[0]), float(out[1]), out[2]


def cpu_flags() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log2", type=int, default=26, help="inputs tried: 2 to this power")
    parser.add_argument("--ratio", type=float, default=2, help="bound over largest error allowed")
    parser.add_argument("--cases", type=int, nargs="+", help="numbers of kernels, from 0")
    options = parser.parse_args()
    if shutil.which("gcc") is None:
        print("gcc is not installed: nothing was run", file=sys.stderr)
        return 4
    print(
        f"{'kernel':<34} {'inputs':>11} {'largest seen':>12} {'bound':>11} {'ratio':>6} at, seconds"
    )
    failed = False
    for case in CASES if options.cases is None else [CASES[i] for i in options.cases]:
        function, interval, degree, scheme, fma = case
        tried = made(function, interval, degree, "float32", scheme, fma)
        reference = made(function, None, 12, "float64", "horner", True)
        own = float(upper(reference.total_error))
        assert own < 4e-16, own
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            count, seen, at = run(tried, reference, 2 ** (32 - options.log2), Path(folder))
            seconds = time.perf_counter() - start
        bound = float(upper(tried.total_error))
        failed |= not seen - 2 * own <= bound <= options.ratio * (seen + 2 * own)
        what = f"{function} {interval or 'reduced'} {degree} {scheme} {'fma' if fma else ''}"
        print(f"{what:<30} {count:11d} {seen:12.6g} {bound:11.6g} {bound / seen:6.3f} {at} "
              f"{seconds:.0f}", flush=True)  # fmt: skip
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
