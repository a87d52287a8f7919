"""Threshold layers and gates of a real configuration, from the constructions that are run small."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from varnum.circuit import graph, pareto
from varnum.circuit.block_circuit import KINDS
from varnum.errors import InputError
from varnum.formulas import circuit as formulas
from varnum.model.config import PRESETS, VarConfig, preset
from varnum.model.flowar.flow_config import FLOW_PRESETS, FlowConfig, flow_preset
from varnum.model.flowar.flow_sampling import RELEASED, FlowSettings
from varnum.model.flowar.tables import time_grid
from varnum.model.paper import PaperConfig, geometric_sides

# Layers of one operation at p = O(log n), each alone (claims circuit-float, circuit-product).
ALONE = {"std": 3, "sum": 3, "exp": 2, "sqrt": 2, "erf": 2}
HEAD_LAYERS = 4  # LayerNorm 2, comparisons 1, and 1
PAPER = "paper"
CAP = 101  # above exp(float32 log 100), the largest factor of a head with unit q and k


@dataclass(frozen=True)
class ModelDepth:
    """Fronts of the traced graph; layers of the merged construction; one head's size."""

    model: str
    scales: int
    paths: pareto.Front
    teacher_forced: pareto.Front | None
    layers: int | None
    layers_teacher_forced: int | None
    layers_per_block: int | None
    alone: int  # layers if every operation is its own circuit
    cap: int | None  # bound on the logits of unit q and k
    tokens: int
    head_dim: int
    pairs: int  # query-key pairs that attention uses


def model_depth(name: str, scales: int | None = None) -> ModelDepth:
    """Trace a preset (`var-d16`, `flowar-s`, ..) or the paper's model with `scales` (default 3)."""
    if name == PAPER:
        K = 3 if scales is None else scales
        if not 1 <= K <= 12:
            raise InputError(f"scales: {K} is not within 1 to 12")
        paper = PaperConfig(sides=geometric_sides(K))
        front = graph.trace_paper(paper)
        tokens = sum(paper.lengths)
        return ModelDepth(name, K, front, None, None, None, None, pareto.cost(front, ALONE), None,
                          tokens, paper.head_dim, tokens * tokens)  # fmt: skip
    if scales is not None:
        raise InputError("scales: only with model paper; a released model has its own")
    if name in FLOW_PRESETS:
        return flow_depth(name)
    if name not in PRESETS:
        known = ", ".join((PAPER, *PRESETS, *FLOW_PRESETS))
        raise InputError(f"model: no {name!r}; known: {known}")
    var, vae = preset(name)
    front = graph.trace_generation(var, vae)
    layers = scale_layers(var)
    pairs = sum(n * sum(var.lengths[: k + 1]) for k, n in enumerate(var.lengths))
    return ModelDepth(
        name, var.scales, front, graph.trace_teacher_forced(var, vae), var.scales * layers, layers,
        block_layers(var), pareto.cost(front, ALONE), CAP if var.attn_l2_norm else None,
        var.length, var.head_dim, pairs,
    )  # fmt: skip


def flow_depth(name: str) -> ModelDepth:
    """FlowAR, sampled as released; the head is one of the encoder's."""
    config = flow_preset(name)
    settings = RELEASED.get(name, FlowSettings(25, Fraction(2)))
    front = graph.trace_sampling(config, settings)
    lengths, K = config.lengths, len(config.scales)
    evaluations = len(time_grid(settings.num_steps)) - 1
    return ModelDepth(
        name, K, front, graph.trace_training(config), K * flow_layers(config, evaluations),
        flow_layers(config, 1), KINDS["rms"] + 1, pareto.cost(front, ALONE), None, config.length,
        config.head_dim("encoder_blocks"),
        sum(n * sum(lengths[: k + 1]) for k, n in enumerate(lengths)),
    )  # fmt: skip


def flow_layers(config: FlowConfig, evaluations: int) -> int:
    """Threshold layers of one scale at most: norms of the way 6, SiLU of the condition 3.

    Each evaluation has the flow net's blocks, 5 more where they have cross-attention, and 3.
    """
    block = KINDS["rms"] + 1
    flow = config.flow_depth * (block + 5 * config.cross) + 3
    return block * (config.encoder_depth + config.decoder_depth) + 9 + evaluations * flow


def block_layers(config: VarConfig) -> int:
    """Threshold layers of a block, and one that rounds the residual (claim `circuit-block`)."""
    return KINDS["l2" if config.attn_l2_norm else "plain"] + 1


def scale_layers(config: VarConfig) -> int:
    """Threshold layers of one scale: all blocks and the head."""
    return block_layers(config) * config.depth + HEAD_LAYERS


def head_sizes(found: ModelDepth, bits: int) -> dict[str, int | None]:
    """Gates and wires of one head with p-bit numbers and an exp of p bits."""
    if not 1 <= bits <= 64:
        raise InputError(f"bits: {bits} is not within 1 to 64")
    changes = (1 << bits) - 1
    N, d = found.tokens, found.head_dim
    full = None if found.cap is None else formulas.exp_changes(d, bits, found.cap)
    return {
        "change_points_at_cap": full,
        "gates_at_cap": None if full is None else formulas.real_head_gates(N, d, bits, full),
        "change_points": changes,
        "gates": formulas.real_head_gates(N, d, bits, changes),
        "gates_depth_6": formulas.real_head_gates(N, d, bits, changes, depth=6),
        "wires": formulas.real_head_wires(N, d, bits, changes),
        "wires_depth_6": formulas.real_head_wires(N, d, bits, changes, depth=6),
    }
