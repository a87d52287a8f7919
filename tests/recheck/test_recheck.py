"""Attention certificates: what agrees, and every way of tampering is seen by the second program."""

from __future__ import annotations

import json
import zipfile
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import varnum as vn
from tests.support.backends import BACKENDS, placed
from tests.support.heads import correlated as head
from tests.support.oracle import ranges, softmax
from varnum import recheck
from varnum.cli import main
from varnum.recheck import compare
from varnum.recheck.__main__ import main as recheck_main
from varnum.recheck.attention_form import array_facts as recheck_facts
from varnum.recheck.exact_rows import attend, norms

SCALES = (1, 4, 16, 60)


def arrays(dtype: Any = np.float32, length: int = 81) -> list[np.ndarray]:
    parts = [head(8, length, seed, dtype=dtype) for seed in range(2)]
    return [np.stack(part) for part in zip(*parts, strict=True)]


def made(parts: list[np.ndarray], **options: Any) -> tuple[bytes, np.ndarray]:
    found = vn.attention(*parts, portable=True, **({"output_error": "1e-2"} | options))
    return found.portable().encode(), np.asarray(found.output)


def changed(data: bytes, **fields: Any) -> bytes:
    """With fields of another value and a digest that fits."""
    return recheck.serialise(json.loads(data) | fields)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scales": SCALES},
        {"scales": (1,) * 81},
        {"eps": "1e-2", "output_error": None},
        {"output_spread": "1e-1", "output_error": None},
        {"sigma": "3/7", "method": "exact"},
        {"sigma": 2.5},
        {"sigma": "d"},
    ],
    ids=str,
)
def test_what_is_certified_agrees(backend: str, dtype: Any, options: dict[str, Any]) -> None:
    parts = arrays(dtype)
    found = vn.attention(
        *placed(backend, *parts), portable=True, **({"output_error": "1e-2"} | options)
    )
    agreed = recheck.check(found.portable().encode(), *parts, np.asarray(found.output))
    assert agreed.open == 0
    assert agreed.rows == 162
    assert agreed.largest <= found.certificate.output_error


def test_low_rank_agrees_and_bfloat16_is_written_as_float32() -> None:
    parts = arrays(length=900)
    data, output = made(parts, method="moments")
    agreed = recheck.check(data, *parts, output)
    assert "moments" in {h["method"] for h in agreed.claimed.text["heads"]}
    torch = pytest.importorskip("torch")
    half = [torch.from_numpy(part).bfloat16() for part in arrays()]
    found = vn.attention(*half, output_error="1e-2", portable=True)
    wide = [part.float().numpy() for part in half]
    assert recheck.check(found.portable().encode(), *wide, found.output.numpy()).open == 0


@pytest.mark.parametrize("name", ["q", "k", "v", "output"])
def test_another_array_is_seen(name: str) -> None:
    parts = arrays()
    data, output = made(parts)
    given = dict(zip(("q", "k", "v", "output"), (*parts, output), strict=True))
    wrong = given[name].copy()
    wrong[1, 7, 2] = np.nextafter(wrong[1, 7, 2], np.float32(9))
    with pytest.raises(recheck.Disagrees, match=f"^{name}: sha256"):
        recheck.check(data, *(given | {name: wrong}).values())
    fields = {name: json.loads(data)[name] | {"sha256": "0" * 64}}
    with pytest.raises(recheck.Disagrees, match=f"^{name}: sha256"):
        recheck.check(changed(data, **fields), *given.values())


def test_an_output_with_its_hash_made_to_fit_is_seen() -> None:
    parts = arrays()
    data, output = made(parts)
    output[1, 40, 3] += 0.02 * np.ptp(parts[2][1, :, 3])
    facts = recheck.attention_form.array_facts(output)
    with pytest.raises(recheck.Disagrees, match=r"output: head 1, row 40 is off by 0\.0"):
        recheck.check(changed(data, output=facts), *parts, output)


def test_a_bound_made_smaller_is_seen() -> None:
    """The bound of a low-rank head below its true error, everywhere in the file."""
    parts = arrays(length=900)
    data, output = made(parts, method="moments")
    exact = [softmax(*head, np.sqrt(np.longdouble(8))) for head in zip(*parts, strict=True)]
    true = [
        float((np.abs(output[i] - exact[i]) / ranges(parts[2][i], 900)).max()) for i in range(2)
    ]
    assert recheck.check(data, *parts, output).largest == pytest.approx(max(true), rel=1e-6)
    small = 0.99 * max(true)
    heads = [h | {"bound": small, "output_bound": small} for h in json.loads(data)["heads"]]
    false = changed(data, heads=heads, bound=small, output_bound=small)
    with pytest.raises(recheck.Disagrees, match=r"is off by .* of the range"):
        recheck.check(false, *parts, output)


@pytest.mark.parametrize(
    "fields",
    [
        {"bound": 1e-4},
        {"output_bound": 1e-4},
        {"target": "1e-9"},
        {"sigma": "1"},
        {"scales": list(SCALES)},
        {"scales": [80]},
        {"kind": "output-spread"},
        {"heads": []},
    ],
    ids=str,
)
def test_other_fields_are_seen(fields: dict[str, Any]) -> None:
    parts = arrays()
    data, output = made(parts)
    if fields["heads" if "heads" in fields else next(iter(fields))] == []:
        fields = {"heads": json.loads(data)["heads"][:1]}
    if fields == {"kind": "output-spread"}:
        small = 1e-9
        heads = [h | {"bound": small} for h in json.loads(data)["heads"]]
        fields |= {"heads": heads, "bound": small}
    with pytest.raises(recheck.Disagrees):
        recheck.check(changed(data, **fields), *parts, output)


def test_an_edit_without_a_new_digest_is_seen_and_rubbish_is_named() -> None:
    parts = arrays()
    data, output = made(parts)
    with pytest.raises(recheck.Disagrees, match="digest"):
        recheck.check(data.replace(b'"exact"', b'"magic"'), *parts, output)
    for wrong in (b"", b"{}", b"[" * 100_000, b"\xff", data[:-2], data + data):
        with pytest.raises(recheck.Malformed):
            recheck.check(wrong, *parts, output)
    for fields in ({"sigma": 3}, {"target": "x"}, {"bound": -1}, {"scales": [0]}, {"kind": "?"}):
        with pytest.raises(recheck.Malformed):
            recheck.check(changed(data, **fields), *parts, output)


def test_its_own_attention_is_within_its_own_slip() -> None:
    rng = np.random.default_rng(0)
    for scale in (0.1, 3.0, 300.0):
        q, k, v = (scale * rng.normal(size=(90, 5)) for _ in range(3))
        v += 1e3 * scale
        ends = np.repeat(np.cumsum(SCALES), SCALES)
        q, k, v = q[:81], k[:81], v[:81]
        rows = attend(q, k, v, np.float64(2.0), ends)
        true = softmax(q, k, v - v[0].astype(np.longdouble), np.longdouble(2), SCALES)
        moving = rows.spread > 0
        off = np.abs(rows.value - true)[moving] / rows.spread[moving]
        assert (off <= rows.slip[moving]).all()
        assert rows.slip[moving].max() < 1e-8 * (1 + scale**2)
        assert (norms(q) >= np.sqrt((q.astype(np.longdouble) ** 2).sum(1)) * (1 - 1e-15)).all()


def test_each_term_of_the_slip_is_needed() -> None:
    """At least what each step can lose, where the others are small."""
    u = 2.0**-53
    q, k = np.full((1, 60), 1e3), np.full((2, 60), 1e3)
    v = np.array([[0.0], [1.0]])
    ends = np.array([2])
    logits = attend(q, k, v, np.float64(1.0), ends).slip[0, 0]
    assert logits >= 60 * u * 60e6
    many = np.zeros((10_000, 1))
    sums = attend(
        np.zeros((1, 1)), many, np.arange(1e4)[:, None], np.float64(1), np.array([10_000])
    )
    assert sums.slip[0, 0] >= 2 * 10_000 * u


def test_rows_that_rounding_leaves_open_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "_LONG", False)
    parts = arrays(np.float64)
    data, output = made(parts, method="exact")
    heads = [h | {"bound": 1e-15, "output_bound": 1e-15} for h in json.loads(data)["heads"]]
    false = changed(data, heads=heads, bound=1e-15, output_bound=1e-15)
    found = recheck.check(false, *parts, output)
    assert found.open == 162
    assert "unknown" in str(found)


def test_what_is_not_reached_is_not_written() -> None:
    with pytest.raises(vn.InputError, match="the target is not reached"):
        vn.attention(*arrays(), output_error="1e-15", portable=True).portable()
    with pytest.raises(vn.InputError, match="portable=True"):
        vn.attention(*arrays(), output_error="1e-2").portable()


def test_inputs_changed_while_it_ran_are_not_what_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = arrays()
    from varnum import _attention

    right = _attention.choose

    def meddle(problem: Any, method: str) -> Any:
        parts[2][...] = 0
        return right(problem, method)

    before = [part.copy() for part in parts]
    monkeypatch.setattr(_attention, "choose", meddle)
    data, output = made(parts)
    assert recheck.check(data, *before, output).open == 0


def test_the_command_line(tmp_path: Any, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    parts = arrays()
    for name, part in zip("qkv", parts, strict=True):
        np.save(f"{name}.npy", part)
    np.savez("in.npz", **dict(zip("qkv", parts, strict=True)))

    def run(command: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["varnum", *command.split()])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    attend = "attention --q q.npy --k k.npy --v v.npy --no-bounds --output-error 1e-2"
    assert run(f"{attend} --certificate c.json --out o.npy")[0] == 0
    code, _, said = run(f"{attend[:-4]}1e-15 --certificate no.json")
    assert (code, "no certificate is written" in said) == (3, True)
    assert not (tmp_path / "no.json").exists()
    for inputs in ("in.npz", "q.npy,k.npy,v.npy"):
        code, out, _ = run(f"check c.json --inputs {inputs} --output o.npy")
        assert (code, out.count("162 rows recomputed")) == (0, 1)
    assert recheck_main(["c.json", "--inputs", "in.npz", "--output", "o.npy"]) == 0
    capsys.readouterr()
    output = np.load("o.npy")
    np.save("wrong.npy", output + np.float32(1e-6))
    code, out, _ = run("check c.json --inputs in.npz --output wrong.npy --json")
    assert (code, json.loads(out)["verdict"]) == (1, "refuted")
    assert recheck_main(["c.json", "--inputs", "in.npz", "--output", "wrong.npy"]) == 1
    assert recheck_main(["c.json", "--inputs", "o.npy", "--output", "wrong.npy"]) == 2
    capsys.readouterr()
    for wrong in (
        "check c.json",
        "check c.json --inputs in.npz",
        "check c.json --inputs o.npy --output o.npy",
        "check c.json --inputs nowhere.npz --output o.npy",
        "check in.npz --inputs in.npz --output o.npy",
        "check c.json --inputs in.npz --output o.npy --coq",
    ):
        code, out, said = run(wrong)
        assert (code, out, said.count("\n")) == (2, "", 1), wrong


def test_bounds_are_compared_exactly() -> None:
    """A double just above a bound is above it."""
    errors = compare.Errors(*(np.array([[x]]) for x in (0.0, np.nextafter(0.1, 1), 0.0, 0.0)))
    one = compare.Head(0, *(np.zeros((1, 1)) for _ in range(4)), 1.0, np.array([1]))
    assert compare.judge(one, Fraction(0.1), errors, np.array([0])).tolist() == [True]


def two_keys(v: np.ndarray, output: float, **fields: Any) -> tuple[bytes, list[np.ndarray]]:
    """A certificate of one query and two keys that claims an error of 1e-3."""
    q, k = np.array([[0.5, 1.0]]), np.array([[1.0, 0.0], [0.0, -1.0]])
    parts = fields.pop("parts", [q, k, v])
    data, right = made([part.astype(float) for part in (*parts[:2], np.array([[0.0], [1.0]]))])
    arrays = [*parts[:2], v, np.full_like(right, output)]
    facts = dict(zip(("q", "k", "v", "output"), map(recheck_facts, arrays), strict=True))
    return changed(data, **facts, **fields), arrays


def test_values_whose_range_overflows_or_underflows_are_left_open() -> None:
    for v in (np.array([[-1e308], [1e308]]), np.array([[0.0], [1e-260]])):
        data, arrays = two_keys(v, 0.9 * float(v.max()))
        assert recheck.check(data, *arrays).open == 1


def test_a_divisor_that_loses_logits_and_numbers_that_hang_or_overflow_are_refused() -> None:
    q, k = np.full((1, 64), 1e-162), np.outer([1.0, -1.0], np.full(64, 1e-162))
    v = np.array([[0.0], [1.0]])
    for fields in (  # the first: q.k underflows to 0, but q.k/sigma is 63
        {"sigma": "1e-322", "parts": [q, k]},
        {"sigma": "1e400"},
        {"target": "1e999999999"},
        {"target": "0.1_0"},
        {"bound": 10**400},
    ):
        data, arrays = two_keys(v, 0.5, **fields)
        with pytest.raises(recheck.Malformed):
            recheck.check(data, *arrays)


def test_long_double_has_a_divisor_of_its_own() -> None:
    """In float64 the root of d is off by more than all that is counted there."""
    if not compare._LONG:
        pytest.skip("no long double here")
    import flint

    q, k = np.array([[1.5, 0, 0, 0, 0]]), np.array([[0.0] * 5, [-2.5, 0, 0, 0, 0]])
    with_digits = flint.ctx.prec
    try:
        flint.ctx.prec = 200
        true = 1 / (1 + (flint.arb(3.75) / flint.arb(5).sqrt()).exp())
        output = float(true)
        error = float(abs(true - flint.arb(output)).upper()) + 1e-18
    finally:
        flint.ctx.prec = with_digits
    data, arrays = two_keys(np.array([[0.0], [1.0]]), output, parts=[q, k])
    heads = [h | {"bound": error, "output_bound": error} for h in json.loads(data)["heads"]]
    tight = changed(data, heads=heads, bound=error, output_bound=error)
    assert recheck.check(tight, *arrays).rows == 1  # refuted where the divisor is in float64


def test_files_that_are_no_arrays_are_not_called_refuted(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback would end with 1, the code of a refutation."""
    monkeypatch.chdir(tmp_path)
    parts = arrays()
    data, output = made(parts)
    (tmp_path / "c.json").write_bytes(data)
    np.savez("in.npz", q=parts[0], k=parts[1], v=parts[2])
    np.save("o.npy", output)
    whole = (tmp_path / "in.npz").read_bytes()
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(whole[:300])
    with zipfile.ZipFile("text.npz", "w") as file:
        for name in "qkv":
            file.writestr(f"{name}.npy", b"no array")
    for inputs, out in (
        ("empty.npy,o.npy,o.npy", "o.npy"), ("in.npz", "empty.npy"), ("cut.npz", "o.npy"),
        ("text.npz", "o.npy"), ("in.npz", "in.npz"),
    ):  # fmt: skip
        assert recheck_main(["c.json", "--inputs", inputs, "--output", out]) == 2
        assert capsys.readouterr().err.count("\n") == 1
