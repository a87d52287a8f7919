"""The traced operation graph: hand formulas at toy sizes, and what each operation is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from varnum.circuit import graph, pareto, tracer
from varnum.model.attention import exact_attention
from varnum.model.config import VarConfig, preset
from varnum.model.paper import PaperConfig


def vectors(front: pareto.Front) -> set[tuple[int, ...]]:
    """(std, sum, exp, sqrt); no VAR has a product or erf."""
    assert all(v[2] == v[5] == 0 for v in front)
    return {(v[0], v[1], v[3], v[4]) for v in front}


def by_hand(config: VarConfig, through_condition: bool = False) -> tuple[int, ...]:
    """One path of a generation, operation by operation.

    Block: LayerNorm 6 std 2 sum 1 sqrt, modulate 2, q 1+1, [unit 3+1 1 sqrt, factor 1, or factor
    1], logits 1+1, exp, E v 1+1, quotient 1, projection 1+1, gate 1, residual 1; LayerNorm,
    modulate 2, linear 1+1, GELU 6 1 exp, linear 1+1, gate 1, residual 1. Head: LayerNorm, modulate
    2, linear 1+1; guidance 2, comparison 1. Next scale: bicubic 1+1, phi 3+1, sum 1 (not at the
    first), area 1+1, word 1+1, position 1. Start: two additions; or SiLU 2 1 exp, linear 1+1 (one
    more addition where it is shared), 1 + scale 1 in place of the first LayerNorm.
    """
    unit = np.array([3, 1, 0, 1]) * config.attn_l2_norm
    layer_norm = np.array([6, 2, 0, 1])
    attention = layer_norm + np.array([2 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1, 4, 1, 0]) + unit
    mlp = layer_norm + np.array([2 + 1 + 6 + 1 + 1 + 1, 2, 1, 0])
    head = layer_norm + np.array([2 + 1 + 2 + 1, 1, 0, 0])
    between = np.array([1 + 3 + 1 + 1 + 1 + 1, 4, 0, 0])
    K = config.scales
    found = (
        K * (config.depth * (attention + mlp) + head) + (K - 1) * between - np.array([1, 0, 0, 0])
    )
    if through_condition:
        return tuple(found - layer_norm + np.array([2 + 1 + 1 + config.shared_aln, 1, 1, 0]))
    return tuple(found + np.array([2, 0, 0, 0]))


@pytest.mark.parametrize("name", ["var-tiny", "var-tiny-plain", "var-tiny-shared", "var-d16"])
def test_the_trace_is_what_one_counts_by_hand(name: str) -> None:
    config, vae = preset(name)
    front = vectors(graph.trace_generation(config, vae))
    assert front == {by_hand(config), by_hand(config, through_condition=True)}


def test_var_d16() -> None:
    config, vae = preset("var-d16")
    assert vectors(graph.trace_generation(config, vae)) == {
        (6113, 1826, 320, 490), (6109, 1825, 321, 489),
    }  # fmt: skip
    assert vectors(graph.trace_teacher_forced(config, vae)) == {
        (619, 183, 32, 49), (602, 178, 33, 48),
    }  # fmt: skip


@pytest.mark.parametrize("operation", sorted(set(tracer.COSTS) - {"erf"}))  # FlowAR's alone
def test_an_operation_left_out_is_seen(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config, vae = preset("var-tiny")
    monkeypatch.setitem(tracer.COSTS, operation, {})
    front = vectors(graph.trace_generation(config, vae))
    assert by_hand(config) not in front


def test_unit_vectors_have_no_score_factor_of_their_own() -> None:
    """A plain head has a factor too; what l2 adds is the unit vectors: 3 std, 1 sum, 1 root."""
    plain = vectors(graph.trace_generation(*preset("var-tiny-plain")))
    l2 = vectors(graph.trace_generation(*preset("var-tiny")))
    config = preset("var-tiny")[0]
    heads = config.scales * config.depth
    assert {tuple(np.add(v, (3 * heads, heads, 0, heads))) for v in plain} == l2
    assert {tuple(np.add(v, (4 * heads, heads, 0, heads))) for v in plain} != l2


def test_dependence_on_scales_and_depth() -> None:
    config, vae = preset("var-tiny")

    def std(depth: int, sides: tuple[int, ...]) -> int:
        changed = replace(config, depth=depth, patch_nums=sides)
        return max(graph.trace_generation(changed, replace(vae, patch_nums=sides)))[0]

    assert std(3, (1, 2, 3)) - std(2, (1, 2, 3)) == 3 * 37
    assert std(2, (1, 2, 3, 4)) - std(2, (1, 2, 3)) == std(2, (1, 2, 3, 5)) - std(2, (1, 2, 4))
    forced = [
        max(graph.trace_teacher_forced(replace(config, patch_nums=s), replace(vae, patch_nums=s)))
        for s in ((1, 2, 3), (1, 2, 3, 4))
    ]
    assert forced[1][0] - forced[0][0] == 1  # one more addition to f_hat, nothing else


def test_the_papers_model() -> None:
    one = graph.trace_paper(PaperConfig(sides=(1,)))
    two = graph.trace_paper(PaperConfig(sides=(1, 2)))
    assert len(one) == len(two) == 1
    assert max(two)[3] == max(one)[3] + 1  # one attention layer more


def test_the_quotient_kernel_is_attention() -> None:
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, 2, 4, 21, 8))
    scale = np.full((1, 4, 1, 1), 0.3)
    for blocks in (None, (1, 4, 16)):
        got = graph.quotient_attention(q, k, v, scale, blocks)
        assert np.allclose(got, exact_attention(q, k, v, scale, blocks), rtol=1e-12, atol=1e-14)


def test_the_models_own_kernel_has_one_sum_more(monkeypatch: pytest.MonkeyPatch) -> None:
    config, vae = preset("var-tiny")
    quotient = vectors(graph.trace_generation(config, vae))
    monkeypatch.setattr(graph, "quotient_attention", exact_attention)
    own = vectors(graph.trace_generation(config, vae))
    heads = config.scales * config.depth
    assert own == {tuple(np.add(v, (0, heads, 0, 0))) for v in quotient}


def test_fronts() -> None:
    a, b, c = (3, 0, 0, 1, 0, 0), (2, 0, 0, 2, 0, 0), (2, 0, 0, 1, 0, 0)
    assert pareto.maximal([a, b, c]) == {a, b}
    assert pareto.cost(frozenset({a, b}), {"std": 1, "exp": 5}) == 12
    assert pareto.text(frozenset({a, b})) == "3 std + 1 exp | 2 std + 2 exp"


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="inner sizes"):
        tracer.NAMESPACE.matmul(tracer.Traced((2, 3)), tracer.Traced((2, 3)))
    with pytest.raises(ValueError, match="reshape"):
        tracer.NAMESPACE.reshape(tracer.Traced((2, 3)), (4, -1))
