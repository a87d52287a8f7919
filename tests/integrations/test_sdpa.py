"""The bounds hold against long double; an operator of torch in every way torch asks of one."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the drop-in is for torch")

import varnum as vn  # noqa: E402
from tests.support.oracle import wide  # noqa: E402
from varnum.errors import InputError  # noqa: E402
from varnum.integrations import exact_attention, masks  # noqa: E402

plain = torch._C._nn.scaled_dot_product_attention
sdpa = vn.sdpa  # loading it registers the operator


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def true_errors(out, q, k, v, mask, scale=None):
    """Largest |out - exact| / range(v seen) per head, in long double; mask (.., L_q, L_k)."""
    seen = np.asarray(mask) > -np.inf if mask.dtype != torch.bool else mask.numpy()
    scale = 1 / np.sqrt(np.longdouble(q.shape[-1])) if scale is None else np.longdouble(scale)
    logits = wide(q) @ wide(k).swapaxes(-1, -2) * scale
    if mask.dtype != torch.bool:
        logits = logits + wide(mask)
    logits = np.where(seen, logits, -np.inf)
    top = logits.max(-1, keepdims=True)
    weights = np.exp(logits - np.where(np.isfinite(top), top, 0))
    values = wide(v)
    exact = (weights @ values) / np.maximum(weights.sum(-1, keepdims=True), 1e-300)
    low = np.where(seen[..., None], values[..., None, :, :], np.inf).min(-2)
    high = np.where(seen[..., None], values[..., None, :, :], -np.inf).max(-2)
    moved = np.abs(wide(out) - exact)
    still = np.broadcast_to(high <= low, moved.shape)  # equal values, or none: exact
    assert (moved <= 1e-16 * np.abs(values).max())[still].all()
    return np.where(high > low, moved / np.where(high > low, high - low, 1), 0).max((-1, -2))


VIEWS = {
    "full": lambda n, m: {},
    "causal": lambda n, m: {"is_causal": True},
    "padding": lambda n, m: {"attn_mask": (torch.arange(m) >= 5)[None, None, None]},
    "boolean": lambda n, m: {"attn_mask": drawn(2, 1, n, m, seed=3) > 0},
    "sparse": lambda n, m: {"attn_mask": drawn(1, 3, n, m, seed=3) > 1.5},
    "additive": lambda n, m: {"attn_mask": drawn(2, 1, n, m, seed=4)},
    "steep": lambda n, m: {"attn_mask": 200 * drawn(n, m, seed=4)},
    "left-padded": lambda n, m: {"attn_mask": torch.ones(n, m).tril().bool()
                                 & (torch.arange(m) >= 3)},
}  # fmt: skip


def mask_of(rest, n, m):
    if "attn_mask" in rest:
        return rest["attn_mask"]
    whole = torch.ones(n, m, dtype=torch.bool)
    return whole.tril() if rest else whole


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("kind", ["normal", "far", "few values"])
def test_the_bound_holds(view, dtype, kind):
    n, m = 70, 75
    q, k, v = (drawn(2, 3, c, 8, seed=i) for i, c in enumerate((n, m, m)))
    if kind == "far":
        v = v + 300
    if kind == "few values":
        v = v.sign() * (v > 1)
    q, k, v = (part.to(getattr(torch, dtype)) for part in (q, k, v))
    rest = VIEWS[view](n, m)
    if "attn_mask" in rest and rest["attn_mask"].dtype != torch.bool and dtype == "float64":
        rest["attn_mask"] = rest["attn_mask"].double()
    out, bounds = vn.sdpa(q, k, v, return_bound=True, **rest)
    errors = true_errors(out, q, k, v, mask_of(rest, n, m))
    assert (errors <= bounds.numpy()).all()
    most = {"float64": 1e-2, "float32": 1e-2}.get(dtype, 1.0)
    assert float(bounds.max()) <= most


def test_rows_that_float32_cannot_carry_are_done_in_float64():
    q, k, v = (drawn(1, 2, 40, 8, seed=i) for i in range(3))
    v = v + 1e4
    with vn.certificates() as made:
        vn.sdpa(q, k, v, is_causal=True, output_error="1e-2")
    assert "float64" in made[0].reason
    assert made[0].reached


def test_a_smooth_head_runs_low_rank_and_is_counted():
    n = 4000
    q, k, v = (drawn(1, 2, n, 16, seed=i) for i in range(3))
    q = q * 0.2
    q[:, 1] *= 30  # the second head is steep
    keep = torch.arange(n) >= 60
    for rest in ({}, {"attn_mask": keep[None, None, None]}):
        with vn.certificates() as made:
            out, bounds = vn.sdpa(q, k, v, output_error="1e-1", return_bound=True, **rest)
        wide = [part.double() for part in (q, k, v)]
        moved = (out - plain(*wide, **rest)).abs()
        seen = v[:, :, keep] if rest else v
        errors = (moved / (seen.amax(2) - seen.amin(2)).double()[:, :, None]).amax((2, 3))
        assert (errors <= bounds).all()
        assert errors[0, 0] > 1e-4  # nothing exact about it
        assert made[0].method in ("exact+moments", "exact+recovery")
        assert n <= made[0].rows_exact < 1.2 * n
        assert made[0].rows == 2 * n
        assert made[0].reached


# --- false versions are seen


def test_a_bound_without_the_logit_error_is_seen_to_fail(monkeypatch):
    """A large part that all logits share: their rounding is all there is."""
    q, k = (
        torch.cat([torch.full((1, 1, 9, 1), 1e3), drawn(1, 1, 9, 1, seed=i)], -1) for i in (0, 1)
    )
    v = drawn(1, 1, 9, 2)
    whole = torch.ones(9, 9, dtype=torch.bool)
    out, bounds = vn.sdpa(q, k, v, scale=1.0, return_bound=True, output_error="0.9")
    assert (true_errors(out, q, k, v, whole, 1) <= bounds.numpy()).all()
    monkeypatch.setattr(exact_attention, "_farthest", lambda part: part.new_zeros(1, 1).double())
    out, bounds = vn.sdpa(q, k, v, scale=1.0, return_bound=True, output_error="0.9")
    assert (true_errors(out, q, k, v, whole, 1) > bounds.numpy()).any()


def test_a_range_over_keys_that_the_row_does_not_see_is_seen_to_fail(monkeypatch):
    q, k, v = (drawn(1, 1, 30, 8, seed=i, dtype=torch.float16) for i in range(3))
    v[:, :, 2:] *= 100
    whole = torch.ones(30, 30, dtype=torch.bool).tril()
    out, bounds = vn.sdpa(q, k, v, is_causal=True, return_bound=True)
    assert (true_errors(out, q, k, v, whole) <= bounds.numpy()).all()

    def all_keys(self, v):
        low, high = masks.extremes(v)
        rows = torch.zeros(self.rows, dtype=torch.long)
        return masks.Ranges(low[:, :, None], high[:, :, None], rows, torch.ones(1, 1, 30).bool())

    monkeypatch.setattr(masks.View, "ranges", all_keys)
    out, bounds = vn.sdpa(q, k, v, is_causal=True, return_bound=True)
    assert (true_errors(out, q, k, v, whole) > bounds.numpy()).any()


def test_the_cast_is_in_the_bound(monkeypatch):
    q, k, v = (drawn(1, 1, 30, 8, seed=i, dtype=torch.bfloat16) for i in range(3))
    v = v + 2
    whole = torch.ones(30, 30, dtype=torch.bool)
    out, bounds = vn.sdpa(q, k, v, return_bound=True)
    assert (true_errors(out, q, k, v, whole) <= bounds.numpy()).all()
    from varnum.integrations import answer

    monkeypatch.setattr(answer, "cast_error", lambda found, out: 0.0)
    out, bounds = vn.sdpa(q, k, v, return_bound=True)
    assert (true_errors(out, q, k, v, whole) > bounds.numpy()).any()


# --- an operator of torch


def arguments(q, k, v, mask=None, causal=0):
    return (q, k, v, mask, causal, None, False, "1e-2")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["full", "mask", "causal", "grad", "half"])
def test_opcheck(kind):
    q, k, v = (drawn(2, 3, 6, 8, seed=i) for i in range(3))
    if kind == "half":
        q, k, v = (part.half() for part in (q, k, v))
    if kind == "grad":
        q.requires_grad_()
    mask = drawn(6, 6) > 0 if kind == "mask" else None
    given = arguments(q, k, v, mask, int(kind == "causal"))
    tests = ["test_schema", "test_autograd_registration", "test_faketensor"]
    tests += [] if kind == "grad" else ["test_aot_dispatch_dynamic"]  # it wants the backward pass
    torch.library.opcheck(torch.ops.varnum.sdpa.default, given, test_utils=tests)


@pytest.mark.filterwarnings("ignore")
def test_it_compiles_without_a_break_and_leaves_its_certificate():
    q, k, v = (drawn(2, 3, 6, 8, seed=i) for i in range(3))

    def model(q, k, v):
        return vn.sdpa(q * 1.5, k, v, is_causal=True) + 1

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with vn.certificates() as made:
        assert torch.equal(compiled(q, k, v), model(q, k, v))
    assert len(made) == 2


@pytest.mark.parametrize("mapped", [(0, 0, 0, None), (1, 0, 2, None), (0, None, None, None),
                                    (None, 0, 0, None), (None, None, None, 0),
                                    (0, 0, 0, 0)])  # fmt: skip
def test_vmap(mapped):
    base = [drawn(3, 5, 8), drawn(3, 7, 8, seed=1), drawn(7, 8, seed=2), drawn(5, 7, seed=3) > 0]
    given = [
        part if at is None else torch.stack([part, part.flip(0)], at)
        for part, at in zip(base, mapped, strict=True)
    ]
    out = torch.vmap(vn.sdpa, in_dims=mapped)(*given)
    for i in range(2):
        one = [
            part if at is None else part.select(at, i)
            for part, at in zip(given, mapped, strict=True)
        ]
        assert torch.allclose(out[i], plain(*one), rtol=0, atol=2e-6)


def test_no_gradient_comes_back_and_the_forward_pass_runs():
    q, k, v = (drawn(1, 2, 4, 8, seed=i).requires_grad_() for i in range(3))
    out = vn.sdpa(q, k, v)
    with pytest.raises(RuntimeError, match="autograd"):
        out.sum().backward()
    with torch.no_grad():
        assert not vn.sdpa(q, k, v).requires_grad


# --- certificates


def test_blocks_of_certificates_nest_and_end():
    q, k, v = (drawn(1, 2, 4, 8, seed=i) for i in range(3))
    with vn.certificates() as outer:
        vn.sdpa(q, k, v)
        with vn.certificates() as inner:
            vn.sdpa(q, k, v)
        with pytest.raises(InputError), vn.certificates():
            vn.sdpa(q, k, v, dropout_p=0.5)
    vn.sdpa(q, k, v)
    assert (len(outer), len(inner)) == (2, 1)
    assert outer[0].reached
    assert outer[0].word == "measured"  # torch's kernel is tested only
    assert outer[0].rows == outer[0].rows_exact == 8


def test_what_has_no_bound_is_not_reached():
    q, k, v = (drawn(1, 2, 4, 8, seed=i) for i in range(3))
    v[0, 0, 0, 0] = float("nan")
    with vn.certificates() as made:
        vn.sdpa(q, k, v)
    assert made[0].certified_error == float("inf")
    assert not made[0].reached
