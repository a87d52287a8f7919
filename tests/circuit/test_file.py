"""Circuit files: written, replayed with the standard library, and refused when changed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import varnum as vn
from varnum.checker import Malformed, NotProved
from varnum.checker import circuit as checker
from varnum.circuit import parts
from varnum.circuit.draw import svg
from varnum.circuit.file import circuit_file
from varnum.errors import InputError
from varnum.verdict import Proved, Refuted, Unknown

ADD, QUOTIENT = parts.add(3, 2), parts.floating("quotient", 2, 3, 2)
FILES = {
    part.name: circuit_file(part, part.build()) for part in (ADD, parts.multiply(1, 2), QUOTIENT)
}


def resealed(data: bytes, **changes: Any) -> bytes:
    """The file with changes and a digest that fits them: what a forger would write."""
    content = {k: v for k, v in (json.loads(data) | changes).items() if k != "digest"}
    body = json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n"
    content["digest"] = "sha256:" + hashlib.sha256(body.encode()).hexdigest()
    return (json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n").encode()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_replayed(name: str) -> None:
    assert checker.is_circuit(FILES[name])
    seen = checker.replay(checker.read(FILES[name]))
    assert seen.tried >= 12
    assert seen.all is (name != "float")  # divisor 0 is no input
    assert resealed(FILES[name]) == FILES[name]


def test_what_is_too_large_to_try_whole_is_tried_in_part() -> None:
    part = parts.add(64, 8)
    seen = checker.replay(checker.read(circuit_file(part, part.build())))
    assert (seen.tried, seen.all) == (64, False)
    assert "these 64 inputs" in str(seen)


def test_from_python_a_circuit_file_is_run_again() -> None:
    """It was told that its bytes were changed: the other reader's words."""
    small, large = FILES[ADD.name], parts.add(64, 8)
    assert isinstance(vn.check(small), Proved)
    assert isinstance(vn.check(small.decode()), Proved)
    assert isinstance(vn.check(circuit_file(large, large.build())), Unknown)
    counts = json.loads(small)["counts"]
    key = next(iter(counts))
    false = resealed(small, counts={**counts, key: counts[key] + 1})
    assert isinstance(vn.check(false), Refuted)
    with pytest.raises(InputError, match="certificate: "):
        vn.check(small.replace(b"1", b"2", 1))


def test_every_moved_threshold_of_a_sum_is_not_proved() -> None:
    """Sums of binary numbers attain every value, so every threshold matters."""
    gates = json.loads(FILES["add"])["gates"]
    for g in range(len(gates)):
        changed = [list(gate) for gate in gates]
        changed[g][1] += 1
        with pytest.raises(NotProved, match="input"):
            checker.replay(checker.read(resealed(FILES["add"], gates=changed)))


def test_wrong_counts_and_wrong_tables_are_not_proved() -> None:
    content = json.loads(FILES["add"])
    for key, value in content["counts"].items():
        counts = content["counts"] | {key: value + 1}
        with pytest.raises(NotProved, match=f"{key} is {value}"):
            checker.replay(checker.read(resealed(FILES["add"], counts=counts)))
    cases = json.loads(FILES["float"])["cases"]
    cases["outputs"][3] = "0x7"
    with pytest.raises(NotProved, match="right is 0x7"):
        checker.replay(checker.read(resealed(FILES["float"], cases=cases)))


ALIASES = {
    "beyond the inputs": ["0x0", "0x40"],
    "a sign": ["0x0", "-0x1"],
    "no prefix": ["0x0", "1"],
    "two forms of one": ["0x0", "0x00"],
}


@pytest.mark.parametrize("what", ALIASES)
def test_a_table_lists_inputs_of_the_circuit_once(what: str) -> None:
    """Inputs that only look different would count as all of them."""
    content = json.loads(FILES["float"])
    cases = content["cases"]
    cases["inputs"][:2] = ALIASES[what]
    if what == "beyond the inputs":
        cases["inputs"][1] = hex(1 << content["inputs"])
    with pytest.raises(checker.Malformed, match="cases inputs"):
        checker.read(resealed(FILES["float"], cases=cases))


def test_a_sum_is_computed_and_never_looked_up() -> None:
    table = json.loads(FILES["float"])["cases"]
    with pytest.raises(checker.Malformed, match="null for add and multiply"):
        checker.read(resealed(FILES["add"], cases=table))


ADDED = json.loads(FILES["add"])
FORMS: dict[str, dict[str, Any]] = {
    "an output that is an input": {"outputs": [0, *ADDED["outputs"][1:]]},
    "no outputs": {"outputs": []},
    "too few outputs": {"outputs": ADDED["outputs"][:-1]},
    "a gate that reads itself": {"sums": [*ADDED["sums"][:-1], [6 + len(ADDED["gates"]), 1]]},
    "a weight that is no integer": {"sums": [[0, 1.5], *ADDED["sums"][1:]]},
    "a weight that is true": {"sums": [[0, True], *ADDED["sums"][1:]]},
    "nodes out of order": {"sums": [[1, 1, 0, 1], *ADDED["sums"][1:]]},
    "a sum that is not there": {"gates": [[99, 1], *ADDED["gates"][1:]]},
    "another function": {"function": {"name": "add", "count": 2, "bits": 2}},
    "a function with a line break": {"function": {"name": "a\nb", "count": 3, "bits": 2}},
    "a function with a key that is no word": {"function": {"name": "add", "\x1b[31m": 3}},
    "an unknown function": {"function": {"name": "sort", "count": 3, "bits": 2}},
    "a key too many": {"more": 1},
    "no inputs": {"inputs": 0},
    "no list": {"gates": {}},
}


@pytest.mark.parametrize("what", FORMS)
def test_other_forms_are_refused(what: str) -> None:
    data = resealed(FILES["add"], **FORMS[what])
    with pytest.raises(Malformed):
        checker.replay(checker.read(data))


def test_a_changed_byte_is_seen() -> None:
    data = FILES["add"]
    for wrong in (data.replace(b'"inputs":6', b'"inputs":7'), data + b"\n", data[:-9], b"{}", b"["):
        with pytest.raises(Malformed):
            checker.read(wrong)


def test_the_checker_runs_alone(tmp_path: Path) -> None:
    """python -S: no site-packages, so nothing but the standard library."""
    path = tmp_path / "c.json"
    path.write_bytes(FILES["add"])
    folder = Path(checker.__file__).parent
    done = subprocess.run(
        [sys.executable, "-S", "-I", str(folder), str(path)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "all 64 inputs give the outputs of integer arithmetic" in done.stdout


def test_pictures_of_small_circuits() -> None:
    made = ADD.build()
    text = svg(made)
    assert text.count("<circle") == made.inputs + len(made.gates)
    assert text.count("<line") == made.counts().wires
    with pytest.raises(InputError, match="draw"):
        svg(parts.add(40, 4).build())
