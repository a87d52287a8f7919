"""Every row of the edge table: torch's MATH backend says the same, or the refusal is one line."""

import math

import pytest

torch = pytest.importorskip("torch", reason="the drop-in is for torch")

from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.nn.attention.bias import causal_lower_right, causal_upper_left  # noqa: E402

import varnum as vn  # noqa: E402
from varnum.errors import InputError  # noqa: E402

plain = torch._C._nn.scaled_dot_product_attention
inf, nan = math.inf, math.nan


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def three(q=(2, 3, 5, 8), k=None, v=None, dtype=torch.float32):
    k = k or q
    v = v or k
    return [drawn(*shape, seed=i, dtype=dtype) for i, shape in enumerate((q, k, v))]


def math_backend(q, k, v, **rest):
    with sdpa_kernel(SDPBackend.MATH):
        return plain(q, k, v, **rest)


def same(q, k, v, near=2e-6, **rest):
    """Agreement with MATH, nan included; returns the output and the bounds."""
    out, bounds = vn.sdpa(q, k, v, return_bound=True, **rest)
    expected = math_backend(q, k, v, **rest)
    assert out.shape == expected.shape
    assert out.dtype == expected.dtype
    assert torch.equal(out.isnan(), expected.isnan())
    assert torch.allclose(out.double(), expected.double(), rtol=0, atol=near, equal_nan=True)
    assert bounds.shape == out.shape[:-2]
    assert bounds.dtype == torch.float64
    return out, bounds


# --- masks


def test_a_row_that_sees_nothing_is_zero_exactly():
    q, k, v = three()
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[1] = False
    for given in (mask, torch.zeros(5, 5).masked_fill(~mask, -inf)):
        out, bounds = same(q, k, v, attn_mask=given)
        assert not out[:, :, 1].any()
        assert float(bounds.max()) < 1e-4
    _, bounds = same(q, k, v, attn_mask=torch.zeros(5, 5, dtype=torch.bool))
    assert not bounds.any()


def test_a_row_masked_with_the_least_number_is_the_mean_and_the_bound_knows():
    q, k, v = three()
    mask = torch.zeros(5, 5)
    mask[1] = torch.finfo(torch.float32).min
    out, bounds = same(q, k, v, attn_mask=mask)
    assert torch.allclose(out[:, :, 1], v.mean(2))
    assert float(bounds.min()) >= 1  # the formula adds q.k to it, and nothing of q.k is left
    mask[:] = 0
    mask[:, 3] = torch.finfo(torch.float32).min
    assert float(same(q, k, v, attn_mask=mask)[1].max()) < 1e-4


@pytest.mark.parametrize("place", ["mask", "q", "k", "v", "masked k", "masked v"])
@pytest.mark.parametrize("bad", [nan, inf])
def test_nan_comes_out_where_the_formula_has_it_and_the_bound_is_nan(place, bad):
    q, k, v = three()
    mask = torch.zeros(5, 5)
    mask[:, 2] = -inf
    where = {"mask": mask[0, 1:], "q": q[0, 1, 1], "k": k[0, 1, 1], "v": v[0, 1, 1],
             "masked k": k[0, 1, 2], "masked v": v[0, 1, 2]}  # fmt: skip
    where[place][0] = bad
    _, bounds = same(q, k, v, attn_mask=mask)
    assert bool(bounds[0, 1].isnan())
    if place != "mask":
        assert not bounds[1].isnan().any()


@pytest.mark.parametrize(("rows", "keys"), [(5, 5), (7, 4), (4, 7), (1, 6), (6, 1)])
def test_causal_is_top_left_and_rows_past_the_keys_see_all(rows, keys):
    q, k, v = three((2, 3, rows, 8), (2, 3, keys, 8))
    out, _ = same(q, k, v, is_causal=True)
    biased = vn.sdpa(q, k, v, causal_upper_left(rows, keys))
    assert torch.equal(out, biased)


@pytest.mark.filterwarnings("ignore:Lower right causal bias")
@pytest.mark.parametrize(("rows", "keys"), [(5, 5), (7, 4), (4, 7)])
def test_a_lower_right_bias_is_honoured(rows, keys):
    q, k, v = three((2, 3, rows, 8), (2, 3, keys, 8))
    bias = causal_lower_right(rows, keys)
    mask = bias._materialize()
    out, bounds = vn.sdpa(q, k, v, bias, return_bound=True)
    assert torch.allclose(out, math_backend(q, k, v, attn_mask=mask), rtol=0, atol=2e-6)
    assert float(bounds.max()) < 1e-3


@pytest.mark.parametrize("shape", [(7,), (1, 7), (5, 1), (5, 7), (3, 5, 7), (1, 1, 5, 7),
                                   (2, 1, 1, 7), (1, 3, 5, 1), (2, 3, 5, 7), ()])  # fmt: skip
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks_broadcast(shape, kind):
    q, k, v = three((2, 3, 5, 8), (2, 3, 7, 8))
    mask = drawn(*shape, seed=5)
    mask = mask > -0.5 if kind == "bool" else mask
    expected = mask.expand(5, 7) if len(shape) < 2 else mask
    out = vn.sdpa(q, k, v, mask)
    assert torch.allclose(out, math_backend(q, k, v, attn_mask=expected), rtol=0, atol=2e-6)


def test_a_mask_of_five_axes():
    q, k, v = three((2, 2, 3, 5, 8))
    for shape in [(2, 1, 1, 5, 5), (1, 2, 3, 5, 5), (1, 1, 1, 1, 5), (2, 2, 3, 5, 5)]:
        same(q, k, v, attn_mask=drawn(*shape) > 0)


@pytest.mark.parametrize(
    ("query", "mask"),
    [("float16", "float16"), ("float16", "float32"), ("bfloat16", "float32"),
     ("bfloat16", "bfloat16"), ("float64", "float64"), ("float64", "float32")],
)  # fmt: skip
def test_masks_have_the_dtype_of_the_query_or_float32(query, mask):
    q, k, v = three(dtype=getattr(torch, query))
    near = {"float16": 2e-3, "bfloat16": 2e-2}.get(query, 1e-6)
    same(q, k, v, near, attn_mask=drawn(5, 5, dtype=getattr(torch, mask)))


# --- shapes


def test_empty_axes():
    same(*three((2, 3, 0, 8), (2, 3, 4, 8)))
    same(*three((0, 3, 5, 8)))
    same(*three((2, 0, 5, 8)))
    out, bounds = same(*three((2, 3, 5, 8), (2, 3, 0, 8)))
    assert not out.any()
    assert not bounds.any()
    same(*three((2, 3, 5, 8), (2, 3, 4, 8), (2, 3, 4, 0)))
    q, k, v = three((2, 3, 5, 0), (2, 3, 4, 0), (2, 3, 4, 6))
    out, bounds = same(q, k, v)
    assert torch.allclose(out, v.mean(2, keepdim=True).expand_as(out))
    assert float(bounds.max()) < 1e-4
    same(q, k, v, is_causal=True)


@pytest.mark.parametrize(
    "shapes",
    [
        [(5, 8), (7, 8), (7, 4)],
        [(3, 5, 8), (3, 7, 8), (3, 7, 4)],
        [(2, 2, 3, 5, 8), (2, 2, 3, 7, 8), (2, 2, 3, 7, 4)],
        [(2, 3, 5, 8), (2, 1, 7, 8), (2, 1, 7, 4)],
        [(2, 3, 5, 8), (7, 8), (1, 1, 7, 4)],
        [(1, 3, 5, 8), (2, 1, 7, 8), (2, 1, 7, 4)],
        [(5, 8), (2, 3, 7, 8), (3, 7, 4)],
    ],
)
@pytest.mark.parametrize("causal", [False, True])
def test_ranks_and_leading_axes(shapes, causal):
    same(*three(*shapes), is_causal=causal)


@pytest.mark.parametrize("lead", [(), (2,), (2, 1)])
def test_grouped_heads_are_repeated(lead):
    q, k, v = three((*lead, 6, 5, 8), (*lead, 2, 7, 8))
    out, _ = same(q, k, v, enable_gqa=True)
    by_hand = plain(q, *(part.repeat_interleave(3, -3) for part in (k, v)))
    assert torch.allclose(out, by_hand, rtol=0, atol=2e-6)


def test_transposed_heads_and_sliced_memory():
    q, k, v = (drawn(2, 9, 3, 8, seed=i).transpose(1, 2)[:, :, ::2] for i in range(3))
    same(q, k, v, is_causal=True)


# --- numbers


@pytest.mark.parametrize("scale", [0, 0.0, -1.5, 2, 0.25, 1e-30])
def test_any_finite_scale(scale):
    same(*three(), scale=scale, near=5e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("causal", [False, True])
def test_the_output_has_the_dtype_of_the_query(dtype, causal):
    near = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-6, "float64": 1e-14}[dtype]
    same(*three(dtype=getattr(torch, dtype)), near, is_causal=causal)


def test_autocast_is_followed():
    q, k, v = three()
    mask = drawn(5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        for given in ((q, k, v), (q, k.bfloat16(), v), (q.double(), k.double(), v.double())):
            out = vn.sdpa(*given)
            expected = plain(*given)
            assert out.dtype == expected.dtype
            assert torch.allclose(out.float(), expected.float(), rtol=0, atol=2e-2)
        out = vn.sdpa(q, k, v, mask)
        assert torch.allclose(out.float(), plain(q, k, v, mask).float(), rtol=0, atol=2e-2)


def test_logits_that_overflow_are_nan_and_so_is_the_bound():
    q, k, v = three()
    q, k = q * 1e20, k * 1e20
    out, bounds = same(q, k, v)
    assert out.isnan().any()
    assert bounds.isnan().all()


# --- refused, in one line


def refused(match, *args, **rest):
    with pytest.raises(InputError, match=match) as found:
        vn.sdpa(*args, **rest)
    assert "\n" not in str(found.value)


def test_what_torch_refuses_or_answers_differently_is_refused():
    q, k, v = three()
    mask = torch.ones(5, 5, dtype=torch.bool)
    refused("attn_mask: .*is_causal", q, k, v, mask, is_causal=True)
    refused("attn_mask: .*is_causal", q, k, v, causal_upper_left(5, 5), is_causal=True)
    refused("attn_mask: a causal bias", q, k, v, causal_upper_left(4, 5))
    refused("attn_mask: shape", q[:1], k[:1], v[:1], torch.ones(2, 3, 5, 5, dtype=torch.bool))
    refused("attn_mask: shape", q, k, v, torch.ones(1, 1, 1, 5, 5, dtype=torch.bool))
    refused("attn_mask: dtype", q, k, v, torch.ones(5, 5, dtype=torch.long))
    refused("attn_mask: dtype", q, k, v, torch.ones(5, 5, dtype=torch.float64))
    refused("attn_mask: dtype", q, k, v, torch.ones(5, 5, dtype=torch.float16))
    refused("attn_mask: expected", q, k, v, [[True]])
    refused("value: 4 tokens", q, k, v[:, :, :4])
    refused("key: head dimension", q, k[..., :4], v)
    refused("leading axes", q, k[:, :2], v)
    refused("query: shape", q[0, 0, 0], k, v)
    refused("enable_gqa", *three((2, 4, 5, 8), (2, 2, 5, 8), (2, 4, 5, 8)), enable_gqa=True)
    refused("enable_gqa", *three((2, 5, 5, 8), (2, 2, 5, 8)), enable_gqa=True)
    refused("enable_gqa", q[0, 0], k[0, 0], v[0, 0], enable_gqa=True)
    for scale in (nan, inf):
        refused("scale", q, k, v, scale=scale)
    for scale in ("x", "0.5", 10**400, [1], torch.ones(2)):
        refused("scale: .*is not a number", q, k, v, scale=scale)
    for dropout in (0.1, -0.1, nan):
        refused("dropout_p", q, k, v, dropout_p=dropout)
    refused("dtype", q.long(), k.long(), v.long())
    refused("dtype", *(part.to(torch.complex64) for part in (q, k, v)))
    refused("key: float64", q, k.double(), v)
    refused("value: expected", q, k, v.numpy())


@pytest.mark.parametrize("error", ["0", "1", "-1e-2", "nan", "x", 0.01, None])
def test_the_output_error_is_an_exact_number_below_one(error):
    refused("output_error: ", *three(), output_error=error)


def test_tensors_without_numbers_are_refused():
    q, k, v = three()
    meta = [part.to("meta") for part in (q, k, v)]
    refused("meta", *meta)
    refused("meta", q, meta[1], v)
    refused("dense", q.to_sparse(), k, v)
    refused("on meta", q, k, v, torch.ones(5, 5, dtype=torch.bool, device="meta"))


def test_scale_is_keyword_only_as_in_torch():
    with pytest.raises(TypeError):
        vn.sdpa(*three(), None, 0.0, False, 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("scale", [-1.0, 0.0, 1e-46])
def test_a_scale_that_torchs_fused_kernel_turns_into_nan_under_a_triangle(scale, dtype):
    q, k, v = three((4, 4), dtype=dtype)  # equal widths: the fused kernel, not MATH
    out, bound = vn.sdpa(q, k, v, is_causal=True, scale=scale, return_bound=True)
    expected = math_backend(q.double(), k.double(), v.double(), is_causal=True, scale=scale)
    seen = v.double()[:, None].expand(4, 4, 4).tril().amax(0) - v.double().min()
    assert bound.isfinite()
    assert bool(((out.double() - expected).abs() <= bound * seen + 1e-15).all())


def test_a_mask_without_the_outermost_axis_of_five():
    q, k, v = three((2, 3, 2, 4, 8))
    same(q, k, v, attn_mask=drawn(3, 1, 1, 4, seed=5))
    same(q, k, v, attn_mask=drawn(3, 2, 4, 4, seed=5) > 0)
