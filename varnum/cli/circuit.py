"""`varnum circuit`: circuits that are built, counted and run; the depth of a model's graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from varnum.cli.circuit_run import ALL, finish
from varnum.cli.common import Json, Timeout, limit
from varnum.errors import InputError

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


@app.callback()
def circuit(
    context: typer.Context,
    model: Annotated[
        str | None,
        Option(
            help="Depth of this model's operation graph: var-d16 .. d36, flowar-s, l, h, paper."
        ),
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

    return finish(parts.add(count, bits), run, inputs, write, draw, seed, json)


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

    return finish(parts.multiply(count, bits), run, inputs, write, draw, seed, json)


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
    return finish(part, run, inputs, write, draw, seed, json)


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

    return finish(parts.exponential(bits, table), run, inputs, write, draw, seed, json)


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
    return finish(part, run, inputs, write, draw, seed, json)


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
    return finish(part, run, inputs, write, draw, seed, json)


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
    return finish(part, run, inputs, write, draw, seed, json)


def _sides(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--sides: {text[:40]!r} is no list of numbers such as 1,2") from None
