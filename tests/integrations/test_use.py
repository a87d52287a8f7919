"""vn.use: every caller of torch's function is served, all is put back, the rest is counted."""

import threading

import pytest

torch = pytest.importorskip("torch", reason="the drop-in is for torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention as by_name  # noqa: E402

import varnum as vn  # noqa: E402
from varnum.errors import InputError  # noqa: E402

BEFORE = functional.scaled_dot_product_attention


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _all_is_put_back():
    yield
    assert functional.scaled_dot_product_attention is BEFORE
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.overrides._get_current_function_mode() is None


@pytest.fixture
def qkv():
    return [drawn(2, 3, 5, 8, seed=i) for i in range(3)]


def test_by_attribute_and_by_name(qkv):
    expected = by_name(*qkv)
    with vn.use(output_error="1e-3") as log:
        one = functional.scaled_dot_product_attention(*qkv)
        other = by_name(*qkv, scale=0.5, is_causal=True)
    assert torch.allclose(one, expected, atol=1e-6)
    assert torch.allclose(other, by_name(*qkv, scale=0.5, is_causal=True), atol=1e-6)
    assert [c.asked for c in log] == ["0.001", "0.001"]
    assert log.missed == 0


def test_the_inner_block_decides_and_both_record(qkv):
    with vn.use() as outer:
        with vn.use(output_error="1e-4") as inner:
            by_name(*qkv)
        functional.scaled_dot_product_attention(*qkv)
        with vn.certificates() as made:
            by_name(*qkv)
    assert [c.asked for c in outer] == ["0.0001", "0.01", "0.01"]
    assert (len(inner), len(made)) == (1, 1)


def test_all_is_put_back_after_an_exception(qkv):
    with pytest.raises(InputError, match="dropout_p"), vn.use():
        functional.scaled_dot_product_attention(*qkv, dropout_p=0.5)
    with pytest.raises(InputError, match=r"output.error"), vn.use(output_error="2"):
        pass
    with pytest.raises(ZeroDivisionError), vn.use(), vn.use():
        raise ZeroDivisionError


def test_blocks_of_two_threads_that_overlap_put_all_back():
    begun, ended = threading.Event(), threading.Event()

    def elsewhere():
        with vn.use():
            begun.set()
            ended.wait(10)

    thread = threading.Thread(target=elsewhere)
    with vn.use():
        thread.start()
        begun.wait(10)
    assert functional.scaled_dot_product_attention is not BEFORE  # the other one is still open
    ended.set()
    thread.join()


def test_another_thread_goes_on_with_torchs_own(qkv):
    seen = []

    def elsewhere():
        with torch.no_grad():
            seen.append(functional.scaled_dot_product_attention(*qkv, dropout_p=0.9))

    with vn.use() as log:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert len(seen) == 1
    assert not log


def test_encoder_layers_and_multihead_attention():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    x = drawn(2, 7, 16)
    with torch.no_grad():
        expected = encoder(x)
        with vn.use() as log:
            found = encoder(x)
    assert torch.allclose(found, expected, atol=1e-5)
    assert len(log) == 2
    assert log.missed == 0
    attention = nn.MultiheadAttention(16, 2, batch_first=True).eval()
    with torch.no_grad(), vn.use() as log:
        attention(x, x, x, need_weights=False)
        assert (len(log), log.missed) == (1, 0)
        attention(x, x, x)  # asks for the weights: written out
        assert (len(log), log.missed) == (1, 1)


def test_attention_written_out_is_counted_and_other_softmaxes_are_not(qkv):
    q, k, v = qkv
    classifier = nn.Linear(8, 4)
    with torch.no_grad(), vn.use() as log:
        weights = functional.dropout((q @ k.mT).softmax(-1), 0.0)
        weights @ v
        torch.einsum("bhij,bhjd->bhid", torch.softmax(q @ k.mT, -1).to(torch.float32), v)
        torch.baddbmm(v[0], torch.softmax(q[0] @ k[0].mT, -1), v[0])
        classifier(v).softmax(-1).sum()
        functional.softmax(v[0, 0], -1) @ classifier.weight.T[:, :1]
    assert log.missed == 3
    assert not log


def test_unlike_torch_nothing_is_said_twice(qkv):
    """Exact rows call torch's kernel itself: no recursion, one certificate a call."""
    with vn.use() as log:
        vn.sdpa(*qkv)
        with torch.no_grad():
            vn.attention(*qkv, output_error="1e-2")
    assert len(log) == 1


@pytest.mark.parametrize(
    "weights",
    [
        lambda x: x[0, 0].softmax(-1),
        lambda x: torch.nn.functional.softmin(-x, -1),
        lambda x: torch.nn.functional.gumbel_softmax(x),
        lambda x: x.log_softmax(-1).exp(),
        lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
        lambda x: torch.ops.aten._softmax.default(x, -1, False),
    ],
)
def test_missed_does_not_see_what_the_guide_says_it_does_not(weights):
    """Documented limits: where one is seen one day, docstring and guide change."""
    x = torch.linspace(-1, 1, 24).reshape(1, 2, 4, 3)
    with vn.use() as log:
        w = weights(x @ x.mT)
        _ = w @ x[0, 0] if w.ndim == 2 else w @ x
    assert (len(log), log.missed) == (0, 0)
