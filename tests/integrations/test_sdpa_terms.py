"""The terms of the bound of exact rows, each where it is nearly all there is."""

import pytest

torch = pytest.importorskip("torch", reason="the drop-in is for torch")

import varnum as vn  # noqa: E402


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def errors(q, k, v, mask=None):
    """(seen, claimed) of one head, values in [0, 1] with both ends; no row is done in float64."""
    out, bounds = vn.sdpa(q, k, v, mask, scale=1.0, output_error="0.99", return_bound=True)
    rest = {} if mask is None else {"attn_mask": mask.double()}
    wide = (part.double() for part in (q, k, v))
    exact = torch._C._nn.scaled_dot_product_attention(*wide, scale=1.0, **rest)
    return float((out - exact).abs().max()), float(bounds[0, 0])


def test_logits_that_round():
    """A large part that all logits share: it cancels in exact arithmetic."""
    values = (drawn(1, 1, 40, 3) > 0).float()
    q, k = (
        torch.cat([torch.full((1, 1, 40, 1), 1e3), drawn(1, 1, 40, 1, seed=i)], -1) for i in (1, 2)
    )
    seen, claimed = errors(q, k, values)
    assert 0.005 < seen <= claimed < 0.99


def test_a_mask_that_rounds():
    """1e5 added to every logit takes four digits of it away."""
    values = (drawn(1, 1, 40, 3) > 0).float()
    q, k = (drawn(1, 1, 40, 2, seed=i) for i in (1, 2))
    seen, claimed = errors(q, k, values, torch.full((40, 40), 1e5))
    assert 1e-4 < seen <= claimed < 0.99
