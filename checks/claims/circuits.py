"""circuit-*, threshold-*, tc0-depth, majority-head, uniformity: circuits on all inputs, and counts.

Measured are gates, claimed the formula (or the depth against the claimed depth); every input that
differs from the reference is a violation. `--long` takes the sizes that need minutes.
"""

from __future__ import annotations

import sys
import time
from fractions import Fraction

import numpy as np

from varnum.circuit import (
    arith,
    floats,
    graph,
    head_circuit,
    lemmas,
    lower,
    parts,
    reference,
    uniform,
)
from varnum.circuit.evaluate import all_inputs, chunks, evaluate
from varnum.circuit.form import Form, total
from varnum.circuit.gates import Builder
from varnum.model.config import preset
from varnum.proof.checking import Measurement, main

SMALL = {
    "circuit-add": [(lambda: parts.add(3, 2), 2), (lambda: parts.add(12, 1), 2),
                    (lambda: parts.add(1, 6), 1)],
    "circuit-product": [(lambda: parts.multiply(1, 5), 3), (lambda: parts.multiply(2, 3), 3)],
    "circuit-float": [(lambda: parts.floating("sum", 3, 3, 1), 3),
                      (lambda: parts.floating("product", 2, 3, 2), 3),
                      (lambda: parts.floating("quotient", 2, 4, 3), 3)],
    "circuit-exp-crr": [(lambda: parts.exponential(4, False), 4),
                        (lambda: parts.exponential(8, True), 2)],
    "circuit-head": [(lambda: parts.softmax_head(2, 1, 3, 4), 4),
                     (lambda: parts.softmax_head(3, 1, 3, 6), 6)],
    "circuit-block": [(lambda: parts.transformer_block(2, 2, 2, "plain"), 10),
                      (lambda: parts.transformer_block(2, 2, 2, "l2"), 12),
                      (lambda: parts.transformer_block(2, 2, 2, "rms"), 11)],
    "circuit-generate": [(lambda: parts.generation((1, 2), 2, 2), 22)],
}  # fmt: skip
LONG = {
    "circuit-add": [(lambda: parts.add(18, 1), 2), (lambda: parts.add(3, 6), 2),
                    (lambda: parts.add(6, 3), 2)],
    "circuit-product": [(lambda: parts.multiply(1, 8), 3), (lambda: parts.multiply(3, 3), 3)],
    "circuit-float": [(lambda: parts.floating("sum", 3, 3, 2), 3),
                      (lambda: parts.floating("sum", 4, 2, 2), 3),
                      (lambda: parts.floating("sum", 3, 3, 3), 3),
                      (lambda: parts.floating("product", 2, 3, 3), 3)],
    "circuit-exp-crr": [(lambda: parts.exponential(6, False), 4),
                        (lambda: parts.exponential(8, False), 4)],
    "circuit-head": [(lambda size=size: parts.softmax_head(*size, 4), 4)
                     for size in ((2, 2, 3), (4, 1, 3), (3, 1, 4), (2, 1, 2), (2, 1, 3),
                                  (3, 1, 3))],
    "circuit-block": [(lambda: parts.transformer_block(2, 2, 3, "plain"), 10),
                      (lambda: parts.transformer_block(3, 2, 2, "plain"), 10),
                      (lambda: parts.transformer_block(3, 2, 2, "l2"), 12),
                      (lambda: parts.transformer_block(3, 2, 2, "rms"), 11)],
    "circuit-generate": [(lambda: parts.generation((1, 2), 3, 2), 24),
                         (lambda: parts.generation((1, 2, 3), 2, 2), 35)],
}  # fmt: skip
RANDOM = {  # too many inputs to try them all
    "circuit-add": [parts.add(64, 16), parts.add(680, 8), parts.add(64, 24)],
    "circuit-product": [parts.multiply(16, 8)],
}


def _whole(claim, cases, say=lambda _: None):
    """One measurement a claim: all inputs of all cases, gates against formulas, depths."""
    seen, wrong, gates, claimed = 0, 0, 0, 0
    for make, depth in cases:
        start = time.perf_counter()
        part = make()
        made = part.build()
        run = parts.compare(part, made, 1 << 18)
        counts = made.counts()
        seen += run.checked
        wrong += run.different + (not run.all)
        wrong += depth is not None and counts.depth != depth
        if part.gates is not None:
            gates, claimed = gates + counts.gates, claimed + part.gates
            wrong += counts.gates > part.gates
            wrong += counts.gates < part.gates and not part.at_most
        say(f"{claim} {part.sizes}: depth {counts.depth}, {counts.gates} gates, {counts.wires} "
            f"wires, weight {counts.weight:.3g}, formula {part.gates}, {run.checked} inputs, "
            f"{run.different} differ, {time.perf_counter() - start:.1f} s")  # fmt: skip
    measured, bound = (float(gates), float(claimed)) if claimed else (0.0, 0.0)
    return Measurement(claim, "gates; all inputs", measured, bound, 0, seen, int(wrong))


def _random(claim, cases, trials, seed):
    wrong, seen, gates = 0, 0, 0
    for part in cases:
        made = part.build()
        run = parts.compare(part, made, trials, seed)
        gates += made.counts().gates
        seen, wrong = seen + run.checked, wrong + run.different
        wrong += made.counts().gates != part.gates
    formula = float(sum(part.gates for part in cases))
    return Measurement(claim, "gates; random inputs", float(gates), formula, seen, 1, wrong)


def _values(b, form):
    """A form on all inputs, from its gates alone."""
    gates = [n for n in form.terms if n >= b.inputs]
    made = b.finish([Form({n: 1}, 0, 0, 1) for n in gates] or [b.output(form * 0)])
    x = all_inputs(b.inputs)
    out = evaluate(made, x)
    held = {n: out[:, i] for i, n in enumerate(gates)} | {n: x[:, n] for n in range(b.inputs)}
    return np.full(len(x), form.const) + sum(w * held[n] for n, w in form.terms.items())


def _lemmas(trials, seed):
    """Random forms of five bits, each lemma on all their inputs."""
    rng = np.random.default_rng(seed)
    x = all_inputs(5).astype(int)
    wrong = dict.fromkeys(
        ("threshold-telescope", "threshold-ratio", "threshold-root", "threshold-and",
         "quarter-squares"), 0,
    )  # fmt: skip
    for _ in range(max(1, trials // 20)):
        w, v = rng.integers(-4, 5, 5), rng.integers(0, 3, 5)
        table = rng.integers(-9, 10, 80)
        b = Builder()
        bits = b.bits(5)
        S = total(bit * int(c) for bit, c in zip(bits, w, strict=True))
        V = total([1, *(bit * int(c) for bit, c in zip(bits, v, strict=True))])
        s, d = x @ w, x @ v + 1
        made = lemmas.telescope(b, S, lambda m, table=table: int(table[m + 40]))
        wrong["threshold-telescope"] += int((_values(b, made) != table[s + 40]).sum())
        made = lemmas.ratio(b, S, V, -3, 3)
        wrong["threshold-ratio"] += int((_values(b, made) != np.clip(s // d, -3, 3)).sum())
        made = lemmas.root_ratio(b, lemmas.telescope(b, S, lambda m: m * abs(m)), V, 2, 4)
        right = np.clip(np.floor(np.sqrt(2) * s / np.sqrt(d) + 1e-12), -4, 4)
        wrong["threshold-root"] += int((_values(b, made) != right).sum())
        m = int(rng.integers(-5, 6))
        made = lemmas.and_bit(b, S, m, bits[0])
        wrong["threshold-and"] += int((_values(b, made) != (s >= m) * x[:, 0]).sum())
        made = lemmas.multiply(b, S, V)
        wrong["quarter-squares"] += int((_values(b, made) != s * d).sum())
    count = 32 * max(1, trials // 20)
    return [Measurement(c, "wrong values", float(n), 0.0, count, 1, n) for c, n in wrong.items()]


def _lower():
    """No single gate for output bits of a head; a head is majority, 1/(2N) away from 1/2."""
    made = head_circuit.head_circuit(head_circuit.Head(2, 1, 3))
    x = all_inputs(6)
    outputs, missing = evaluate(made, x), 0
    rows = list(map(tuple, x.astype(int).tolist()))
    for j in range(4):
        found = lower.certify_not_one_gate(outputs[:, j])
        value = dict(zip(rows, outputs[:, j].tolist(), strict=True))
        missing += found is None or not found.holds(value)
    N = 9
    values = [lower.majority_by_head(row) for row in all_inputs(N)]
    most = all_inputs(N).sum(axis=1) > N / 2
    wrong = sum((v > Fraction(1, 2)) != m for v, m in zip(values, most.tolist(), strict=True))
    nearest = min(abs(v - Fraction(1, 2)) for v in values)
    return [
        Measurement("circuit-lower", "bits without certificate", float(missing), 0.0, 0, 4,
                    int(missing)),
        Measurement("majority-head", "1/(2N) over distance", 1 / (2 * N), float(nearest), 0,
                    1 << N, int(wrong) + (nearest < Fraction(1, 2 * N))),
    ]  # fmt: skip


def _uniform():
    """Every pair (node, gate) of small circuits against the program."""
    cases = [("add", (4, 3), arith.add(4, 3)), ("multiply", (2, 3), arith.multiply_add(2, 3)),
             ("float", (2, 3, 2), floats.float_sum(2, floats.Format(3, 2)))]  # fmt: skip
    wrong = seen = 0
    for kind, sizes, made in cases:
        width = sum(sizes[1:])
        names = {i: ("x", i // width, i % width) for i in range(made.inputs)} | dict(made.names)
        for g, (index, _) in enumerate(made.gates):
            held = dict(made.sums[index])
            for node, name in names.items():
                seen += 1
                said = uniform.wire(kind, sizes, name, names[made.inputs + g])
                wrong += said != held.get(node, 0)
    return Measurement("uniformity", "wires that differ", float(wrong), 0.0, 0, seen, wrong)


def _graph():
    """Std of a traced generation: linear in scales, and the hand count of a tiny model."""
    config, vae = preset("var-tiny")
    traced = max(graph.trace_generation(config, vae))[0]
    K, depth = config.scales, config.depth
    hand = K * (37 * depth + 9 + 3) + (K - 1) * 8 + 2 - 1
    forced = max(graph.trace_teacher_forced(config, vae))[0]
    return [
        Measurement("tc0-depth", "std on the longest path", float(traced), float(hand), 0, 1,
                    int(traced != hand)),
        Measurement("depth-vs-scales", "teacher-forced over generation", float(forced),
                    float(traced), 0, 1, int(forced >= traced)),
    ]  # fmt: skip


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    found = [_whole(claim, cases) for claim, cases in SMALL.items()]
    found += [_random(claim, cases, min(64, trials), seed) for claim, cases in RANDOM.items()]
    return [*found, *_lemmas(trials, seed), *_lower(), _uniform(), *_graph()]


def measure_long(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """All sizes, the largest of 2^18 inputs; and how often sums in index order differ."""
    found = [_whole(claim, cases, print) for claim, cases in LONG.items()]
    for p, k, N in ((3, 2, 3), (2, 2, 4), (3, 3, 3)):
        differ = sum(
            int((reference.float_sum(x, p, k) != reference.float_sum_in_order(x, p, k))
                .any(axis=1).sum())
            for x in chunks(N * (p + k))
        )  # fmt: skip
        print(f"sums in index order, p = {p}, k = {k}, N = {N}: {differ / 2 ** (N * (p + k)):.4%}")
    return found


if __name__ == "__main__":
    long = "--long" in sys.argv
    options = [a for a in sys.argv[1:] if a != "--long"]
    sys.exit(main(measure_long if long else measure, options))
