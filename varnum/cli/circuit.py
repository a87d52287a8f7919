"""`varnum circuit`: circuits that are built, counted and run; the depth of a model's graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, filled, limit, progress
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.circuit.gates import Circuit
    from varnum.circuit.parts import Part, Run

Option = typer.Option

app = typer.Typer(
    help=(
        "Build threshold circuits, count and run them on all inputs; or count a model's depth.\n\n"
        "A gate is [sum w x >= theta]; depth is the longest path, size gates and wires, weight the "
        "largest |w|."
    ),
    epilog=(
        "Examples: varnum circuit add --count 18 --bits 1 --run; "
        "varnum circuit --model var-d16 --bits 8"
    ),
    invoke_without_command=True,
)

RunIt = Annotated[bool, Option("--run", help="Compare with the reference, on all inputs or some.")]
Inputs = Annotated[
    int, Option("--inputs", help="Most inputs to run: all if there are no more, else random ones.")
]
Write = Annotated[Path | None, Option("--write", help="Circuit file for `varnum check`.")]
Draw = Annotated[Path | None, Option("--draw", help="SVG of a small circuit.")]
Seed = Annotated[int, Option("--seed", help="Of random inputs.")]
Bits = Annotated[int, Option("--bits", help="Bits of every number.")]
ALL = 1 << 18
MOST_INPUTS = 1 << 24


@app.callback()
def circuit(
    context: typer.Context,
    model: Annotated[
        str | None, Option(help="Depth of this model's operation graph: var-d16 .. d36, paper.")
    ] = None,
    bits: Annotated[int, Option("--bits", help="Bits of q, k, v and exp, with --model.")] = 8,
    scales: Annotated[
        int | None, Option(help="Number of scales of the paper's model, with --model paper.")
    ] = None,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Options before a command are for --model."""
    if context.invoked_subcommand is not None:
        if model is not None:
            raise InputError("--model: takes no command after it")
        return 0
    if model is None:
        print(context.get_help())
        return 0
    limit(timeout)
    from varnum.cli.circuit_model import answer_model

    return answer_model(model, bits, scales, json)


@app.command(short_help="Sum of numbers: depth 2.")
def add(
    count: Annotated[int, Option(help="How many numbers.")],
    bits: Bits,
    run: RunIt = False,
    inputs: Inputs = ALL,
    write: Write = None,
    draw: Draw = None,
    seed: Seed = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Iterated addition in depth 2: all bits of the sum of many numbers.

    Exit code 0: built, and equal where it was run; 1: an input gives a wrong output.

    Example: varnum circuit add --count 18 --bits 1 --run
    """
    limit(timeout)
    from varnum.circuit import parts

    return _finish(parts.add(count, bits), run, inputs, write, draw, seed, json)


@app.command(short_help="Sum of products: depth 3.")
def multiply(
    count: Annotated[int, Option(help="How many pairs are multiplied and added.")],
    bits: Bits,
    run: RunIt = False,
    inputs: Inputs = ALL,
    write: Write = None,
    draw: Draw = None,
    seed: Seed = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Product, or inner product of any length, in depth 3.

    Example: varnum circuit multiply --count 3 --bits 3 --run
    """
    limit(timeout)
    from varnum.circuit import parts

    return _finish(parts.multiply(count, bits), run, inputs, write, draw, seed, json)


@app.command("float", short_help="Floating point, rounded once: depth 3.")
def floating(
    operation: Annotated[str, Option(help="sum, product or quotient.")] = "sum",
    count: Annotated[int, Option(help="Numbers of a sum.")] = 2,
    bits: Annotated[int, Option("--bits", help="Significant bits, with the implicit one.")] = 3,
    exponent: Annotated[int, Option(help="Exponent bits.")] = 2,
    run: RunIt = False,
    inputs: Inputs = ALL,
    write: Write = None,
    draw: Draw = None,
    seed: Seed = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Sum with one rounding, product, or quotient of small floating-point numbers.

    Subnormal numbers, ties to even; too large becomes the largest number.

    Example: varnum circuit float --operation sum --count 3 --bits 3 --exponent 2 --run
    """
    limit(timeout)
    from varnum.circuit import parts

    part = parts.floating(operation, count, bits, exponent)
    return _finish(part, run, inputs, write, draw, seed, json)


@app.command(short_help="exp: by remainders in depth 4, or by a table.")
def exp(
    bits: Bits,
    table: Annotated[bool, Option("--table", help="Depth 2, exponential in --bits.")] = False,
    run: RunIt = False,
    inputs: Inputs = ALL,
    write: Write = None,
    draw: Draw = None,
    seed: Seed = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """exp of a number in [0, 1), in size polynomial in its bits.

    Example: varnum circuit exp --bits 4 --run
    """
    limit(timeout)
    from varnum.circuit import parts

    return _finish(parts.exponential(bits, table), run, inputs, write, draw, seed, json)


@app.command(short_help="A softmax head: depth 4.")
def head(
    tokens: Annotated[int, Option(help="Tokens N.")],
    width: Annotated[int, Option(help="Numbers per token.")],
    bits: Bits,
    depth: Annotated[int, Option(help="4, or 6 with fewer gates.")] = 4,
    run: RunIt = False,
    inputs: Inputs = ALL,
    write: Write = None,
    draw: Draw = None,
    seed: Seed = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """One softmax head from token bits to output bits, projections hard-wired.

    Example: varnum circuit head --tokens 4 --width 1 --bits 3 --run
    """
    limit(timeout)
    from varnum.circuit import parts

    part = parts.softmax_head(tokens, width, bits, depth)
    return _finish(part, run, inputs, write, draw, seed, json)


@app.command(short_help="A transformer block: depth 8 to 10, and 2 for bits.")
def block(
    tokens: Annotated[int, Option(help="Tokens N.")] = 2,
    width: Annotated[int, Option(help="Numbers per token.")] = 2,
    bits: Bits = 2,
    kind: Annotated[
        str, Option(help="plain; l2 (unit q and k, VAR); rms (RMSNorm and gated GELU, FlowAR).")
    ] = "plain",
    run: RunIt = False,
    inputs: Inputs = ALL,
    write: Write = None,
    draw: Draw = None,
    seed: Seed = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """One pre-norm transformer block in fixed point, residuals exact.

    Example: varnum circuit block --tokens 2 --width 2 --bits 2 --kind l2 --run
    """
    limit(timeout)
    from varnum.circuit import parts

    part = parts.transformer_block(tokens, width, bits, kind)
    return _finish(part, run, inputs, write, draw, seed, json)


@app.command(short_help="A whole tiny VAR generation.")
def generate(
    sides: Annotated[str, Option(help="Sides of the token maps, e.g. 1,2.")] = "1,2",
    vocabulary: Annotated[int, Option(help="Codes V.")] = 2,
    bits: Annotated[int, Option("--bits", help="Bits of a class vector's entry.")] = 2,
    run: RunIt = False,
    inputs: Inputs = ALL,
    write: Write = None,
    draw: Draw = None,
    seed: Seed = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """A whole VAR generation as one circuit: from class vector and noise bits to all tokens.

    Example: varnum circuit generate --sides 1,2 --vocabulary 3 --run
    """
    limit(timeout)
    from varnum.circuit import parts

    part = parts.generation(_sides(sides), vocabulary, bits)
    return _finish(part, run, inputs, write, draw, seed, json)


def _sides(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--sides: {text[:40]!r} is no list of numbers such as 1,2") from None


def _finish(
    part: Part, run: bool, inputs: int, write: Path | None, draw: Path | None, seed: int, json: bool
) -> int:
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
