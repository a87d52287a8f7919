"""Recovery on tensors that have no host memory: the same outputs, bounds and exact rows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lowrank.recovery.test_views import VIEWS, head, worst
from tests.support.device import as_on_a_device
from varnum.floats import arrays, values
from varnum.floats.values import ValueRange
from varnum.lowrank.problem import Problem, Target
from varnum.lowrank.recovery import view_attention
from varnum.lowrank.recovery.recovery_method import RECOVERY
from varnum.lowrank.recovery.recovery_settings import fixed
from varnum.lowrank.recovery.recovery_state import Open

torch = pytest.importorskip("torch", reason="the torch backend is optional")


def tensors(parts):
    return [torch.tensor(part) for part in parts]


def array_of(tensor):
    """Also while `as_on_a_device` is in force."""
    return np.array(tensor.tolist())


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("moved", [0.0, 50.0])
def test_every_view_runs_and_says_the_same(monkeypatch, name, moved):
    q, k, v = head(900, size=0.7)
    v += np.float32(moved)
    v[:, 2] = 3  # constant
    v[:600, 0] = 1  # constant for a while
    view = VIEWS[name]
    asked = Problem(*tensors((q, k, v)), 1.0, Target("output", 1e-2), view)
    expected = RECOVERY.fit(asked).answer()
    as_on_a_device(monkeypatch, torch)
    found = RECOVERY.fit(asked).answer()
    output = array_of(found.output)
    monkeypatch.undo()
    assert np.allclose(output, expected.output.numpy(), rtol=0, atol=1e-3)
    assert (output[:, 2] == v[:, 2]).all()
    assert found.output_error == pytest.approx(expected.output_error, rel=1e-2)
    assert abs(found.rows_exact - expected.rows_exact) < 20
    assert worst(output, q, k, v, view) <= found.output_error <= 1e-2


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize(("block", "tops", "sharp"), [(40, (2, 1), True), (600, (3,), False)])
def test_every_setting_of_a_state(monkeypatch, groups, block, tops, sharp):
    q, k, v = tensors(head(700))
    ends = np.repeat([20, 100], 50)
    options = {"groups": groups, "block": block, "tops": tops, "sharp": sharp}

    def both():
        made = fixed(q, k, v, 1.0, **options).state()
        made.add(k[:400], v[:400])
        made.add(k[400:600], v[400:600])
        seen = ValueRange.running(v[600:], ends, made.values)
        own = made.attend(q[600:], seen, Open(k[600:], v[600:], ends))
        return [(array_of(out), error) for out, error in (made.attend(q), own)]

    expected = both()
    as_on_a_device(monkeypatch, torch)
    for (out, error), (other, bound) in zip(both(), expected, strict=True):
        assert np.allclose(out, other, rtol=0, atol=1e-3)
        assert np.allclose(error, bound, rtol=1e-2)


def test_missed_rows_run_exactly(monkeypatch):
    q, k, v = head(900, size=0.7)
    asked = Problem(*tensors((q, k, v)), 1.0, Target("output", 1e-2), VIEWS["causal"])
    as_on_a_device(monkeypatch, torch)
    found = view_attention.attend_view(asked, fixed(*tensors((q, k, v)), 1.0), None)
    output = array_of(found.output)
    monkeypatch.undo()
    assert 510 < found.rows_exact < 900
    assert worst(output, q, k, v, VIEWS["causal"]) <= found.output_error <= 1e-2


def test_a_mixture_is_noticed(monkeypatch):
    """The old way to mend columns: an array of the host written into a tensor."""
    q, k, v = head(900, size=0.7)
    v[:700, 0] = 1
    asked = Problem(*tensors((q, k, v)), 1.0, Target("output", 1e-2), VIEWS["causal"])
    made = RECOVERY.fit(asked)
    as_on_a_device(monkeypatch, torch)
    monkeypatch.setattr(values, "beside", lambda array, other: array)
    with pytest.raises(TypeError):
        made.answer()
    with pytest.raises(TypeError, match="use cpu"):
        np.asarray(torch.ones(2))
    assert arrays.to_numpy(torch.ones(2)).sum() == 2
