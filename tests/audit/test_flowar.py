"""FlowAR audited: every module's heads in place, and figures that hold for what the slots got."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from tests.support.flowar import DATA, assert_close, official
from varnum.audit.calls.call_audit import audit_call
from varnum.audit.calls.flow_source import FlowSource
from varnum.audit.run import Asked
from varnum.audit.task import Target
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend
from varnum.model.flowar.flow_config import flow_preset
from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise, sample_maps
from varnum.model.flowar.numbers import Kernels
from varnum.model.flowar.random_flow_weights import random_flow_model

CROSS = flow_preset("flowar-tiny-cross")
GUIDED = FlowSettings(4, Fraction(2))
ASKED = Asked((Target.of(Fraction(1, 10)),))


def tasks_of(source):
    """All heads of a source."""
    found = []
    source.feed(ASKED, lambda _: None, found.extend)
    return found


def source(**changes):
    options = {"evaluations": 2, **changes}
    return FlowSource("tiny", lambda: random_flow_model(CROSS, 0), np.array([1]), GUIDED, **options)


def test_every_module_is_named_and_what_its_slot_gets_is_handed_over():
    """Against slots that write down everything, in their own order."""
    tasks, seen = tasks_of(source()), []

    def slot(kind):
        def attend(q, k, v, scale, blocks):
            seen.append((kind, q, k, v, scale.item()))
            return exact_attention(q, k, v, scale, blocks)

        return attend

    model = random_flow_model(CROSS, 0).to(Backend())
    noise = [np.asarray(x, dtype=np.float64) for x in draw_noise(CROSS, 1, 0)]
    kernels = Kernels(slot("ar"), slot("self"), slot("cross"))
    for _ in sample_maps(model, np.array([1]), noise, GUIDED, kernels):
        pass
    expected = {}
    for k in range(3):
        ar = [s for s in seen if s[0] == "ar"][2 * k : 2 * k + 2]
        for name, call in zip(("encoder_blocks.0", "decoder_blocks.0"), ar, strict=True):
            expected[f"{name}.attn", f"scale {k}"] = call
        for kind, name in (("self", "attn"), ("cross", "crossattn")):
            mine = [s for s in seen if s[0] == kind][8 * k : 8 * k + 8]  # 4 evaluations, 2 blocks
            for evaluation, t in ((0, 1000), (3, 125)):
                for block in range(2):
                    module = f"flownet.res_blocks.{block}.{name}"
                    expected[module, f"scale {k}, t {t}"] = mine[2 * evaluation + block]
    places = {(t.names["module"], t.names["via"]) for t in tasks}
    assert places == set(expected)
    for task in tasks:
        names = task.names
        _, q, k, v, scale = expected[names["module"], names["via"]]
        b, h = names["batch"], names["head"]
        assert np.array_equal(task.q, q[b, h])
        assert np.array_equal(task.k, k[b, h])
        assert np.array_equal(task.v, v[b, h])
        assert task.scale == scale == task.q.shape[1] ** -0.5
    assert len({(t.names["call"], t.names["batch"], t.names["head"]) for t in tasks}) == len(tasks)
    assert len(tasks) == sum(len(q) * q.shape[1] for _, q, *_ in expected.values())


def test_bounds_from_the_weights_hold_per_class_and_head():
    """No captured logit is above; the rows without a class have bounds of their own."""
    tasks = tasks_of(source())
    for task in tasks:
        assert abs(task.q @ task.k.T).max() * task.scale <= task.bound
        assert task.names["bound_from"] == "weights and class, in exact arithmetic"
    ar = {t.names["batch"]: t.bound for t in tasks if t.names["module"] == "encoder_blocks.0.attn"}
    assert set(ar) == {0, 1}
    assert ar[0] != ar[1]


def test_limits():
    tasks = tasks_of(source(evaluations=1, batch=1, heads=1))
    assert len(tasks) == 3 * (2 + 2 + 2)  # scales; two blocks, two self, two cross
    assert {t.names["batch"] for t in tasks} == {t.names["head"] for t in tasks} == {0}


def test_figures_hold_for_the_released_code_s_numbers():
    """Set B: queries and keys of a head are the fixture's, and M is their largest logit."""
    fixture, found = official("B"), []
    made = FlowSource(
        "B", lambda: fixture.model, fixture.io["labels"][:1], fixture.runs["g"],
        [fixture.io[f"noise_{k}"][:1] for k in range(4)], evaluations=1, batch=1,
    )  # fmt: skip

    class Enough(Exception):
        pass

    def take(tasks):
        first = tasks[0].names
        if first["via"] == "scale 2" and first["module"] == "encoder_blocks.0.attn":
            found.extend(tasks)
            raise Enough

    with pytest.raises(Enough):
        made.feed(ASKED, lambda _: None, take)
    assert len(found) == 4
    for h, task in enumerate(found):
        assert_close(task.q, fixture.io["b_enc0_ropeq_out"][0, h], 1e-12)
        assert_close(task.k[-16:], fixture.io["b_enc0_ropek_out"][0, h], 1e-12)
        (row,) = audit_call(task)
        low, high = row["M"]
        largest = abs(task.q @ task.k.T).max() / 4
        assert low - 1e-12 <= largest <= high + 1e-12
        assert row["tokens"] == [16, 21]


def test_command_line(varnum, tmp_path):
    """A report from random weights, another from the official file and noise."""
    options = ["--num-steps", 2, "--evaluations", 1, "--output-error", "1e-1", "--jobs", 1]
    code, text, _ = varnum("audit", "--random", "flowar-tiny", "--heads", 1, *options, "--json")
    rows = json.loads(text)["rows"]
    assert code == 0
    assert len(rows) == 3 * 3
    assert {row["module"] for row in rows} == {
        "encoder_blocks.0.attn", "decoder_blocks.0.attn", "flownet.res_blocks.0.attn",
    }  # fmt: skip
    state = tmp_path / "state.npz"
    np.savez(state, **official("B").state)
    noise = ["--noise", DATA / "B_io.npz", "--labels", "12,0"]
    code, text, _ = varnum(
        "audit", "--flowar", state, *noise, "--heads", 1, "--batch", 1, *options, "--json"
    )
    assert code == 0
    assert len(json.loads(text)["rows"]) == 4 * (3 + 2 + 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--random", "flowar-tiny", "--var", "x.npz"], "FlowAR: does not go with --var"),
        (["--random", "flowar-tiny", "--random", "var-tiny"], "does not go with --random"),
        (["--random", "flowar-tiny", "--evaluations", 0], "evaluations: 0 is not allowed"),
        (["--random", "flowar-tiny", "--num-steps", 1], "num-steps: must be 2"),
        (["--random", "flowar-tiny", "--top-k", 5], "top-k: not of FlowAR"),
        (["--random", "flowar-tiny", "--top-p", "0.5"], "top-p: not of FlowAR"),
        (["--random", "var-tiny", "--num-steps", 9], "num-steps: of FlowAR"),
        (["--random", "var-tiny", "--guidance", "0.3"], "guidance: of FlowAR"),
        (["--random", "var-tiny", "--noise", "x.npz"], "noise: of FlowAR"),
    ],
)
def test_refusals(varnum, options, message):
    code, _, error = varnum("audit", *options, "--jobs", 1)
    assert code == 2
    assert message in error
