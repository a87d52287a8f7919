"""Emitted code: compiled, run, bit for bit the twin, in the bound, its certificate inside."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from varnum import checker
from varnum.approx.ship.emit import LANGUAGES
from varnum.approx.ship.emit.notation import name
from varnum.approx.ship.evaluation_certificate import certificate
from varnum.approx.ship.every_input import certify_all
from varnum.approx.ship.formats import FORMATS
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.kernel import Kernel, certify_kernel, default_interval
from varnum.approx.ship.twin import rounded
from varnum.approx.ship.vectors import inputs, text
from varnum.balls.scalar import upper
from varnum.errors import InputError

NO_GCC = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def made(
    function: Any, form: str, degree: int, *, fma: bool = True, scheme: str = "horner",
    reduce: bool = True, ends: tuple[str, str] | None = None,
) -> Kernel:  # fmt: skip
    low, high = default_interval(function, FORMATS[form], fma)
    if ends is not None:
        low, high = Fraction(ends[0]), Fraction(ends[1])
    found = certify_kernel(
        Goal(function, low, high), FORMATS[form], degree, fma=fma, scheme_name=scheme, reduce=reduce
    )
    assert isinstance(found, Kernel)
    return found


def compiled(kernel: Kernel, folder: Path, *flags: str) -> Any:
    """The C function on arrays (n,) of numbers of the format in float64."""
    file, library = folder / "f.c", folder / "f.so"
    kind = "double" if kernel.form.digits == 53 else "float"
    loop = (
        f"\nvoid run(long n, const {kind} *x, {kind} *y)\n{{\n"
        f"    for (long i = 0; i < n; i++)\n        y[i] = {name(kernel)}(x[i]);\n}}\n"
    )
    file.write_text(LANGUAGES["c"](kernel, certificate(kernel)) + loop)
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", *flags, "-shared", "-fPIC"]
    subprocess.run([*command, "-o", library, file, "-lm"], check=True)
    run = ctypes.CDLL(str(library)).run
    dtype = np.float64 if kind == "double" else np.float32

    def call(x: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # signalling NaN
            given, out = x.astype(dtype), np.empty(len(x), dtype)
        run(ctypes.c_long(len(x)), given.ctypes.data_as(ctypes.c_void_p),
            out.ctypes.data_as(ctypes.c_void_p))  # fmt: skip
        with np.errstate(invalid="ignore"):
            return out.astype(np.float64)

    return call


def patterns(form: str) -> np.ndarray:
    """All 2^16 bit patterns of a 16-bit format, in float64; infinities and NaN are among them."""
    bits = np.arange(2**16, dtype=np.uint32)
    if form == "float16":
        with np.errstate(invalid="ignore"):
            return bits.astype(np.uint16).view(np.float16).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return (bits << 16).view(np.float32).astype(np.float64)


def relative_errors(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    long = x.astype(np.longdouble)
    f = np.exp2(long) if kernel.goal.function == "exp2" else np.exp(long)
    return np.abs(y / f - 1).astype(float)


def check_everywhere(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> None:
    """Within the bound in the domain; outside as IEEE numbers go on."""
    low, high = (float(end) for end in kernel.domain)
    inside = (x >= low) & (x <= high)
    bound = float(upper(kernel.total_error)) * (1 + 1e-7)
    assert relative_errors(kernel, x[inside], y[inside]).max() <= bound
    assert np.isnan(y[np.isnan(x)]).all()
    assert (y[x == np.inf] == np.inf).all()
    assert (y[x == -np.inf] == 0).all()
    below = x[x < low]
    with np.errstate(under="ignore"):
        f = np.exp2(below) if kernel.goal.function == "exp2" else np.exp(below)
    place = 2.0 ** (kernel.form.least - kernel.form.digits)
    assert (np.abs(y[x < low] - f) <= 2 * bound * f + place * (1 + 1e-9)).all()


HALVES = [("exp2", "float16", True), ("exp2", "bfloat16", False), ("exp", "float16", False),
          ("exp", "bfloat16", True)]  # fmt: skip


@NO_GCC
@pytest.mark.parametrize(("function", "form", "fma"), HALVES)
def test_c_on_all_half_inputs(function: str, form: str, fma: bool, tmp_path: Path) -> None:
    kernel = made(function, form, 3, fma=fma)
    x = patterns(form)
    y = compiled(kernel, tmp_path)(x)
    check_everywhere(kernel, x, y)
    inside = (x >= float(kernel.domain[0])) & (x <= float(kernel.domain[1]))
    assert np.array_equal(y[inside], kernel(x[inside]))


FULL = [("exp2", "float32", True, "estrin"), ("exp2", "float32", False, "horner"),
        ("exp", "float32", True, "horner"), ("exp", "float64", True, "horner"),
        ("exp2", "float64", False, "estrin")]  # fmt: skip


@NO_GCC
@pytest.mark.parametrize(("function", "form", "fma", "scheme"), FULL)
def test_c_is_the_twin_bit_for_bit(
    function: str, form: str, fma: bool, scheme: str, tmp_path: Path
) -> None:
    kernel = made(function, form, 6, fma=fma, scheme=scheme)
    low, high = (float(end) for end in kernel.domain)
    x = np.random.default_rng(0).uniform(low, high, 2**17)
    x = np.concatenate([x.astype(np.float32).astype(float) if form == "float32" else x,
                        inputs(kernel)])  # fmt: skip
    run = compiled(kernel, tmp_path)
    y = run(x)
    assert np.array_equal(y, kernel(x))
    special = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, low - 1, low - 9.25, low - 30])
    x = np.concatenate([x, special])
    check_everywhere(kernel, x, run(x))


@NO_GCC
@pytest.mark.parametrize(("form", "degree"), [("float32", 6), ("float64", 11)])
def test_c_against_balls_on_random_and_worst_inputs(form: str, degree: int, tmp_path: Path) -> None:
    """Near where the twin errs most among 2^18 inputs, and on the test vectors."""
    kernel = made("exp", form, degree)
    low, high = (float(end) for end in kernel.domain)
    x = rounded(np.random.default_rng(3).uniform(low, high, 2**18), kernel.form)
    worst = x[np.argsort(relative_errors(kernel, x, kernel(x)))[-500:]]
    tried = np.concatenate([worst, inputs(kernel), x[:1000]])
    y = compiled(kernel, tmp_path)(tried)
    seen = certify_all(kernel.goal, tried.tolist(), y.tolist())
    assert seen.high <= kernel.total_error <= seen.low * 1.5


@NO_GCC
def test_the_compiler_does_not_fuse(tmp_path: Path) -> None:
    """With -mfma gcc would fuse a b + c by itself: the pragma in the file forbids it."""
    flags = Path("/proc/cpuinfo")
    if not flags.exists() or " fma " not in flags.read_text():
        pytest.skip("this processor has no FMA to misuse")
    kernel = made("exp2", "float32", 6, fma=False)
    x = np.random.default_rng(0).uniform(-3, 3, 2**16).astype(np.float32).astype(float)
    assert np.array_equal(compiled(kernel, tmp_path, "-mfma", "-O3")(x), kernel(x))


@NO_GCC
def test_fast_math_is_refused(tmp_path: Path) -> None:
    kernel = made("exp2", "float32", 4)
    with pytest.raises(subprocess.CalledProcessError):
        compiled(kernel, tmp_path, "-ffast-math")


@pytest.mark.parametrize(
    ("form", "fma"), [("float32", True), ("float64", True), ("float16", False)]
)
@pytest.mark.parametrize("function", ["exp", "exp2"])
def test_python_is_the_twin_bit_for_bit(function: str, form: str, fma: bool) -> None:
    kernel = made(function, form, 5, fma=fma)
    space: dict[str, Any] = {}
    exec(LANGUAGES["python"](kernel, certificate(kernel)), space)
    x = inputs(kernel)
    assert np.array_equal(space[name(kernel)](x), kernel(x))
    if form == "float16":
        x = patterns(form)
        check_everywhere(kernel, x, space[name(kernel)](x))


class Block(np.ndarray):
    """Triton's `.to` on NumPy arrays of float32 and int32."""

    def to(self, dtype: Any, bitcast: bool = False) -> Any:
        with np.errstate(invalid="ignore"):
            return self.view(dtype) if bitcast else self.astype(dtype)


def numpy_triton() -> tuple[Any, Any]:
    """What the emitted kernels use of Triton, in NumPy; fma is rounded once."""
    from varnum.approx.ship.twin import apply

    def fma(*values: Any) -> Any:
        wide = [np.asarray(v, dtype=np.float32).astype(np.float64) for v in values]
        return apply("fma", wide, FORMATS["float32"]).astype(np.float32).view(Block)

    def where(*values: Any) -> Any:
        return np.where(*values).astype(np.float32).view(Block)

    language = SimpleNamespace(fma=fma, where=where, int32=np.int32, float32=np.float32,
                               floor=np.floor)  # fmt: skip
    return SimpleNamespace(jit=lambda f: f, language=language), language


@pytest.mark.parametrize(
    ("function", "ends"), [("exp", None), ("exp2", None), ("exp2", ("0", "1"))]
)
def test_triton_against_its_numpy_twin(function: str, ends: tuple[str, str] | None) -> None:
    kernel = made(function, "float32", 5, ends=ends)
    source = LANGUAGES["triton"](kernel, certificate(kernel))
    code = re.sub(r"^import triton.*\n", "", source, flags=re.M)
    triton, language = numpy_triton()
    space: dict[str, Any] = {"triton": triton, "tl": language}
    exec(code, space)
    x = inputs(kernel)
    y = space[name(kernel)](x.astype(np.float32).view(Block)).astype(np.float64)
    assert relative_errors(kernel, x, np.asarray(y)).max() <= float(upper(kernel.total_error))
    if function == "exp2":
        assert np.array_equal(np.asarray(y), kernel(x))
    outside = np.array([-np.inf, -1e30, np.inf, 1e3, np.nan], np.float32).view(Block)
    with np.errstate(invalid="ignore", over="ignore"):
        far = np.asarray(space[name(kernel)](outside))
    assert np.array_equal(far, [0, 0, np.inf, np.inf, np.nan], equal_nan=True)


INTERPRETED = """
import os, sys
os.environ["TRITON_INTERPRET"] = "1"
import numpy as np, torch, triton, triton.language as tl
from emitted import {name} as f

@triton.jit
def kernel(x, y, N: tl.constexpr):
    i = tl.program_id(0) * N + tl.arange(0, N)
    tl.store(y + i, f(tl.load(x + i)))

x = torch.tensor(np.load("x.npy"))
y = torch.empty_like(x)
kernel[(len(x) // 1024,)](x, y, N=1024)
np.save("y.npy", y.numpy())
"""


@pytest.mark.skipif(
    not (importlib.util.find_spec("triton") and importlib.util.find_spec("torch")),
    reason="Triton is not installed",
)
@pytest.mark.parametrize("function", ["exp", "exp2"])
def test_triton_in_its_interpreter(function: str, tmp_path: Path) -> None:
    """The interpreter rounds a b + c twice, so the bound is that without FMA."""
    kernel = made(function, "float32", 6)
    plain = made(function, "float32", 6, fma=False)
    (tmp_path / "emitted.py").write_text(LANGUAGES["triton"](kernel, certificate(kernel)))
    low, high = (float(end) for end in kernel.domain)
    x = np.random.default_rng(0).uniform(low, high, 2**13).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    code = INTERPRETED.format(name=name(kernel))
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    y = np.load(tmp_path / "y.npy").astype(np.float64)
    errors = relative_errors(kernel, x.astype(np.float64), y)
    assert errors.max() <= 1.01 * float(upper(plain.total_error))


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
@pytest.mark.parametrize(
    ("function", "form", "fma"), [("exp2", "float32", True), ("exp", "float16", False)]
)
def test_cuda_compiles_to_exactly_these_operations(
    function: str, form: str, fma: bool, tmp_path: Path
) -> None:
    kernel = made(function, form, 4, fma=fma)
    kind = {"float16": "__half", "float32": "float"}[form]
    source = LANGUAGES["cuda"](kernel, certificate(kernel))
    source += f'extern "C" __global__ void go({kind} *p) {{ p[0] = {name(kernel)}(p[0]); }}\n'
    (tmp_path / "k.cu").write_text(source)
    done = subprocess.run(["nvcc", "-ptx", "-arch=sm_90", "-o", "k.ptx", "k.cu"], cwd=tmp_path,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    code = (tmp_path / "k.ptx").read_text()
    steps = [s.operation for s in kernel.how.steps]
    assert len(re.findall(r"fma\.rn", code)) == steps.count("fma")
    reducing = 2 if function == "exp" else 0
    assert len(re.findall(r"mul(\.rn|\{)", code)) >= steps.count("mul") + reducing


@pytest.mark.parametrize(("form", "fma"), [("float16", True), ("float32", False)])
def test_triton_refuses_what_it_cannot_keep(form: str, fma: bool) -> None:
    kernel = made("exp2", form, 3, fma=fma)
    with pytest.raises(InputError, match="emit: triton"):
        LANGUAGES["triton"](kernel, certificate(kernel))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_certificate_in_the_comment_is_checked(language: str) -> None:
    kernel = made("exp2", "float32", 4)
    source = LANGUAGES[language](kernel, certificate(kernel))
    said = str(checker.evaluation.check(source.encode()))
    assert "for every float32 x in [-0x1.f400000000000p+6, 0x1.fc" in said
    with pytest.raises(checker.Malformed):
        checker.evaluation.check(source.replace('"eps": "0', '"eps": "1').encode())


def test_vectors_are_read_back() -> None:
    kernel = made("exp2", "bfloat16", 3)
    lines = [line.split() for line in text(kernel).splitlines()[1:]]
    x, y = (np.array([float.fromhex(line[i]) for line in lines]) for i in (0, 1))
    assert np.array_equal(kernel(x), y)
    assert len(x) > 200
    assert kernel.seen is not None
    assert kernel.seen.at in x


def test_all_ways_of_evaluation_are_emitted() -> None:
    for scheme, fma in product(("horner", "estrin"), (True, False)):
        kernel = made("exp2", "float32", 7, scheme=scheme, fma=fma)
        code = LANGUAGES["c"](kernel, "")
        assert code.count("fmaf(") == sum(s.operation == "fma" for s in kernel.how.steps)
