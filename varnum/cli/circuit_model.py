"""`varnum circuit --model`: the depth of a model's operation graph and threshold circuits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from varnum.cli.common import filled

if TYPE_CHECKING:
    from varnum.circuit.sizes import ModelDepth

CONVENTIONS = (
    "a product of matrices is one std and one sum; mean a sum and one std; + eps one std; a bias "
    "is a summand; softmax is (sum E v)/(sum E) without its shift; x/2 (1 + tanh u) is x/(1 + "
    "e^(-2u)), a constant factor of exp's argument is part of exp; resampling rows and columns is "
    "one linear map; guidance two std, FlowAR's three; the choice of a token one; expressions of "
    "weights, positions and times are constants"
)
LOWER = (
    "one head within 1/(2N) computes majority: hard for TC0 under AC0 reductions (majority-head)"
)
HOLDS = (
    "O(1) depth for O(1) scales, blocks and flow steps, p = O(log n); an upper bound, no depth is "
    "claimed least"
)


def answer_model(model: str, bits: int, scales: int | None, json: bool) -> int:
    """Trace, count, print."""
    from varnum.circuit.sizes import head_sizes, model_depth

    found = model_depth(model, scales)
    sizes = head_sizes(found, bits)
    if json:
        from varnum.cli.envelope import print_envelope

        return print_envelope(
            "varnum/circuit-model/1", _content(found, sizes, bits),
            verdict="done", assurance="measured", exit_code=0,
        )  # fmt: skip
    _show(found, sizes, bits)
    return 0


def _content(found: ModelDepth, sizes: dict[str, Any], bits: int) -> dict[str, Any]:
    from varnum.circuit.pareto import as_objects

    forced = found.teacher_forced
    return {
        "model": found.model,
        "bits": bits,
        "scales": found.scales,
        "tokens": found.tokens,
        "head_dim": found.head_dim,
        "pairs": found.pairs,
        "paths": as_objects(found.paths),
        "paths_teacher_forced": None if forced is None else as_objects(forced),
        "conventions": CONVENTIONS,
        "layers": found.layers,
        "layers_teacher_forced": found.layers_teacher_forced,
        "layers_per_block": found.layers_per_block,
        "layers_operations_alone": found.alone,
        "gates_per_head": sizes["gates"],
        "gates_per_head_depth_6": sizes["gates_depth_6"],
        "wires_per_head": sizes["wires"],
        "wires_per_head_depth_6": sizes["wires_depth_6"],
        "exp_change_points": sizes["change_points"],
        "exp_change_points_at_cap": sizes["change_points_at_cap"],
        "gates_per_head_at_cap": sizes["gates_at_cap"],
        "claims": ["tc0-depth", "circuit-head", "circuit-block", "majority-head"],
        "notes": [HOLDS, LOWER],
    }


def _show(found: ModelDepth, sizes: dict[str, Any], bits: int) -> None:
    from varnum.circuit.pareto import text

    def line(name: str, said: str) -> None:
        print(filled(f"{name:<17}  {said}", indent=" " * 19))

    line("operation graph", f"{text(found.paths)} ({found.scales} scales)")
    if found.teacher_forced is not None:
        line("teacher-forced", text(found.teacher_forced))
    if found.layers is not None:
        line(
            "threshold layers",
            f"{found.layers} ({found.layers_per_block} a block, 4 a head; fixed point, p = {bits})"
            "; "
            f"teacher-forced {found.layers_teacher_forced}; 3 more once for AdaLN's SiLU; "
            f"{found.alone} if every operation is a circuit of its own",
        )
    else:
        line("threshold layers", f"{found.alone} if every operation is a circuit of its own")
    line(
        "one head",
        f"{sizes['gates']:.1e} gates and {sizes['wires']:.1e} wires at depth 4, "
        f"{sizes['gates_depth_6']:.1e} and {sizes['wires_depth_6']:.1e} at depth 6; N = "
        f"{found.tokens}, d = {found.head_dim}, all pairs ({found.pairs / found.tokens**2:.0%} of "
        f"them used), {bits}-bit exp of {sizes['change_points']} change points: a logit range of "
        f"{math.log(sizes['change_points']):.1f} only",
    )
    if sizes["gates_at_cap"] is not None:
        line(
            "at the cap",
            f"logits up to 100 need {sizes['change_points_at_cap']} change points: "
            f"{sizes['gates_at_cap']:.1e} gates at depth 4",
        )
    line("holds for", HOLDS)
    line("lower side", LOWER)
    line("counted", CONVENTIONS)
