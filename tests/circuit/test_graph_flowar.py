"""The traced operation graph of FlowAR: hand formulas, and what each operation is worth."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.circuit import graph, pareto, sizes, tracer
from varnum.model.flowar.flow_config import FlowConfig, flow_preset
from varnum.model.flowar.flow_sampling import RELEASED, FlowSettings
from varnum.model.flowar.tables import time_grid

TINY, CROSS = flow_preset("flowar-tiny"), flow_preset("flowar-tiny-cross")
GUIDED = FlowSettings(4, Fraction(2))


def vectors(front: pareto.Front) -> set[tuple[int, ...]]:
    """(std, sum, exp, sqrt, erf); there is no iterated product."""
    assert all(v[2] == 0 for v in front)
    return {(v[0], v[1], *v[3:]) for v in front}


def n(*counts: int) -> np.ndarray:
    """(std, sum, exp, sqrt, erf)."""
    return np.array([*counts, *[0] * (5 - len(counts))])


# Operation by operation. RMSNorm: square, mean 1+1, + eps, root, quotient; a weight is one more.
RMS = n(4, 1, 0, 1)
WEIGHTED = RMS + n(1)
LINEAR = n(1, 1)
MODULATE, ROTARY, FACTOR, GATE, RESIDUAL = n(2), n(2), n(1), n(1), n(1)
ATTEND = n(1, 1) + n(0, 0, 1) + n(1, 1) + n(1)  # logits, exp, E v, quotient
ATTENTION = (
    RMS + MODULATE + LINEAR + ROTARY + FACTOR + ATTEND + LINEAR + GATE + RESIDUAL
)  # 16 5 1 1
# x / sqrt 2, erf, times half, plus half, times the other branch
MLP = RMS + MODULATE + LINEAR + n(1, 0, 0, 0, 1) + n(3) + LINEAR + GATE + RESIDUAL  # 14 3 0 1 1
BLOCK = ATTENTION + MLP
CROSS_ATTENTION = WEIGHTED + LINEAR + ROTARY + FACTOR + ATTEND + LINEAR + RESIDUAL  # 14 5 1 1


def scale_by_hand(config: FlowConfig, settings: FlowSettings, k: int) -> np.ndarray:
    """One path through a scale: transformer, into the flow net by z, all evaluations."""
    depth, K = config.flow_depth, len(config.scales)
    fed = n() if k == 0 else 2 * n(1, 1) + LINEAR  # bicubic, area, z_proj
    blocks = (config.encoder_depth + config.decoder_depth) * BLOCK
    z = fed + n(1) + blocks + 3 * WEIGHTED + LINEAR + n(2)  # three positions, three norms
    if config.cross:  # the first attention sees noise and time alone: z enters by the keys
        entry = WEIGHTED + LINEAR + ROTARY + ATTEND + LINEAR + RESIDUAL + MLP
    else:  # cond_embed, + te, SiLU, AdaLN, 1 + scale, times x's norm
        entry = LINEAR + n(1) + n(2, 0, 1) + LINEAR + n(1) + BLOCK - RMS
    block = BLOCK + CROSS_ATTENTION * config.cross
    times = time_grid(settings.num_steps)[:-1]
    guided = sum(settings.guides(t, k, K) for t in times)
    tail = len(times) * (RMS + MODULATE + LINEAR + n(2)) + guided * n(3)  # final norm, Euler step
    rest = (len(times) - 1) * (LINEAR + depth * block)
    return z + entry + (depth - 1) * block + rest + tail


def by_hand(config: FlowConfig, settings: FlowSettings) -> tuple[int, ...]:
    """All scales; the class embedding has only its position added at the start."""
    return tuple(sum(scale_by_hand(config, settings, k) for k in range(len(config.scales))))


def test_blocks() -> None:
    assert tuple(BLOCK) == (30, 8, 1, 2, 1)
    assert tuple(BLOCK + CROSS_ATTENTION) == (44, 13, 2, 3, 1)


CASES = {
    "tiny": (TINY, GUIDED),
    "cross": (CROSS, GUIDED),
    "unguided": (CROSS, FlowSettings(4)),
    "cut off": (TINY, FlowSettings(8, Fraction(3), Fraction("0.5"))),
    "deep": (replace(CROSS, encoder_depth=3, decoder_depth=2, flow_depth=3), GUIDED),
    "scales": (replace(TINY, scales=(1, 2, 3, 5), flow_depth=2), GUIDED),
    "released small": (flow_preset("flowar-s"), RELEASED["flowar-s"]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_trace_is_what_one_counts_by_hand(case: str) -> None:
    """Two paths: through x, and through SiLU of the class into the first block's 1 + scale."""
    config, settings = CASES[case]
    hand = by_hand(config, settings)
    silu = tuple(hand - n(1) - WEIGHTED - RMS + n(2, 0, 1) + LINEAR + n(1))
    assert vectors(graph.trace_sampling(config, settings)) == {hand, silu}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("flowar-s", (10576, 2792, 305, 730, 300)),
        ("flowar-l", (67241, 19722, 2955, 4610, 1520)),
        ("flowar-h", (139437, 40952, 6145, 9560, 3150)),
    ],
)
def test_released_sizes(name: str, expected: tuple[int, ...]) -> None:
    """Large, huge: 95 std, 30 sum, 10 exp fewer than if the first self-attention saw z."""
    assert by_hand(flow_preset(name), RELEASED[name]) == expected


def test_released_layers() -> None:
    for name, layers in (("flowar-s", 3405), ("flowar-l", 22805), ("flowar-h", 47295)):
        config = flow_preset(name)
        evaluations = len(time_grid(RELEASED[name].num_steps)) - 1
        assert len(config.scales) * sizes.flow_layers(config, evaluations) == layers


@pytest.mark.parametrize("operation", sorted(set(tracer.COSTS) - {"sum"}))
def test_an_operation_left_out_is_seen(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare sum is only in the softmax, beside the longer E v: not on a longest path."""
    monkeypatch.setitem(tracer.COSTS, operation, {})
    assert by_hand(TINY, GUIDED) not in vectors(graph.trace_sampling(TINY, GUIDED))


def test_sampling_is_sequential_in_scales_and_steps() -> None:
    """Every evaluation and every scale adds as much as the one before."""

    def longest(steps: int, scales: tuple[int, ...]) -> np.ndarray:
        config = replace(TINY, scales=scales)
        found = graph.trace_sampling(config, FlowSettings(steps))
        return np.array(max(vectors(found)))

    by_steps = [longest(steps, (1, 2)) for steps in (2, 4, 6)]
    assert np.array_equal(by_steps[2] - by_steps[1], by_steps[1] - by_steps[0])
    assert (by_steps[1] - by_steps[0])[0] == 2 * 2 * (1 + 30 + 9)  # two scales, two steps
    by_scales = [longest(2, (1, 2, 3, 4)[:k]) for k in (2, 3, 4)]
    assert np.array_equal(by_scales[2] - by_scales[1], by_scales[1] - by_scales[0])


def test_training_does_not_grow_with_scales() -> None:
    """All scales at once: one pass, whatever their number."""
    two, four = (
        graph.trace_training(replace(TINY, scales=scales)) for scales in ((1, 2), (1, 2, 3, 4))
    )
    assert two == four


def test_small_by_the_command_line_s_numbers() -> None:
    found = sizes.model_depth("flowar-s")
    assert (found.layers, found.scales, found.tokens, found.pairs) == (3405, 5, 341, 93093)
    assert max(v[0] for v in found.paths) == 10576
