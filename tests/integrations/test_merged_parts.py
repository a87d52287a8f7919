"""Chunks of rows: a state for what all see, the rest by softmax; merged bounds hold, terms show."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the drop-in is for torch")

import varnum as vn  # noqa: E402
from varnum.floats.arrays import to_double  # noqa: E402
from varnum.integrations import merged_parts  # noqa: E402
from varnum.lowrank import problem  # noqa: E402
from varnum.lowrank.recovery.lens import fit_lens  # noqa: E402
from varnum.lowrank.recovery.recovery_state import RecoveryState  # noqa: E402

plain = torch._C._nn.scaled_dot_product_attention
N, D = 1600, 16
PLACES = torch.arange(N)
TRIANGLE = PLACES[:, None] >= PLACES


def alibi(slope):
    return (slope * (PLACES - PLACES[:, None])).masked_fill(~TRIANGLE, -np.inf).float()


def blocks(*lengths):
    ends = torch.tensor(lengths).cumsum(0)
    return torch.repeat_interleave(ends, torch.tensor(lengths))[:, None] > PLACES


def sinks():
    """One key more than there are rows, always seen, its logit given."""
    mask = torch.zeros(N, N).masked_fill(~TRIANGLE, -np.inf)
    mask[:, -1] = 1.5
    return mask


VIEWS = {
    "causal": {"is_causal": True},
    "causal mask": {"attn_mask": TRIANGLE},
    "least number": {"attn_mask": torch.zeros(N, N).masked_fill(~TRIANGLE, -3e38)},
    "left-padded": {"attn_mask": TRIANGLE & (PLACES >= 37)},
    "block-causal": {"attn_mask": blocks(100, 400, 500, 600)},
    "window": {"attn_mask": TRIANGLE & ((PLACES[:, None] // 400 - 2) * 400 <= PLACES)},
    "alibi": {"attn_mask": alibi(0.002)},
    "sinks": {"attn_mask": sinks()},
    "padding, added": {"attn_mask": torch.zeros(1, N).masked_fill(PLACES < 90, -3e38)},
}


@pytest.fixture(autouse=True)
def _small_heads(monkeypatch):
    monkeypatch.setattr(merged_parts, "LEAST", 1000)
    monkeypatch.setattr(merged_parts, "_BEAT", 1e9)  # whether it pays is not the question here
    monkeypatch.setattr(merged_parts, "_FEW", 300)
    monkeypatch.setattr(merged_parts, "_CHUNK", 200)
    monkeypatch.setattr(problem, "_FUSED", (1e-4, 0.0))  # so that causal heads take recovery


@pytest.fixture
def qkv():
    drawn = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 1, N, D, generator=drawn) * 0.35 + 0.1 for _ in range(2))
    return q, k, k @ torch.randn(D, 5, generator=drawn) + 0.5


def true_errors(out, q, k, v, rest):
    """|out - exact| per row (N,), in units of the range of v over what the row sees."""
    mask = rest.get("attn_mask", TRIANGLE)
    wide = mask if mask.dtype == torch.bool else mask.double()
    exact = plain(*(part.double() for part in (q, k, v)), attn_mask=wide)
    seen = (mask if mask.dtype == torch.bool else mask > -np.inf).expand(N, N)[:, :, None]
    low = torch.where(seen, v[0, 0], np.inf).amin(1)
    high = torch.where(seen, v[0, 0], -np.inf).amax(1)
    moved, spread = (out.double() - exact)[0, 0].abs(), (high - low).double().clamp(1e-300)
    return torch.where(high > low, moved / spread, 0.0).amax(-1)


@pytest.mark.parametrize("view", VIEWS)
def test_it_runs_low_rank_and_the_bound_holds(view, qkv):
    rest = VIEWS[view]
    with vn.certificates() as made:
        out, bounds = vn.sdpa(*qkv, output_error="1e-1", return_bound=True, **rest)
    errors = true_errors(out, *qkv, rest)
    assert float(errors.max()) <= float(bounds) <= 0.1
    assert float(errors.max()) > 1e-6  # nothing exact about it
    assert made[0].method == "recovery"
    assert made[0].rows_exact < 0.65 * N
    assert made[0].reached


def test_a_mask_that_is_no_sum_runs_exactly(qkv):
    mask = alibi(0.002) + 0.5 * torch.rand(N, N, generator=torch.Generator().manual_seed(1))
    with vn.certificates() as made:
        vn.sdpa(*qkv, mask, output_error="1e-2")
    assert made[0].method == "exact"


def test_half_precision_and_grouped_heads(qkv):
    q, k, v = (part.half() for part in qkv)
    q = torch.cat([q, q.flip(2)], 1)
    with vn.certificates() as made:
        out, bounds = vn.sdpa(
            q, k, v, is_causal=True, enable_gqa=True, output_error="2e-1", return_bound=True
        )
    assert made[0].method == "recovery"
    for h in range(2):
        error = true_errors(out[:, h : h + 1], q[:, h : h + 1], k, v, {})
        assert float(error.max()) <= float(bounds[0, h])


# --- the sums of weights, and each term of the merge


def state_of(q, k, v, top=0):
    lens = fit_lens(to_double(q), to_double(k), D**0.5, q)
    state = RecoveryState(lens, 64, (top,) if top else (), v.mean(0))
    state.add(k, v)
    return state


@pytest.mark.parametrize("top", [0, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_sum_of_weights_is_within_its_error(qkv, top, dtype):
    q, k, v = (part[0, 0].to(dtype) for part in qkv)
    log, eta = merged_parts.log_mass(state_of(q, k, v, top), q, D**-0.5)
    exact = torch.logsumexp(q.double() @ k.double().T * D**-0.5, 1).numpy()
    assert (np.abs(log - exact) <= eta).all()
    assert np.median(np.abs(log - exact) / eta) > 1e-3
    assert eta.max() < 1
    exact_of_wrong = torch.logsumexp(q.double() @ k[:-400].double().T * D**-0.5, 1).numpy()
    assert (np.abs(log - exact_of_wrong) > eta).any()


def test_the_theorem_of_the_merge_is_tight_in_the_sums_of_weights():
    """s (1 - s) (e^eta - 1) of the range: nearly reached, and without the exponential exceeded."""
    worst, linear = 0.0, 0.0
    for low, eta in [(0.0, 0.4), (-1.0, 1.0), (1.5, 0.05), (0.0, -0.4), (2.0, -1.0), (-3.0, 2.0)]:
        share, true = (1 / (1 + np.exp(-x)) for x in (low, low + eta))  # o1 = 1, o2 = 0
        moved = abs(share - true)
        worst = max(worst, moved / (share * (1 - share) * np.expm1(abs(eta))))
        linear = max(linear, moved / (share * (1 - share) * abs(eta)))
    assert 0.9 < worst <= 1
    assert linear > 1


@pytest.mark.parametrize(("term", "size"), [("error", 3.0), ("eta", 3.0)])
def test_a_bound_without_a_term_of_the_state_is_seen_to_fail(qkv, monkeypatch, term, size):
    """A state that is wrong by as much as it says is covered; one that says nothing is not."""
    whole = merged_parts._Head._low

    def wrong(self, rows, said):
        found = whole(self, rows)
        if term == "error":
            found.out += size
        else:
            found.log -= size
        spread = self.v[: self.end].amax(0) - self.v[: self.end].amin(0)
        there = size / float(spread.min()) if term == "error" else size
        setattr(found, term, getattr(found, term) * 0 + (there if said else 0))
        return found

    for said in (True, False):
        monkeypatch.setattr(
            merged_parts._Head, "_low", lambda self, rows, said=said: wrong(self, rows, said)
        )
        monkeypatch.setattr(merged_parts, "_MISSED", 1)
        out, bounds = vn.sdpa(*qkv, TRIANGLE, output_error="0.99", return_bound=True)
        assert said is bool(true_errors(out, *qkv, {}).max() <= bounds.max())
