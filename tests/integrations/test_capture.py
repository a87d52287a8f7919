"""What `watch` sees, and that the model does not notice; the pairs of checks/coverage.py."""

from __future__ import annotations

import gc
import importlib.util
import sys
import weakref
from pathlib import Path

import pytest

import varnum as vn

torch = pytest.importorskip("torch")
F = torch.nn.functional

PATH = Path(__file__).parents[2] / "checks" / "coverage.py"
spec = importlib.util.spec_from_file_location("coverage_pairs", PATH)
coverage = importlib.util.module_from_spec(spec)
sys.modules["coverage_pairs"] = coverage
spec.loader.exec_module(coverage)

TORCH = list(coverage.of_torch())
SOME = [  # of transformers: what torch's own pairs do not have
    "Llama GQA left-padded, sdpa", "BLOOM ALiBi, eager", "Gemma2 softcap, eager",
    "GPT-OSS sinks, eager", "T5, eager", "Swin, eager", "DeBERTa-v2, eager",
]  # fmt: skip

nested = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
unfused = pytest.mark.filterwarnings("ignore:.*flex_attention called without")
hooked = pytest.mark.filterwarnings("ignore:Using `torch.compile")
scripts = pytest.mark.filterwarnings("ignore:.*torch.jit")


@nested
@unfused
@hooked
@scripts
@pytest.mark.parametrize("mode", list(coverage.MODES))
@pytest.mark.parametrize("pair", TORCH, ids=lambda p: p.name)
def test_torch(pair, mode):
    assert coverage.try_one(pair, mode) == ""


@pytest.mark.parametrize("name", SOME)
def test_transformers(name):
    pytest.importorskip("transformers", reason="transformers is not installed (an extra)")
    pair = next(p for p in coverage.of_transformers() if name in p.name)
    assert coverage.try_one(pair, "no_grad") == ""


def test_the_list_is_long_enough():
    names = [pair.name for family in coverage.FAMILIES.values() for pair in family()]
    assert len(names) == len(set(names)) >= 55 + 12


def seen_in(name):
    pytest.importorskip("transformers", reason="transformers is not installed (an extra)")
    torch.manual_seed(0)
    pair = next(p for p in coverage.of_transformers() if name in p.name)
    model, run = pair.build()
    with torch.no_grad(), vn.watch(model) as seen:
        run()
    return seen


def test_names_masks_softcap_and_sinks():
    calls = seen_in("Gemma2 softcap").calls
    assert [c.module for c in calls] == ["layers.0.self_attn", "layers.1.self_attn"]
    assert [c.softcap for c in calls] == [50.0, 50.0]
    assert [c.mask_kind for c in calls] == ["window", "causal"]
    assert {c.scale for c in calls} == {256**-0.5}
    calls = seen_in("GPT-OSS").calls
    assert calls[0].sinks.shape[-1] == 1
    calls = seen_in("BLOOM").calls
    assert calls[0].mask_kind == "additive"
    calls = seen_in("Llama GQA, sdpa").calls
    assert (calls[0].q.shape[1], calls[0].k.shape[1], calls[0].causal) == (4, 2, True)


def attention(q, k, v):
    return torch.softmax(q @ k.mT, -1) @ v


def heads(count=3, length=20, d=4, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(3, 1, count, length, d, generator=draw)


@pytest.mark.parametrize("train", [False, True])
def test_gradients_are_the_same_bits(train):
    """Dropout included: nothing of the global random state is used."""
    layer = torch.nn.TransformerEncoderLayer(16, 4, 32, dropout=0.2, batch_first=True).train(train)
    x, found = torch.randn(2, 7, 16), []
    for watched in (False, True):
        torch.manual_seed(3)
        layer.zero_grad()
        if watched:
            with vn.watch(layer) as seen:
                layer(x).square().sum().backward()
        else:
            layer(x).square().sum().backward()
        found.append([p.grad.clone() for p in layer.parameters()])
    assert seen.count == 1
    assert seen.calls[0].dropout == (0.2 if train else 0.0)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_keep_none_keeps_nothing_alive():
    alive = []

    def look(call):
        alive.extend(weakref.ref(t) for t in (call.q, call.k, call.v))

    with torch.no_grad(), vn.watch(keep="none", on_call=look) as seen:
        q, k, v = heads()
        alive += [weakref.ref(q.untyped_storage()), weakref.ref(q)]
        attention(q, k, v)
        F.scaled_dot_product_attention(q, k, v)
        del q, k, v
    gc.collect()
    assert seen.count == 2
    assert seen.calls[0].q is None
    assert [ref() for ref in alive] == [None] * len(alive)


def test_calls_are_copies_unless_they_are_looked_at():
    pointers = []
    q, k, v = heads()
    with vn.watch(on_call=lambda call: pointers.append(call.k.data_ptr())) as seen:
        F.scaled_dot_product_attention(q, k, v)
    assert pointers == [k.data_ptr()]
    assert seen.calls[0].k.data_ptr() != k.data_ptr()
    assert torch.equal(seen.calls[0].k, k)


def test_more_than_max_bytes_is_counted():
    q, k, v = heads()
    with vn.watch(max_bytes=5 * q.nbytes) as seen:
        for _ in range(3):
            F.scaled_dot_product_attention(q, k, v)
    assert (seen.count, len(seen.calls), seen.dropped) == (3, 1, 2)


@pytest.mark.parametrize("causal", [False, True])
def test_a_sample_is_rows_and_keys(causal):
    q, k, v = heads(length=40)
    with vn.watch(keep="sample", sample=8) as seen:
        F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    call = seen.calls[0]
    assert call.q.shape == call.k.shape == (1, 3, 8, 4)
    assert call.sizes == (40, 40)
    rows = [int((q[0, 0] == row).all(1).nonzero()) for row in call.q[0, 0]]
    keys = [int((k[0, 0] == key).all(1).nonzero()) for key in call.k[0, 0]]
    assert rows == sorted(rows)
    if causal:
        assert call.mask.tolist() == [[j <= i for j in keys] for i in rows]


def test_modules_are_chosen_by_path():
    layer = torch.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 3, enable_nested_tensor=False).eval()
    x = torch.randn(2, 5, 16)
    for modules, expected in ((["layers.1"], [1]), (["layers.[02]*"], [0, 2]), (["no"], [])):
        with torch.no_grad(), vn.watch(model, modules=modules) as seen:
            model(x)
        assert [c.module for c in seen.calls] == [f"layers.{i}" for i in expected]


def changed_between(q, k, v):
    scores = q @ k.mT
    q.mul_(2)
    return scores.softmax(-1) @ v


def weights_changed(q, k, v):
    return ((q @ k.mT).softmax(-1) * torch.rand(q.shape[-2], k.shape[-2])) @ v


def weights_mixed(q, k, v):
    return torch.einsum("hg,bgij->bhij", torch.randn(3, 3), (q @ k.mT).softmax(-1)) @ v


def no_product(q, k, v):
    return (q[..., :, None, :] - k[..., None, :, :]).square().sum(-1).softmax(-1) @ v


def two_products(q, k, v):
    return torch.cat([q @ k.mT, q @ k.mT], -1).softmax(-1) @ torch.cat([v, v], -2)


def some_keys(q, k, v):
    return (q @ k.mT).softmax(-1)[..., :5] @ v[..., :5, :]


def spread_over(q, k, v):
    return ((q @ k.mT).softmax(-1)[..., None] * v[..., None, :, :]).sum(-2)


def added_to(q, k, v):
    weights = (q[0, 0] @ k[0, 0].mT).softmax(-1)
    return torch.addmm(torch.zeros(len(q[0, 0]), v.shape[-1]), weights, v[0, 0])


def one_row(q, k, v):
    return v[0, 0].mT.mv((k[0, 0] @ q[0, 0, 0]).softmax(-1))


def guaranteed(q, k, v):
    with vn.use():
        return F.scaled_dot_product_attention(q, k, v)


def no_numbers(q, k, v):
    return F.scaled_dot_product_attention(q * float("nan"), k, v)


NOTICED = [
    (spread_over, "entry by entry"), (added_to, "in addmm"), (one_row, "in mv"),
    (guaranteed, "varnum.sdpa"), (no_numbers, "off by nan"),
    (changed_between, "do not give its output"), (weights_changed, "multiplied"),
    (weights_mixed, ""), (no_product, "no known product"), (two_products, "joined"),
    (some_keys, "meet no values"),
]  # fmt: skip


@pytest.mark.parametrize(("how", "what"), NOTICED, ids=lambda x: getattr(x, "__name__", None))
def test_what_is_not_captured_is_reported(how, what):
    q, k, v = heads()
    with torch.no_grad(), vn.watch() as seen:
        how(q.clone(), k, v)
    assert not seen.complete
    assert any(what in u.what for u in seen.unexplained)
    assert not any(call.verified for call in seen.calls)


def test_a_wrong_call_is_seen_to_be_wrong():
    """The recomputation notices a scale that is 1 % off, and a mask that is one key off."""
    from dataclasses import replace

    from varnum.integrations.call import reproduces

    q, k, v = heads()
    with vn.watch() as seen:
        F.scaled_dot_product_attention(q, k, v, is_causal=True)
    call = seen.calls[0]
    assert reproduces(call, 256)[0] is True
    assert reproduces(replace(call, scale=call.scale * 1.01), 256)[0] is False
    keep = torch.ones(20, 20, dtype=torch.bool)
    keep[19, 0] = False
    assert reproduces(replace(call, mask=keep), 256)[0] is False


def test_tensors_without_numbers_are_reported():
    q = torch.empty(1, 2, 5, 4, device="meta")
    with torch.no_grad(), vn.watch() as seen:
        F.scaled_dot_product_attention(q, q, q)
        attention(q, q, q)
    assert seen.count == 0
    assert {u.what for u in seen.unexplained} == {"tensors on the meta device hold no numbers"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "some"}, "keep: 'some' is not allowed; one of all, sample, none"),
        ({"sample": 0}, "sample: 0 is not allowed"),
        ({"modules": "layers.0"}, "give a list of module paths"),
    ],
)
def test_bad_options_are_one_line(options, message):
    with pytest.raises(vn.InputError, match=message), vn.watch(**options):
        pass


def test_what_the_model_raises_is_raised_and_nothing_stays_behind():
    from torch.nn.modules import module

    before = len(module._global_forward_hooks), len(module._global_forward_pre_hooks)
    with pytest.raises(ZeroDivisionError), vn.watch(torch.nn.Linear(2, 2)):
        raise ZeroDivisionError
    assert (len(module._global_forward_hooks), len(module._global_forward_pre_hooks)) == before


def test_values_show_and_hold_little():
    seen = vn.capture(attention, *heads())
    assert repr(seen) == "Seen(1 calls, 0 dropped, 0 unexplained)"
    assert len(repr(seen.calls[0])) < 200
    assert "verified" in repr(seen.calls[0])
