"""What runs on a device, where a tensor has no host memory: the same bounds in torch operations."""

import numpy as np
import pytest

from varnum.floats import arrays, norms, values
from varnum.lowrank import scales as varform
from varnum.lowrank import stream
from varnum.lowrank.moments import moment_bound, moment_state

torch = pytest.importorskip("torch", reason="the torch backend is optional")


@pytest.mark.parametrize(("largest", "centres"), [(1.0, 1), (2.0, 4), (3.0, 8)])
def test_without_views_into_host_memory_all_comes_out_alike(monkeypatch, largest, centres):
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    scales = (4, 60, 600, 900)
    sides = []
    for _ in range(2):
        tokens = (rng.standard_normal((sum(scales), 8)) * 0.6 ** np.arange(8)) @ turn
        sides.append(torch.tensor(tokens * largest / abs(tokens).max(), dtype=torch.float32))
    v = torch.tensor(rng.standard_normal((sum(scales), 5)), dtype=torch.float32)
    v[:, 1] = 7
    v[:1000, 2] = 3
    host, expected = varform.attend_scales(*sides, v, scales, 3.0, 1e-2)
    for module in (arrays, norms, values, moment_bound, moment_state, stream):
        if hasattr(module, "light"):
            monkeypatch.setattr(module, "light", lambda array: array)
    device, outcome = varform.attend_scales(*sides, v, scales, 3.0, 1e-2)
    assert (outcome.rank, outcome.centres) == (expected.rank, expected.centres)
    assert outcome.centres == centres
    assert outcome.exact == expected.exact
    assert outcome.certified == pytest.approx(expected.certified, rel=1e-4)
    assert torch.allclose(host, device, rtol=0, atol=1e-5)
    assert (device[:, 1] == 7).all()
