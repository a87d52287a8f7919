"""The circuits that the command line builds: each with its reference and its counts by formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from varnum.circuit import (
    arith,
    block_circuit,
    exp,
    floats,
    generation_circuit,
    head_circuit,
    reference,
    reference_model,
)
from varnum.circuit.evaluate import chunks, evaluate
from varnum.circuit.gates import Circuit
from varnum.circuit.layer_circuits import rounded_gelu
from varnum.errors import InputError
from varnum.formulas import circuit as formulas
from varnum.outward import at_most

Bits = npt.NDArray[np.bool_]
MOST_TERMS = 20_000_000  # wires that are stored: gates on one sum share it


@dataclass(frozen=True)
class Part:
    """A circuit to build. reference: input bits -> output bits, and which rows are allowed inputs.

    gates: by formula, or None; `at_most` if the formula is an upper bound.
    """

    name: str
    sizes: Mapping[str, object]
    says: str
    claim: str
    build: Callable[[], Circuit]
    reference: Callable[[Bits], tuple[Bits, Bits | None]]
    gates: int | None = None
    at_most: bool = False
    notes: tuple[str, ...] = field(default=())


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InputError(f"--{name}: {value} is not within {low} to {high}")


def _terms(count: int, what: str) -> None:
    if count > MOST_TERMS:
        raise InputError(f"{what}: about {count:.1e} wires to store; at most {MOST_TERMS:.0e}")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _sizes(tokens: int, width: int, bits: int) -> str:
    return f"{_many(tokens, 'token')} of {_many(width, 'number')} of {_many(bits, 'bit')}"


def add(count: int, bits: int) -> Part:
    """Iterated addition; raises InputError beyond what can be stored."""
    _within("count", count, 1, 10**6)
    _within("bits", bits, 1, 4096)
    _terms(count * bits * (bits + 1) // 2 + 2 * count * bits, "count, bits")
    return Part(
        "add", {"count": count, "bits": bits},
        f"sum of {_many(count, 'number')} of {_many(bits, 'bit')}",
        "circuit-add", lambda: arith.add(count, bits),
        lambda x: (reference.add(x, bits), None), formulas.add_gates(count, bits),
    )  # fmt: skip


def multiply(count: int, bits: int) -> Part:
    """Inner product of `count` pairs."""
    _within("count", count, 1, 10**6)
    _within("bits", bits, 1, 512)
    _terms(count * bits**3 * 2, "count, bits")
    return Part(
        "multiply", {"count": count, "bits": bits},
        f"sum of {_many(count, 'product')} of two numbers of {_many(bits, 'bit')}",
        "circuit-product", lambda: arith.multiply_add(count, bits),
        lambda x: (reference.multiply_add(x, bits), None), formulas.product_gates(count, bits),
    )  # fmt: skip


def floating(operation: str, count: int, p: int, k: int) -> Part:
    """Floating-point sum, product or quotient."""
    _within("bits", p, 2, 24)
    _within("exponent", k, 1, 8)
    _within("count", count, 1, 10**4)
    if operation not in ("sum", "product", "quotient"):
        raise InputError(f"operation: {operation!r} is not one of sum, product, quotient")
    form, digits = floats.Format(p, k), p << k
    boundaries = 2 << (p - 1 + k)
    per_gate = digits**2 if operation == "product" else 2 * count * digits
    _terms(per_gate + boundaries * (1 if operation != "quotient" else per_gate), "bits")
    sizes = {"operation": operation, "count": count if operation == "sum" else 2,
             "bits": p, "exponent": k}  # fmt: skip
    words = f"numbers of {p} significant and {k} exponent bits, rounded once"
    if operation == "sum":
        return Part(
            "float", sizes, f"sum of {count} {words}", "circuit-float",
            lambda: floats.float_sum(count, form),
            lambda x: (reference.float_sum(x, p, k), None), formulas.float_sum_gates(count, p, k),
        )  # fmt: skip
    if operation == "product":
        return Part(
            "float", sizes, f"product of two {words}", "circuit-float",
            lambda: floats.float_product(form), lambda x: (reference.float_product(x, p, k), None),
            formulas.float_product_gates(p, k),
        )  # fmt: skip
    return Part(
        "float", sizes, f"quotient of two {words}", "circuit-float",
        lambda: floats.float_quotient(form), lambda x: reference.float_quotient(x, p, k),
        formulas.float_quotient_gates(p, k), notes=("inputs with divisor 0 are left out",),
    )  # fmt: skip


def exponential(bits: int, table: bool) -> Part:
    """exp of a number in [0, 1): by remainders, or by its table."""
    _within("bits", bits, 1, 20 if table else 8)
    form = exp.ExpFormat.of(bits)
    build = exp.exp_by_table if table else exp.exp_by_remainders

    def expected(x: Bits) -> tuple[Bits, None]:
        return reference.exp_product(x, form.constants, form.P, form.s, form.outputs), None

    return Part(
        "exp", {"bits": bits, "table": table},
        f"exp of a {bits}-bit number in [0, 1), {form.P} bits after the point",
        "circuit-exp-crr", lambda: build(form), expected,
        (1 << bits) - 1 + form.outputs if table else form.remainder_gates, at_most=True,
        notes=(f"relative error at most {form.p + 1} 2^-{form.P}: a rounded product of rounded "
               "constants, not a correctly rounded exp",),
    )  # fmt: skip


def softmax_head(tokens: int, width: int, bits: int, depth: int) -> Part:
    """One softmax head."""
    _within("tokens", tokens, 1, 64)
    _within("width", width, 1, 16)
    _within("bits", bits, 1, 6)
    if depth not in (4, 6):
        raise InputError(f"depth: {depth} is not 4 or 6")
    _terms((tokens * width * bits) ** 2 * 4**bits * width, "tokens, width, bits")
    made = head_circuit.Head(tokens, width, bits)
    A, W = np.array(made.A), np.array(made.W)
    low, high = made.logits
    table = np.array([made.table[S] for S in range(low, high + 1)])
    ends = list(zip(*map(made.output_range, range(len(made.W))), strict=True))

    def expected(x: Bits) -> tuple[Bits, None]:
        out = reference.head_outputs(x, tokens, width, bits, A, W, table, low, made.g)
        return reference.head_bits(out, list(ends[0]), list(ends[1])), None

    return Part(
        "head", {"tokens": tokens, "width": width, "bits": bits, "depth": depth},
        f"softmax head over {_sizes(tokens, width, bits)}", "circuit-head",
        lambda: head_circuit.head_circuit(made, depth), expected,
        head_circuit.formula_gates(made, depth),
        notes=(f"real softmax within {at_most(head_circuit.real_bound(made))} of the output",),
    )  # fmt: skip


def _gelu_table(block_: block_circuit.Block) -> dict[int, int]:
    """GELU on everything the first MLP matrix can reach."""
    most = 2 * block_.width * block_.fixed.norm_bound(block_.width)[1]
    erf = block_.kind == "rms"
    return {m: rounded_gelu(m, block_.fixed.g, erf) for m in range(-most, most + 1)}


def _block_parts(made: block_circuit.Block) -> reference_model.Inside:
    fixed = made.fixed
    return {
        "kind": made.kind, "g": fixed.g, "wq": np.array(made.q_weight),
        "wk": np.array(made.k_weight), "norm": fixed.norm_bound(made.width),
        "unit": fixed.unit_bound(), "exp": made.exp_table, "gelu": _gelu_table(made),
    }  # fmt: skip


def transformer_block(tokens: int, width: int, bits: int, kind: str) -> Part:
    """One transformer block."""
    _within("tokens", tokens, 1, 8)
    _within("width", width, 2, 4)
    _within("bits", bits, 1, 4)
    if kind not in block_circuit.KINDS:
        raise InputError(f"kind: {kind!r} is not one of {', '.join(block_circuit.KINDS)}")
    made = block_circuit.Block(tokens, width, bits, kind)
    parts, ranges = _block_parts(made), block_circuit.block_ranges(made)

    def expected(x: Bits) -> tuple[Bits, None]:
        tensor = reference.numbers(x, bits).reshape(len(x), tokens, width)
        out = reference_model.block(tensor, **parts)
        return reference_model.entry_bits(out.reshape(len(x), -1), ranges), None

    layers = block_circuit.KINDS[kind]
    return Part(
        "block", {"tokens": tokens, "width": width, "bits": bits, "kind": kind},
        f"{kind} block over {_sizes(tokens, width, bits)}", "circuit-block",
        lambda: block_circuit.block_circuit(made), expected,
        notes=(f"{layers} layers of the block, 2 more to make bits of its result",),
    )  # fmt: skip


def generation(sides: tuple[int, ...], vocabulary: int, bits: int) -> Part:
    """A whole generation."""
    made = generation_circuit.Generation(sides, vocabulary, bits=bits)
    _within("bits", bits, 1, 3)
    if made.tokens > 14 or vocabulary > 8:
        raise InputError("sides, vocabulary: at most 14 tokens (sides 1,2,3) and 8 codes")
    inside = _block_parts(made.block)
    parts: reference_model.Parts = {
        "sides": sides, "width": made.width, "bits": bits, "noise": generation_circuit.NOISE,
        "codebook": np.array(made.codebook), "head": np.array(made.head),
        "position": np.array([made.position(t) for t in range(made.tokens)]),
        "up": {s: (np.array(made.up(s)[0]), made.up(s)[1]) for s in sides},
        "down": {s: (np.array(made.down(s)[0]), made.down(s)[1]) for s in sides},
        "map_unit": made.map_unit, "norm": made.block.fixed.norm_bound(made.width),
        "embed": np.array(made.block.q_weight),
        "step": lambda x, cache: reference_model.block(x, **inside, cache=cache),
    }  # fmt: skip

    def expected(x: Bits) -> tuple[Bits, None]:
        tokens, _ = reference_model.generate(x, parts)
        one_hot = tokens[:, :, None] == np.arange(vocabulary)
        return (one_hot[:, :, 1:] if vocabulary == 2 else one_hot).reshape(len(x), -1), None

    return Part(
        "generate", {"sides": list(sides), "vocabulary": vocabulary, "bits": bits},
        f"generation of {_many(made.tokens, 'token')}, sides {', '.join(map(str, sides))}, "
        f"{vocabulary} codes", "circuit-generate",
        lambda: generation_circuit.generation_circuit(made),
        expected,
    )  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What a comparison saw. checked: allowed inputs compared; all: whether those were all."""

    checked: int
    all: bool
    different: int
    first: list[int] | None


def compare(part: Part, circuit: Circuit, most: int, seed: int = 0) -> Run:
    """Evaluate on all 2^n inputs if they are at most `most`, else on `most` random ones."""
    n = circuit.inputs
    every = n < 63 and 1 << n <= most
    batches = chunks(n) if every else _random(n, most, seed)
    checked = different = 0
    first = None
    for x in batches:
        expected, allowed = part.reference(x)
        wrong = (evaluate(circuit, x) != expected).any(axis=1)
        if allowed is not None:
            wrong &= allowed
        checked += len(x) if allowed is None else int(allowed.sum())
        if wrong.any() and first is None:
            first = x[np.argmax(wrong)].astype(int).tolist()
        different += int(wrong.sum())
    return Run(checked, every, different, first)


def _random(n: int, most: int, seed: int) -> Iterator[Bits]:
    rng = np.random.default_rng(seed)
    for start in range(0, most, 2048):
        yield rng.integers(0, 2, (min(2048, most - start), n)).astype(bool)
