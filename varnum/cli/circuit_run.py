"""What the commands of `varnum circuit` share: build, write, run, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from varnum.cli.common import filled, progress
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.circuit.gates import Circuit
    from varnum.circuit.parts import Part, Run

ALL = 1 << 18  # inputs that are tried if there are no more
MOST_INPUTS = 1 << 24


def finish(
    part: Part, run: bool, inputs: int, write: Path | None, draw: Path | None, seed: int, json: bool
) -> int:
    """Build a part, write its files, run it if asked, print; the exit code."""
    from varnum.circuit.lower import count_not_one_gate
    from varnum.circuit.parts import compare

    if not 1 <= inputs <= MOST_INPUTS:
        raise InputError(f"--inputs: {inputs} is not within 1 to {MOST_INPUTS}")
    if seed < 0:
        raise InputError(f"--seed: {seed} is negative")
    with progress() as say:
        say(f"building: {part.says}")
        made = part.build()
        _files(part, made, write, draw, seed)
        say(f"running: {part.says}")
        seen = compare(part, made, inputs, seed) if run else None
        lower = count_not_one_gate(made) if run else None
    code = 1 if seen is not None and seen.different else 0
    if json:
        from varnum.cli.envelope import print_envelope

        verdict = "refuted" if code else "proved" if seen is not None and seen.all else "done"
        word = "proved" if verdict != "done" else "measured"
        return print_envelope(
            "varnum/circuit/1", _content(part, made, seen, lower),
            verdict=verdict, assurance=word, exit_code=code,
        )  # fmt: skip
    _show(part, made, seen, lower)
    for path in (write, draw):
        if path is not None:
            print(f"wrote {path}")
    return code


def _files(part: Part, made: Circuit, write: Path | None, draw: Path | None, seed: int) -> None:
    """Both files, or neither where one of them cannot be made."""
    from varnum.circuit.draw import svg
    from varnum.circuit.file import circuit_file

    data = None if write is None else circuit_file(part, made, seed)
    picture = None if draw is None else svg(made).encode()
    if write is not None and data is not None:
        _save(write, "--write", data)
    if draw is not None and picture is not None:
        _save(draw, "--draw", picture)


def _save(path: Path, option: str, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"{option}: {str(path)!r} cannot be written ({error.strerror})") from None


def _content(part: Part, made: Circuit, seen: Run | None, lower: int | None) -> dict[str, Any]:
    counts = made.counts()
    return {
        "circuit": part.name,
        "sizes": part.sizes,
        "claim": part.claim,
        "inputs": made.inputs,
        "outputs": len(made.outputs),
        "depth": counts.depth,
        "gates": counts.gates,
        "wires": counts.wires,
        "weight": counts.weight,
        "fan_in": counts.fan_in,
        "formula_gates": part.gates,
        "formula_is_bound": part.at_most,
        "inputs_checked": 0 if seen is None else seen.checked,
        "inputs_all": seen is not None and seen.all,
        "equal": None if seen is None else seen.different == 0,
        "different": None if seen is None else seen.different,
        "witness": None if seen is None else seen.first,
        "not_one_gate": lower,
        "notes": list(part.notes),
    }


def _show(part: Part, made: Circuit, seen: Run | None, lower: int | None) -> None:
    counts = made.counts()
    print(part.says)
    print(
        f"depth {counts.depth}, {counts.gates} gates, {counts.wires} wires, largest weight "
        f"{_size(counts.weight)}, fan-in {counts.fan_in}"
    )
    if part.gates is not None:
        sign = "at most " if part.at_most else ""
        print(f"by formula: {sign}{part.gates} gates ({part.claim})")
    if seen is not None and seen.different:
        print(f"{seen.different} of {seen.checked} inputs differ from the reference")
        print(filled(f"first: {''.join(map(str, seen.first or []))} (input bits, first bit first)"))
    elif seen is not None:
        which = f"all {seen.checked}" if seen.all else f"{seen.checked} random"
        print(f"{which} inputs equal the integer reference")
    if lower is not None:
        of = len(made.outputs)
        print(f"no single gate computes {lower} of its {of} output bits (circuit-lower)")
    for note in part.notes:
        print(filled(note))


def _size(weight: int) -> str:
    return str(weight) if weight < 10**9 else f"2^{weight.bit_length() - 1}.."
