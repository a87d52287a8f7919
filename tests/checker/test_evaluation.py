"""The checker on evaluations: true ones pass, slightly false ones do not, hostile ones are refused.

The writer and the checker share no code; the checker's integers are tried against flint and NumPy.
"""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import varnum
from varnum import checker
from varnum.approx.ship.evaluation_certificate import certificate
from varnum.approx.ship.formats import FORMATS
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.kernel import Kernel, certify_kernel, default_interval
from varnum.balls.scalar import upper
from varnum.checker.evaluation.evaluation_form import FORMATS as OWN
from varnum.checker.evaluation.evaluation_form import Format, read
from varnum.checker.evaluation.machine import Machine, function, numbers
from varnum.checker.evaluation.pieces import Pieces, log2_bounds


@cache
def kernel(
    f: Any = "exp2", form: str = "float32", degree: int = 6, fma: bool = True,
    scheme: str = "horner", reduce: bool = True, kind: Any = "relative",
) -> Kernel:  # fmt: skip
    low, high = default_interval(f, FORMATS[form], fma)
    goal = Goal(f, low, high, kind)
    found = certify_kernel(goal, FORMATS[form], degree, fma=fma, scheme_name=scheme, reduce=reduce)
    assert isinstance(found, Kernel)
    return found


def content(**options: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(certificate(kernel(**options)))
    return read


def check(changed: dict[str, Any]) -> Any:
    return checker.evaluation.check(checker.serialise(changed))


@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize("scheme", ["horner", "estrin"])
@pytest.mark.parametrize(
    ("f", "form"), [("exp", "float32"), ("exp2", "float32"), ("exp", "float64")]
)
def test_true_ones_pass(f: str, form: str, scheme: str, fma: bool) -> None:
    degree = 11 if form == "float64" else 6
    proved = check(content(f=f, form=form, degree=degree, scheme=scheme, fma=fma))
    assert str(proved).startswith("proved: the ")
    assert proved.tried == 0


def test_absolute_error_and_no_reduction() -> None:
    proved = check(content(f="exp", kind="absolute", reduce=False))
    assert "|computed - exp(x)|" in str(proved)
    assert "[-0.5" not in str(proved)


@pytest.mark.parametrize(("f", "form"), [("exp2", "float16"), ("exp", "bfloat16")])
def test_all_half_inputs_are_tried_again(f: str, form: str) -> None:
    made = kernel(f=f, form=form, degree=3)
    proved = check(content(f=f, form=form, degree=3))
    assert made.seen is not None
    assert proved.tried == made.seen.count
    tight = content(f=f, form=form, degree=3) | {"eps": "0.0005"}
    with pytest.raises(checker.NotProved, match="the error exceeds eps"):
        check(tight)


def test_eps_a_little_smaller_is_not_proved() -> None:
    """The analysis here and the checker's come to the same bound, within 1 in 1000."""
    bound = upper(kernel().analysis)
    for factor, holds in ((Fraction(1001, 1000), True), (Fraction(997, 1000), False)):
        text = certificate(kernel(), bound * factor)
        if holds:
            checker.evaluation.check(text.encode())
        else:
            with pytest.raises(checker.NotProved, match="the total error"):
                checker.evaluation.check(text.encode())


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_coefficient_one_ulp_off_is_refused(k: int, sign: int) -> None:
    changed = content()
    c = float.fromhex(changed["coefficients"][k])
    place = FORMATS["float32"].place(Fraction(c)) - (c == 1.0 and sign < 0)
    changed["coefficients"][k] = (c + sign * 2.0**place).hex()
    with pytest.raises(checker.NotProved, match="error that follows"):
        check(changed)


@pytest.mark.parametrize("k", range(4))
def test_a_coefficient_one_ulp_off_misses_a_tight_error_of_the_polynomial(k: int) -> None:
    """Against an error that is tight to 1 in 10^6, for one direction at least."""
    made = kernel(form="bfloat16", degree=3, reduce=False)
    tight = {"polynomial_eps": f"{float(upper(made.polynomial.error.high)) * (1 + 1e-6):.20f}"}
    changed = content(form="bfloat16", degree=3, reduce=False) | {"by": "analysis", "eps": "0.1"}
    check(changed | tight)
    refused = 0
    for sign in (-1, 1):
        moved = list(changed["coefficients"])
        c = Fraction(float.fromhex(moved[k]))
        moved[k] = float(c + sign * Fraction(2) ** FORMATS["bfloat16"].place(c)).hex()
        try:
            check(changed | tight | {"coefficients": moved})
        except checker.NotProved as reason:
            refused += "polynomial's own" in str(reason)
    assert refused == 2


def test_fma_claimed_where_none_is_used_is_refused() -> None:
    """The operations without FMA do not have the bound of those with FMA."""
    with pytest.raises(checker.NotProved, match="the total error"):
        check(content(fma=False) | {"eps": content(fma=True)["eps"]})


def test_a_shorter_reduction_constant_is_refused() -> None:
    changed = content(f="exp")
    scale, first, second = changed["reduction"]["constants"]
    for other in (
        "0x0.0p+0",
        float(FORMATS["bfloat16"].round(Fraction(float.fromhex(second)))).hex(),
    ):
        constants = [scale, first, other]
        tight = certificate(kernel(f="exp"), upper(kernel(f="exp").analysis) * Fraction(1001, 1000))
        eps = json.loads(tight)["eps"]
        given = changed["reduction"] | {"constants": constants}
        with pytest.raises(checker.NotProved):
            check(changed | {"reduction": given, "eps": eps})


def test_a_false_log2_e_is_refused() -> None:
    changed = content(f="exp")
    changed["reduction"]["constants"][0] = "0x1.8000000000000p+0"
    with pytest.raises(checker.NotProved, match=r"may leave the interval|too far off"):
        check(changed)


def test_other_operations_are_refused() -> None:
    changed = content()
    steps = [list(s) for s in changed["operations"]]
    steps[-1][4] = "c1"
    with pytest.raises(checker.NotProved, match="do not evaluate the polynomial"):
        check(changed | {"operations": steps})
    squares = [["t0", "mul", "r", "r"]] + [
        [f"t{i}", "mul", f"t{i - 1}", f"t{i - 1}"] for i in range(1, 60)
    ]
    with pytest.raises(checker.NotProved, match="do not evaluate the polynomial"):
        check(changed | {"operations": squares})


def test_a_wider_domain_is_refused() -> None:
    changed = content()
    for domain in (
        ["-0x1.0000000000000p+7", changed["domain"][1]],
        [changed["domain"][0], "0x1.0p+7"],
    ):
        with pytest.raises(checker.NotProved, match="no normal number"):
            check(changed | {"domain": domain})
    with pytest.raises(checker.NotProved, match="may leave the interval"):
        check(changed | {"interval": ["-0.4", "0.5"]})
    half = content(form="bfloat16", degree=3)
    with pytest.raises(checker.NotProved, match="no normal number"):
        check(half | {"domain": ["0x1.0p+0", "0x1.0p+127"]})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "float8"}, "format"),
        ({"eps": "-1"}, "eps"),
        ({"eps": "1"}, "eps"),
        ({"coefficients": ["0x1.0p+0", "1"]}, "coefficients"),
        ({"coefficients": ["0x1.0000000000001p+0"] * 7}, "numbers of the format"),
        ({"operations": [["t1", "add", "r", "r"]]}, "operations"),
        ({"operations": [["t0", "div", "r", "r"]]}, "add, mul or fma"),
        ({"operations": [["t0", "add", "r", "t0"]]}, "known before"),
        ({"operations": [["t0", "fma", "r", "r"]]}, "known before"),
        ({"operations": 3}, "operations"),
        ({"reduction": None}, "domain"),
        ({"by": "enumeration"}, "by"),
        ({"interval": ["0", "1000"]}, "interval"),
        ({"interval": ["1", "0"]}, "interval"),
        ({"extra": 1}, "the keys"),
        ({"error": "absolute"}, "relative with a reduction"),
        ({"function": "exp"}, "cody-waite"),
        ({"domain": ["0x1.0p+9999", "0x1.0p+0"]}, "domain"),
    ],
)
def test_hostile_files_are_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(checker.Malformed, match=said) as caught:
        check(content() | change)
    assert "\n" not in str(caught.value)


def test_an_edit_shows_in_the_digest() -> None:
    text = certificate(kernel())
    with pytest.raises(checker.Malformed):
        checker.evaluation.check(text.replace('"relative"', '"absolute"').encode())


def test_the_library_checks_it_too() -> None:
    text = certificate(kernel())
    assert isinstance(varnum.check(text), varnum.Proved)
    false = checker.serialise(content() | {"eps": "0.00000001"})
    assert isinstance(varnum.check(false), varnum.Refuted)
    with pytest.raises(varnum.InputError):
        varnum.check(text.replace("exp2", "exp"))


def test_the_folder_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(certificate(kernel()))
    folder = Path(checker.__file__).parent
    command = [sys.executable, "-I", "-S", str(folder), str(tmp_path / "c.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("proved: the 6 operations")


@given(st.integers(20, 700))
def test_log_2(bits: int) -> None:
    low, high = log2_bounds(bits)
    with flint.ctx.workprec(bits + 50):
        exact = flint.arb(2).log() * flint.arb(2) ** bits
        assert low <= exact <= high
    assert high - low <= 4


@settings(max_examples=30)
@given(st.fractions(-Fraction(1, 2), Fraction(1, 2)), st.fractions(0, Fraction(1, 64)))
def test_bounds_of_a_piece_hold_inside_it(x: Fraction, r: Fraction) -> None:
    """|P/f - 1| at points of the piece, by flint."""
    pieces = Pieces(read(certificate(kernel()).encode()))
    a, b = (int((x + s * r) * pieces.one) for s in (-1, 1))
    bound = Fraction(pieces.bound(a, max(b, a + 1)).polynomial, pieces.one)
    with flint.ctx.workprec(300):
        for k in range(5):
            t = x + r * Fraction(k - 2, 2)
            p = sum((c * t**i for i, c in enumerate(pieces.c.coefficients)), Fraction(0))
            f = flint.arb(2) ** flint.arb(flint.fmpq(t.numerator, t.denominator))
            h = abs(flint.arb(flint.fmpq(p.numerator, p.denominator)) / f - 1)
            assert h <= flint.arb(flint.fmpq(bound.numerator, bound.denominator)) + 1e-60


@pytest.mark.parametrize("form", ["float16", "bfloat16"])
def test_the_machine_is_the_twin(form: str) -> None:
    """Every 37th input, against the NumPy twin, bit for bit."""
    import numpy as np

    made = kernel(f="exp" if form == "float16" else "exp2", form=form, degree=3)
    machine = Machine(read(certificate(made).encode()))
    xs = list(numbers(Format(*OWN[form]), *made.domain))[::37]
    ours = [machine.evaluate(x) / 2.0**160 for x in xs]
    assert np.array_equal(ours, made(np.array([x / 2.0**160 for x in xs])))


@given(st.floats(-80, 80), st.booleans())
def test_functions_lie_between_their_bounds(x: float, binary: bool) -> None:
    scaled = int(Fraction(x) * 2**160)
    low, high, k = function(scaled, binary, log2_bounds(96))
    with flint.ctx.workprec(400):
        t = flint.arb(scaled) / flint.arb(2) ** 160
        exact = (t * flint.arb(2).log() if binary else t).exp()
        scale = flint.arb(2) ** (k - 96)
        assert not low * scale > exact
        assert not exact > high * scale
    assert high - low <= 2**10
