"""The audit of attention calls: views, logits, outputs, sources; oracles in long double."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import varnum as vn
from varnum.audit.calls.call_audit import audit_call
from varnum.audit.calls.call_output import (
    attend,
    choose,
    exact_operations,
    fit_framed,
    most_features,
    operations,
    run_exactly,
)
from varnum.audit.calls.call_source import FileSource, TorchSource, collect, tasks_of
from varnum.audit.calls.call_task import CallTask
from varnum.audit.calls.logits import certify_call_logits, certify_parts
from varnum.audit.calls.view import kept, view_of
from varnum.audit.executor import Here
from varnum.audit.head_audit import audit_head
from varnum.audit.row_check import wrong_field
from varnum.audit.row_file import RowFile
from varnum.audit.run import Asked, audit
from varnum.audit.task import HeadTask, Target
from varnum.integrations.call import Call

TARGET = Target.of(Fraction(1, 10))
L = 100


def arrays(length=L, d=4, size=0.8, seed=0):
    rng = np.random.default_rng(seed)
    q, k = size * rng.standard_normal((2, length, d))
    return q, k, k @ rng.standard_normal((d, 3)) + 0.3


def mask_of(kind, length=L):
    i, j = np.indices((length, length))
    return {
        "full": None,
        "causal": j <= i,
        "window": (j <= i) & (j > i - 40),
        "block-causal": j < (i // 20 + 1) * 20,
        "both sides": np.abs(i - j) < 30,
    }[kind]


KINDS = ["full", "causal", "window", "block-causal", "both sides"]


def task_of(kind, **changes):
    q, k, v = arrays()
    mask = mask_of(kind)
    name = "window" if kind == "both sides" else kind
    task = CallTask({}, q, k, v, 0.6, view_of(mask, L, L, name), (TARGET,))
    return replace(task, **changes)


def oracle(task, mask, bias=None, cap=None):
    """Logits (with -inf), output and ranges in long double."""
    q, k, v = (x.astype(np.longdouble) for x in (task.q, task.k, task.v))
    x = np.longdouble(task.scale) * (q @ k.T)
    x = x if cap is None else cap * np.tanh(x / cap)
    x = x if bias is None else x + bias
    mask = np.ones(x.shape, bool) if mask is None else mask
    weights = np.where(mask, np.exp(x - x.max()), 0)
    out = weights @ v / weights.sum(1, keepdims=True)
    ranges = np.stack([np.ptp(v[row], axis=0) for row in mask])
    return x, mask, out, ranges


@pytest.mark.parametrize("kind", KINDS)
def test_parts_cover_what_is_seen_and_nothing_else(kind):
    view, mask = task_of(kind).view, mask_of(kind)
    mask = np.ones((L, L), bool) if mask is None else mask
    found = np.zeros((L, L), int)
    for part in view.parts:
        for keys in (part.keys, *part.edges):
            seen = view.seen(part, keys)
            assert keys != part.keys or seen.all()
            found[part.rows, keys] += seen
    assert (found == mask).all()
    assert view.pairs == mask.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("more", ["plain", "bias", "cap"])
def test_logits_are_enclosed(kind, more):
    rng = np.random.default_rng(1)
    bias = rng.standard_normal((L, L)) if more == "bias" else None
    cap = 1.5 if more == "cap" else None
    task = task_of(kind, bias=bias, softcap=cap)
    x, mask, *_ = oracle(task, mask_of(kind), bias, cap)
    M = np.abs(x[mask]).max()
    half = max((x[i][mask[i]].max() - x[i][mask[i]].min()) / 2 for i in range(L))
    found = certify_parts(task, 0 * task.q[0])
    assert max(m.M.low for m in found) <= M <= max(m.M.high for m in found)
    assert max(m.spread.low for m in found) <= half <= max(m.spread.high for m in found)
    assert max(m.M.high for m in found) <= M * (1 + 1e-12)
    assert max(m.spread.high for m in found) <= half * (1 + 1e-12)


def test_the_spread_of_centred_queries_is_taken_where_it_is_smaller():
    task = task_of("causal")
    moved = replace(task, q=task.q + 5)
    plain, (found, centred) = certify_parts(moved, 0 * task.q[0]), certify_call_logits(moved)
    assert centred
    assert max(m.spread.high for m in found) < max(m.spread.high for m in plain)


@pytest.mark.parametrize("kind", KINDS)
def test_exact_output_and_compared_output_keep_their_errors(kind):
    q, k, v = arrays(size=0.5)
    task = task_of(kind, q=q, k=k, v=v)
    _, _, out, ranges = oracle(task, mask_of(kind))
    moving = ranges > 0
    exactly = run_exactly(task, task.view)
    off = np.abs(exactly.output - out)
    assert (exactly.output[~moving] == out[~moving]).all()
    assert (off[moving] / ranges[moving]).max() <= exactly.error < 1e-9
    framed = fit_framed(task, most_features(task.view, 4, 3))
    found = choose(framed, task, task.view, exactly, TARGET.error_float)
    assert found.rank > 0
    parts = attend(framed, task.v, task.view, found.rank)
    for part, mine, low, error in zip(task.view.parts, parts, found.low, found.errors, strict=True):
        if low:
            there = moving[part.rows]
            worst = (np.abs(mine - out[part.rows])[there] / ranges[part.rows][there]).max()
            assert worst <= error <= 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_edges_count_as_exact_attention(kind):
    view = task_of(kind).view
    _, queries = operations(view, 2, 3, 4, 3)
    _, plain = operations(task_of("full").view, 2, 3, 4, 3)
    inside = sum((p.rows.stop - p.rows.start) * (p.keys.stop - p.keys.start) for p in view.parts)
    assert sum(queries) - sum(plain) == (view.pairs - inside) * (4 + 3 + 1)
    assert sum(exact_operations(view, 4, 3)) == view.pairs * (4 + 3 + 1)


def test_all_monomials_give_exact_attention():
    """Edges and states together are the whole kernel: with many features nothing is missing."""
    for kind in KINDS:
        q, k, v = arrays(size=0.4)
        task = task_of(kind, q=q, k=k, v=v)
        _, _, out, ranges = oracle(task, mask_of(kind))
        framed = fit_framed(task, 900)
        found = np.concatenate(attend(framed, task.v, task.view, 900))
        assert np.abs(found - out)[ranges > 0].max() < 1e-4


SAME = (
    "d", "M", "spread", "dimension", "degree_spread", "rank_spread", "rank_certified", "pivots",
    "rank_lower", "centred", "rank_reference", "rank_output", "coordinates", "rows_exact",
    "ops_output", "ops_exact", "pays_output", "cache", "state_output", "eps_certified",
    "pays_certified", "rank_attention", "rows_attention",
)  # fmt: skip


@pytest.mark.parametrize("sides", [(10,), (2, 4, 6, 8)])
def test_a_view_of_scales_says_what_the_audit_of_a_var_head_says(sides):
    """Two programs, one head: block-causal as a schedule of maps and as a mask."""
    from varnum.audit.apriori import PlainHead

    lengths = [s * s for s in sides]
    q, k, v = arrays(sum(lengths), seed=3)
    weights = PlainHead(*np.zeros((2, 4, 4)), *np.zeros((3, 4)))
    (var,) = audit_head(HeadTask({}, q, k, v, 0.6, weights, sides, (TARGET,)))
    ends = np.repeat(np.cumsum(lengths), lengths)
    mask = np.arange(len(q))[None, :] < ends[:, None]
    view = view_of(mask, len(q), len(q), "block-causal" if len(sides) > 1 else "full")
    (call,) = audit_call(CallTask({}, q, k, v, 0.6, view, (TARGET,)))
    names = SAME if len(sides) == 1 else [n for n in SAME if "certified" not in n and n != "pivots"]
    assert {n: call[n] for n in names} == {n: var[n] for n in names}
    assert [s["tokens"] for s in call["scales"]] == lengths
    for name in ("M", "spread", "rank_output", "ops_output", "rank_lower"):
        assert [s[name] for s in call["scales"]] == [s[name] for s in var["scales"]]


def tasks(call, **asked):
    return list(tasks_of(call, "m", 0, Asked((TARGET,), **asked), None, None, None))


def call_of(q, k, v, **more):
    return Call("here", 0, "eager", (q.shape[-2], k.shape[-2]), q, k, v, 0.6, **more)


def test_padding_is_dropped_first():
    q, k, v = arrays()
    mask = np.ones((1, L), bool)
    mask[0, 70:] = False
    (task,) = tasks(call_of(q, k, v, mask=mask, mask_kind="padding"))
    assert (task.k.shape, task.v.shape, task.view.kind) == ((70, 4), (70, 3), "padding")
    assert task.view.full
    causal = mask_of("causal") & mask
    causal[80:] = False
    (task,) = tasks(call_of(q, k, v, mask=causal, mask_kind="boolean"))
    assert (len(task.q), len(task.k)) == (80, 70)


@pytest.mark.parametrize("kind", ["full", "causal", "window"])
def test_a_sum_of_row_and_column_terms_is_folded(kind):
    q, k, v = arrays()
    rng = np.random.default_rng(4)
    bias = rng.standard_normal((L, 1)) + rng.standard_normal(L)
    mask = mask_of(kind)
    given = bias if mask is None else np.where(mask, bias, -np.inf)
    (task,) = tasks(call_of(q, k, v, mask=given, mask_kind="additive"))
    assert task.bias is None
    assert (task.reason, task.q.shape[1]) == ("", 5)
    _, _, out, ranges = oracle(replace(task_of(kind), q=q, k=k, v=v), mask, bias)
    exactly = run_exactly(task, task.view)
    assert np.abs(exactly.output - out)[ranges > 0].max() < 1e-12


def test_another_bias_leaves_the_logits_alone():
    q, k, v = arrays()
    bias = np.random.default_rng(5).standard_normal((L, L))
    (task,) = tasks(call_of(q, k, v, mask=bias, mask_kind="additive"))
    (row,) = audit_call(task)
    assert "no sum" in row["reason"]
    assert (row["rank_output"], row["pays_output"], row["triage"]) == (None, None, None)
    x, *_ = oracle(task, None, bias)
    assert row["M"][0] <= np.abs(x).max() <= row["M"][1]
    (other,) = tasks(call_of(q, k, v, softcap=2.0))
    assert "softcap" in audit_call(other)[0]["reason"]


def test_sinks_are_keys_without_values():
    q, k, v = arrays()
    for kind in ("full", "causal"):
        mask = mask_of(kind)
        (task,) = tasks(call_of(q, k, v, mask=mask, sinks=np.array([[0.7, -0.2]])))
        plain = replace(task_of(kind), q=q, k=k, v=v)
        x, seen, *_ = oracle(plain, mask)
        weights = np.where(seen, np.exp(x), 0)
        total = weights.sum(1, keepdims=True) + np.exp(0.7) + np.exp(-0.2)
        assert np.abs(run_exactly(task, task.view).output - weights @ v / total).max() < 1e-12


@pytest.mark.parametrize("scale", [0.0, 1e-30, -1e-30])
@pytest.mark.parametrize("more", [{}, {"sinks": np.zeros((1, 1, 1, 1))}, {"mask": np.ones((9, 9))}])
def test_a_scale_without_ranks_leaves_the_logits(scale, more):
    q, k, v = arrays(9)
    (task,) = tasks(replace(call_of(q, k, v, **more), scale=scale))
    (row,) = audit_call(task)
    assert row["reason"].startswith("a scale of ")
    assert row["rank_certified"] is None
    most = float(np.abs(abs(scale) * q @ k.T + (1 if "mask" in more else 0)).max())
    assert row["M"][0] <= most <= row["M"][1] <= most * 1.00001 + 1e-12


def test_one_strange_scale_leaves_the_rest_of_an_audit():
    """Neither a scale of 0 nor a negative one ends it; one past all bounds is unexplained."""
    torch = pytest.importorskip("torch")
    x = torch.linspace(-1, 1, 64).sin().reshape(1, 2, 8, 4)
    y = x.double()

    def model(scales):
        for scale in scales:
            z = y * 1e-20 if abs(scale) > 1e9 else y
            torch.nn.functional.scaled_dot_product_attention(z, z, y, scale=scale)

    source = TorchSource("toy", model, ([0.5, 0.0, -0.5, 1e15],))
    rows = collect(source, Asked((TARGET,)), audit_call)
    assert [row["reason"] for row in rows] == [
        None,
        None,
        "a scale of 0",
        "a scale of 0",
        None,
        None,
    ]
    assert source.unexplained == [("(no module)", "a scale of 1000000000000000.0, not audited")]
    with pytest.raises(vn.InputError, match=r"no attention was captured in this run .*a scale of"):
        collect(TorchSource("toy", model, ([1e15],)), Asked((TARGET,)), audit_call)


def test_a_mask_without_intervals_and_what_is_kept():
    mask = np.random.default_rng(0).random((L, L)) < 0.5
    rows, keys, rest = kept(mask)
    assert view_of(rest, len(rows), len(keys), "boolean") is None
    (task,) = tasks(call_of(*arrays(), mask=mask, mask_kind="boolean"))
    (row,) = audit_call(task)
    x, *_ = oracle(task_of("full"), None)
    assert row["M"][0] <= np.abs(x[mask]).max() <= row["M"][1]
    assert "interval" in row["reason"]


def test_grouped_heads_and_rows_of_the_right_kind():
    q = np.stack([arrays(seed=s)[0] for s in range(4)])[None]
    k, v = (np.stack([arrays(seed=s)[i] for s in (7, 8)])[None] for i in (1, 2))
    found = tasks(call_of(q, k, v))
    assert [t.names["head"] for t in found] == [0, 1, 2, 3]
    assert all((t.k == k[0, h // 2]).all() for h, t in enumerate(found))
    assert all(wrong_field(row) is None for t in found for row in audit_call(t))


def file_source(seed=0):
    q, k, v = arrays(60, seed=seed)
    both = {f"{n}_{i}": x for i in "ab" for n, x in zip("qkv", (q, k, v), strict=True)}
    return FileSource("file", both)


def test_a_torn_file_ends_the_same(tmp_path):
    asked = Asked((TARGET, Target.of(Fraction(1, 100))))
    header = {"digest": "d", "question": {}}

    def run(path, seed=0, resume=False):
        rows = RowFile(str(path), header, resume=resume)
        try:
            audit([file_source(seed)], asked, rows, Here)
        finally:
            rows.close()
        return rows

    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    run(whole)
    content = whole.read_bytes()
    for cut in (len(content) // 3, len(content) - 9):
        torn.write_bytes(content[:cut])
        assert run(torn, resume=True).taken > 0
        assert torn.read_bytes() == content
    with pytest.raises(vn.InputError, match="began with other inputs or weights"):
        run(torn, seed=1, resume=True)
    assert torn.read_bytes() == content
    lines = content.splitlines(keepends=True)
    torn.write_bytes(lines[0] + lines[2] + lines[1])
    with pytest.raises(vn.InputError, match="out of place"):
        run(torn, resume=True)


def test_a_model_as_source():
    torch = pytest.importorskip("torch")
    layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    found = vn.audit_model(model, (torch.randn(2, 50, 16),), output_error="1e-1", name="small")
    assert found.complete
    assert [(r["module"], r["batch"], r["head"]) for r in found.rows] == [
        (f"layers.{i}", b, h) for i in range(2) for b in range(2) for h in range(2)
    ]
    assert {r["verified"] for r in found.rows} == {True}
    assert "small: 8 heads, 2 layers, 50 tokens" in found.text()
    assert "layers.1, head 1" in found.html()
    assert len(repr(found)) < 200
    one = vn.audit_model(model, (torch.randn(2, 50, 16),), batch=1, heads=1)
    assert len(one.rows) == 2
    with torch.no_grad(), vn.watch(model) as seen:
        torch.manual_seed(0)
        x = torch.randn(1, 50, 16)
        model(x)
    named = {"q": seen.calls[0].q, "k": seen.calls[0].k, "v": seen.calls[0].v}
    file = FileSource("f", {n: x.numpy() for n, x in named.items()})
    rows = collect(file, Asked((TARGET,)), audit_call)
    want = vn.audit_model(model, (x,), output_error="1e-1").rows[:2]
    for row, other in zip(rows, want, strict=True):
        assert {n: row[n] for n in SAME} == {n: other[n] for n in SAME}
        assert row["qkv_crc32"] == other["qkv_crc32"]


SCRIPT = """
import torch
def build():
    torch.manual_seed(0)
    model = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    return model, tuple(torch.randn(3, 1, 30, 8))
def hand():
    q = torch.randn(20, 4)
    return (lambda x: torch.exp(x @ x.T) @ x), (q,)
def without(): return torch.nn.Linear(2, 2), (torch.ones(1, 2),)
def raises(): raise RuntimeError("no weights\\nhere")
def one(): return 3
def meta(): return torch.nn.Linear(2, 2, device="meta"), ()
def misfit(): return torch.nn.Linear(2, 2), (torch.ones(1, 3),)
def inputs(): return torch.nn.Linear(2, 2), torch.ones(1, 2)
def leaves(): raise SystemExit(0)
def nans():
    def model(x): return torch.nn.functional.scaled_dot_product_attention(x, x, x)
    return model, (torch.full((1, 1, 20, 4), float("nan")),)
number = 3
"""
REFUSED = [
    (["--torch", "s.py:raises"], "s.py:raises: raises() raised RuntimeError: no weights here"),
    (
        ["--torch", "s.py:without"],
        "Linear: no attention was captured in this run (nothing like it)",
    ),
    (["--torch", "s.py:hand"], "no attention was captured in this run ((no module): exp of a"),
    (["--torch", "s.py:misfit"], "Linear: the model raised RuntimeError: mat1 and mat2 shapes"),
    (["--torch", "s.py:leaves"], "s.py:leaves: leaves() raised SystemExit: 0"),
    (["--torch", "s.py:nans"], "no attention was captured in this run ((no module): captured, but"),
    (["--torch", "s.py:one"], "returned int; need (model, inputs)"),
    (["--torch", "s.py:number"], "no function 'number' in it"),
    (["--torch", "s.py:meta"], "weights on the meta device hold no numbers"),
    (["--torch", "s.py:inputs"], "inputs are Tensor; a tuple or a dict"),
    (["--torch", "s.py"], "need script.py:build"),
    (["--torch", "none.py:f"], "none.py: no such script"),
    (["--torch", "broken.py:f"], "broken.py: raised SyntaxError"),
    (["--model", "no.such:f"], "no.such: cannot be imported: ModuleNotFoundError"),
    (["--torch", "s.py:build", "--random", "var-tiny"], "--torch: does not go with --random"),
    (["--torch", "s.py:build", "--heads", "0"], "--heads: 0 is not allowed"),
    (["--random", "var-tiny", "--batch", "1"], "--batch: is for --torch"),
    (["--arrays", "q.npz"], "q.npz: q is there, k is missing"),
    (["--arrays", "ints.npz"], "allowed: floats (.., L, d)"),
    (["--arrays", "s.py"], "not a readable .npz"),
]


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text(SCRIPT)
    (tmp_path / "broken.py").write_text("def f(:")
    q, k, v = arrays(40)
    np.savez("good.npz", q=q, k=k, v=v)
    np.savez("q.npz", q=q)
    np.savez("ints.npz", q=np.ones((3, 2), int), k=k, v=v)


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=lambda x: "-".join(x[:2]))
def test_bad_input_is_one_line(varnum, scripts, options, message):
    pytest.importorskip("torch")
    code, out, err = varnum("audit", *options, "--jobs", 1)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_the_command(varnum, scripts):
    pytest.importorskip("torch")
    many = ["--output-error", "1e-1", "--jobs", 1, "--out", "r.jsonl", "--html", "r.html"]
    code, out, err = varnum("audit", "--torch", "s.py:build", *many)
    assert (code, err) == (0, "")
    assert out.startswith("MultiheadAttention: 2 heads, 1 layers, 30 tokens, 1 prompt(s)\n")
    code, again, err = varnum("audit", "--torch", "s.py:build", *many, "--resume")
    assert (code, again) == (0, out)
    assert "2 rows were taken from r.jsonl" in err
    code, out, _ = varnum("audit", "--arrays", "good.npz", "--json", "--jobs", 1)
    answer = json.loads(out)
    assert (code, answer["complete"], len(answer["rows"])) == (0, True, 1)
    assert answer["rows"][0]["kind"] == "call"


# bounds of the logits


def test_a_logit_bound_holds_and_is_reached():
    rng = np.random.default_rng(0)
    wq, wk = rng.uniform(0.2, 2, (2, 8))
    bound = float(vn.logit_bound(q_norm=("rms", wq), k_norm=("rms", wk)))
    x = rng.standard_normal((2, 4000, 8))
    x *= np.sqrt(8) / np.linalg.norm(x, axis=-1, keepdims=True)
    assert np.abs((x[0] * wq) @ (x[1] * wk).T).max() / np.sqrt(8) <= bound
    axis = np.zeros(8)
    axis[np.argmax(wq * wk)] = np.sqrt(8)
    reached = (axis * wq) @ (axis * wk) / np.sqrt(8)
    assert reached <= bound <= reached * 1.001


@pytest.mark.parametrize("rope", ["half", "interleaved"])
def test_a_rotation_in_between_is_covered(rope):
    wq, wk = np.array([3.0, 0.1, 0.1, 0.1]), np.array([0.1, 0.1, 0.1, 3.0])
    wk = wk[[0, 1, 3, 2]] if rope == "half" else wk[[0, 3, 1, 2]]
    plain = float(vn.logit_bound(q_norm=("rms", wq), k_norm=("rms", wk)))
    turned = float(vn.logit_bound(q_norm=("rms", wq), k_norm=("rms", wk), rope=rope))
    other = 2 if rope == "half" else 1
    q, k = np.zeros((2, 4))
    q[0], k[other] = 2.0 * wq[0], 2.0 * wk[other]
    reached = np.linalg.norm(q) * np.linalg.norm(k) / 2  # a quarter turn takes 0 to its partner
    assert plain < reached <= turned <= reached * 1.001


def test_other_norms_and_caps():
    w, b = np.ones(4), np.array([0.0, 1.0, 0.0, 0.0])
    layer = vn.logit_bound(sigma=1, q_norm=("layer", w, b), k_norm=("layer", w))
    assert 4 + 2 <= layer <= 6.001
    both = vn.logit_bound(sigma=1, q_norm=("layer", w, b), k_norm=("layer", w, b))
    assert 4 + 2 + 2 + 1 <= both <= 9.001
    assert 5 <= vn.logit_bound(sigma="1/5", q_norm=("l2", None), k_norm=("l2", None)) <= 5.01
    assert vn.logit_bound(softcap="30") == 30
    assert vn.logit_bound(q_norm=("rms", w), k_norm=("rms", w), softcap="1/2") == Fraction(1, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give q_norm and k_norm, or softcap"),
        ({"q_norm": ("rms", np.ones(4))}, "go together"),
        ({"q_norm": ("batch", 1), "k_norm": ("l2", None)}, "'batch' is not allowed"),
        ({"q_norm": ("rms", np.ones(4)), "k_norm": ("rms", np.ones(3))}, "one head dimension"),
        ({"q_norm": ("rms", np.ones((2, 2))), "k_norm": ("l2", None)}, "finite numbers (d,)"),
        ({"q_norm": ("l2", None), "k_norm": ("l2", None)}, "with l2 give a number"),
        ({"softcap": "-1"}, "softcap: -1 is not above 0"),
        ({"q_norm": 5, "k_norm": 5}, "q_norm: 5 is not allowed"),
        ({"q_norm": {"rms": 1}, "k_norm": 5}, "q_norm: {'rms': 1} is not allowed"),
        ({"q_norm": ([],), "k_norm": 5}, "q_norm: [] is not allowed"),
        ({"q_norm": ("rms", "x"), "k_norm": ("l2", None)}, "q_norm: its weight must be finite"),
        ({"q_norm": ("rms", [10**400]), "k_norm": ("l2", None)}, "its weight must be finite"),
        ({"softcap": float("inf")}, "softcap: inf is not finite"),
    ],
)
def test_bad_bounds_are_one_line(given, message):
    with pytest.raises(vn.InputError) as refused:
        vn.logit_bound(**given)
    assert message in str(refused.value)


def test_a_bound_is_offered_where_the_norms_do_what_they_say():
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class OnePlus(nn.Module):
        """A norm of this name that multiplies by 1 + weight: the formula does not hold."""

        def __init__(self, d):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([5.0, *[0.1] * (d - 1)]))

        def forward(self, x):
            return (1 + self.weight) * x / x.square().mean(-1, keepdim=True).sqrt()

    class OnePlusRMSNorm(OnePlus):
        pass

    class Attention(nn.Module):
        def __init__(self, norm):
            super().__init__()
            self.qkv, self.q_norm, self.k_norm = nn.Linear(8, 24), norm(8), norm(8)

        def forward(self, x):
            q, k, v = self.qkv(x).chunk(3, -1)
            q, k = self.q_norm(q), self.k_norm(k)
            return nn.functional.scaled_dot_product_attention(q, k, v)

    x = torch.randn(1, 1, 20, 8)
    for norm in (nn.RMSNorm, nn.LayerNorm):
        (row,) = vn.audit_model(Attention(norm), (x,)).rows
        assert row["M"][1] <= row["M_apriori"] < 2.84
        assert "proved if q, k come from these norms" in row["bound_from"]
        assert row["n_apriori"] > 20
    (row,) = vn.audit_model(Attention(OnePlusRMSNorm), (x,)).rows
    assert row["M_apriori"] is None
