"""attention(): every method against exact softmax, its guarantees, refusals, the command line."""

import json
import sys

import numpy as np
import pytest

import varnum as vn
from tests.support.backends import BACKENDS, placed
from tests.support.command import varnum
from tests.support.heads import correlated as head
from tests.support.oracle import ranges, softmax
from varnum._attention import resolve_sigma


def worst(result, q, k, v, sigma, scales=None):
    exact, spread = softmax(q, k, v, sigma, scales), ranges(v, len(q), scales)
    error = np.abs(np.asarray(result.output).astype(np.longdouble) - exact)
    assert (error[spread == 0] <= 1e-17).all()  # the oracle rounds, in long double
    return float((error[spread > 0] / spread[spread > 0]).max(initial=0))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {"eps": "1e-2"},
        {"eps": "1/100", "method": "monomials"},
        {"eps": "1e-3", "method": "pivots"},
        {"eps": "1e-3", "method": "exact"},
        {"output_error": "1e-2"},
        {"output_error": "1e-2", "method": "pivots"},
        {"output_error": "2e-2", "method": "monomials"},
        {"output_error": "1e-3", "scales": (1, 4, 16, 64, 256, 600)},
        {"output_error": "2e-2", "scales": (1, 4, 16, 64, 256, 600), "method": "moments"},
        {"eps": "1e-2", "scales": (1, 4, 16, 64, 256, 600)},
    ],
    ids=str,
)
def test_the_guarantee_holds(options, dtype, backend):
    q, k, v = head(8, 941, 0, dtype=dtype)
    given = placed(backend, q, k, v)
    result = vn.attention(*given, sigma="sqrt", **options)
    assert type(result.output) is type(given[2])
    assert result.certificate.reached
    assert options.get("method", result.certificate.method) == result.certificate.method
    error = worst(result, q, k, v, np.sqrt(np.longdouble(8)), options.get("scales"))
    assert error <= result.certificate.output_error < 1


@pytest.mark.parametrize("method", ["moments", "recovery"])
def test_hard_rows_run_exactly_and_the_target_holds(method):
    q, k, v = head(16, 1200, 1, 1.0, np.float32)
    q[::50] *= 12  # peaked rows that no small polynomial can follow
    result = vn.attention(q, k, v, sigma="sqrt", output_error="1e-2", method=method)
    certificate = result.certificate
    assert certificate.method == method
    assert 0 < certificate.rows_exact < 400
    assert worst(result, q, k, v, 4) <= certificate.certified_error <= 1e-2


def test_where_nothing_pays_it_says_so():
    q, k, v = head(8, 700, 2, 20.0, np.float32)
    for target in ({"output_error": "1e-2"}, {"eps": "1e-2"}):
        certificate = vn.attention(q, k, v, sigma="sqrt", **target).certificate
        assert certificate.method == "exact"
        assert certificate.reached
        assert certificate.reason
    with pytest.raises(vn.InputError, match="certifies nothing here"):
        vn.attention(q, k, v, eps="1e-2", method="pivots")


def test_batches_and_heads_keep_their_shape():
    parts = [head(4, 60, seed) for seed in range(6)]
    q, k, v = (np.stack([p[i] for p in parts]).reshape(2, 3, 60, -1) for i in range(3))
    result = vn.attention(q, k, v, eps="1e-2", sigma="d")
    assert result.output.shape == (2, 3, 60, 4)
    assert result.certificate.rows == 360
    for b in range(2):
        for h in range(3):
            exact = softmax(q[b, h], k[b, h], v[b, h], 4)
            assert np.abs(result.output[b, h] - exact).max() < 0.05


def test_cross_attention_of_different_lengths():
    q, k, v = head(6, 900, 4)
    for target in ({"output_error": "1e-2"}, {"eps": "1e-2"}):
        for count in (3, 700):
            result = vn.attention(q[:count], k, v, **target)
            error = worst(result, q[:count], k, v, np.sqrt(np.longdouble(6)))
            assert error <= result.certificate.output_error <= 1e-2


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 1)])
def test_tiny_problems(shape):
    q = np.full(shape, 0.5)
    for target in ({"output_error": "1e-2"}, {"eps": "1e-2"}):
        result = vn.attention(q, -q, q, **target)
        assert np.allclose(result.output, 0.5, atol=1e-2)


def test_half_precision_comes_back_as_float32():
    torch = pytest.importorskip("torch", reason="bfloat16 is a torch type")
    q, k, v = (torch.from_numpy(part).bfloat16() for part in head(8, 600, 3))
    result = vn.attention(q, k, v, output_error="1e-2")
    assert result.output.dtype == torch.float32
    wide = [part.double().numpy() for part in (q, k, v)]
    assert worst(result, *wide, np.sqrt(np.longdouble(8))) <= result.certificate.certified_error


Q, K, V = head(3, 5, 0)
BAD = {
    "k: head dimension 2, but q has 3": (Q, K[:, :2], V, {}),
    "v: 4 tokens, but k has 5": (Q, K, V[:4], {}),
    "q: holds nan or inf": (Q * np.nan, K, V, {}),
    "v: holds nan or inf": (Q, K, V * np.inf, {}),
    "k: dtype float32, but q has float64": (Q, K.astype(np.float32), V, {}),
    "q: dtype int64 is not allowed": (Q.astype(int), K, V, {}),
    "q: expected a NumPy array": ([[1.0]], K, V, {}),
    "q: shape": (Q[0], K, V, {}),
    "eps: 1.5 is not allowed": (Q, K, V, {"eps": "1.5"}),
    "eps: 0 is not allowed": (Q, K, V, {"eps": "0"}),
    "eps: 1e-400 is not allowed; above 1e-300": (Q, K, V, {"eps": "1e-400"}),
    "eps: 0.1 is a float": (Q, K, V, {"eps": 0.1}),
    "exactly one of eps": (Q, K, V, {"eps": "0.1", "output_error": "0.1"}),
    "sigma: -1": (Q, K, V, {"sigma": "-1"}),
    "sigma: 'foo' is not .*, sqrt, 4sqrt, or d": (Q, K, V, {"sigma": "foo"}),
    "scales: sum to 4": (Q, K, V, {"scales": (1, 3)}),
    "scales: .* is not allowed": (Q, K, V, {"scales": (5, 0)}),
    "method: 'magic'": (Q, K, V, {"method": "magic"}),
    "overflow float64; scale q and k down": (Q * 1e200, K * 1e200, V, {}),
    "overflow float32; pass float64": (*(np.float32(p * 1e20) for p in (Q, K, V)), {}),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_one_clear_line(message):
    q, k, v, options = BAD[message]
    if "eps" not in options:
        options = {"eps": "1e-2", **options}
    with pytest.raises(vn.InputError, match=message) as caught:
        vn.attention(q, k, v, **options)
    assert "\n" not in str(caught.value)


def test_loose_float32_products_are_refused():
    torch = pytest.importorskip("torch", reason="a torch setting")
    q, k, v = (torch.from_numpy(part) for part in head(3, 5, 0))
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(vn.InputError, match="set_float32_matmul_precision"):
            vn.attention(q, k, v, eps="1e-2")
    finally:
        torch.set_float32_matmul_precision("highest")


def test_scales_may_be_integers_of_any_kind():
    plain = vn.attention(Q, K, V, eps="1e-2", scales=(1, 4))
    for scales in ([1, 4], (np.int64(1), np.int32(4)), np.array([1, 4])):
        given = vn.attention(Q, K, V, eps="1e-2", scales=scales)
        assert (given.output == plain.output).all()


def test_sigma_by_name():
    assert resolve_sigma("sqrt", 16) == 4
    assert resolve_sigma("4sqrt", 16) == 16
    assert resolve_sigma("d", 16) == 16
    assert resolve_sigma("1/2", 16) == 0.5
    assert resolve_sigma(0.3, 16) == 0.3


def test_the_model_runs_on_the_guaranteed_kernel(monkeypatch):
    from varnum._slot import GuaranteedKernel
    from varnum.model.attention import exact_attention

    monkeypatch.setattr("varnum.lowrank.choose._FEW", 0.0)
    parts = [head(8, 900, seed, dtype=np.float32) for seed in range(4)]
    q, k, v = (np.stack([p[i] for p in parts]).reshape(2, 2, 900, -1) for i in range(3))
    scale = np.array([0.5, 0.3], dtype=np.float32).reshape(1, 2, 1, 1)
    for blocks in (None, (1, 4, 25, 100, 770)):
        kernel = GuaranteedKernel(output_error="1e-2")
        out = kernel(q, k, v, scale, blocks)
        exact = exact_attention(q, k, v, scale, blocks)
        assert out.shape == exact.shape
        assert out.dtype == np.float32
        assert np.abs(out - exact).max() <= kernel.worst.output_error * np.ptp(v)
        assert kernel.worst.reached
        assert kernel.worst.method == "apriori"
        assert 2 * kernel.operations < kernel.operations_exact
    with pytest.raises(vn.InputError, match="exactly one"):
        GuaranteedKernel()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
@pytest.mark.parametrize(
    "target",
    [{"output_error": "1e-2"}, {"eps": "1e-2"}, {"eps": "1e-6"}, {"output_error": "1e-5"}],
    ids=str,
)
def test_the_slot_counts_the_rounding_of_the_factor_and_of_the_output(dtype, target):
    """Against exact attention of the very q, k, v and factor given, whatever the dtype."""
    torch = pytest.importorskip("torch", reason="bfloat16 is a torch type")
    from varnum._slot import GuaranteedKernel

    q, k, v = (torch.from_numpy(part)[None, None].to(getattr(torch, dtype)) for part in HEAD)
    scale = torch.full((1, 1, 1, 1), 0.337).to(q.dtype)
    wide = [part.double().numpy()[0, 0].astype(np.longdouble) for part in (q, k, v, scale)]
    for blocks in (None, (1, 4, 15, 40)):
        kernel = GuaranteedKernel(**target)
        out = kernel(q, k, v, scale, blocks)
        assert out.dtype == q.dtype
        exact = softmax(wide[0] * wide[3], *wide[1:3], 1, blocks)
        spread = ranges(wide[2], len(exact), blocks)
        error = np.abs(out.double().numpy()[0, 0] - exact)
        assert (error[spread == 0] <= 1e-17).all()  # the oracle rounds, in long double
        seen = float((error[spread > 0] / spread[spread > 0]).max())
        assert seen <= kernel.worst.output_error < 0.2
        small = target.get("output_error") == "1e-5" and dtype != "float64"
        assert kernel.worst.reached or small or dtype == "bfloat16"
        if dtype == "bfloat16":  # 8 bits cannot carry less, and it says so
            assert seen > 5e-4


HEAD = head(8, 60, 7, 6.0)


def test_the_slot_counts_a_factor_that_rounds():
    """The product alone: in float32 the logits move by more than the kernel error asked for."""
    from varnum._slot import GuaranteedKernel, _logit_error

    q, k, v = (part[None, None].astype(np.float32) for part in head(8, 40, 8, 300.0))
    scale = np.full((1, 1, 1, 1), 0.337, dtype=np.float32)
    exact = (q.astype(np.longdouble) * scale) @ k.astype(np.longdouble).swapaxes(-1, -2)
    rounded = (q * scale).astype(np.longdouble) @ k.astype(np.longdouble).swapaxes(-1, -2)
    moved = float(np.abs(exact - rounded).max())
    assert 1e-4 < moved <= _logit_error(q * scale, k) < 50 * moved
    kernel = GuaranteedKernel(output_error="1e-6")  # so all is done in float64
    kernel(q, k, v, scale)
    assert kernel.worst.reached
    kernel = GuaranteedKernel(eps="1e-6")
    kernel(q, k, v, scale)
    assert not kernel.worst.reached  # logits differ by 8e4: the smallest entries are 0
    assert _logit_error(q.astype(float) * scale, k.astype(float)) < 1e-6


def test_generation_scale_by_scale_is_teacher_forcing():
    from varnum.lowrank.scales import attend_scales
    from varnum.lowrank.stream import VarAttention

    q, k, v = head(8, 2000, 5, dtype=np.float32)
    scales = (4, 96, 600, 1300)
    whole, outcome = attend_scales(q, k, v, scales, 3.0, 1e-2)
    for keep in (True, False):
        work, start, parts = VarAttention(3.0, 1e-2, keep_tokens=keep, method="moments"), 0, []
        for count in scales:
            rows = slice(start, start + count)
            parts.append(work.step(q[rows], k[rows], v[rows]))
            start += count
        assert np.allclose(np.concatenate(parts), whole, atol=1e-5)
        assert work.outcome.certified == pytest.approx(outcome.certified, rel=1e-3)
        assert work.state is not None
        assert bool(work._keys) is keep


def run(*arguments):
    return varnum("attention", *arguments)


def test_the_command_line(tmp_path):
    files = []
    for name, part in zip("qkv", head(8, 300, 0), strict=True):
        np.save(tmp_path / f"{name}.npy", part)
        files += [f"--{name}", str(tmp_path / f"{name}.npy")]
    out = ("--method", "pivots", "--json", "--out", str(tmp_path / "o.npy"))
    done = run(*files, "--eps", "1e-2", *out)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["schema"] == "varnum/attention/2"
    assert answer["method"] == "pivots"
    assert 1 < answer["rank_lower"] <= answer["rank"] <= 1.5 * answer["rank_reference"]
    assert 0 < answer["certified_error"] <= 1e-2
    assert {"seconds", "seconds_certificate", "seconds_exact"} <= set(answer)
    assert np.load(tmp_path / "o.npy").shape == (300, 4)
    text = run(*files, "--output-error", "1e-2", "--method", "exact", "--no-bounds")
    assert text.returncode == 0
    assert "certified error" in text.stdout
    for wrong in (("--eps", "2"), ("--eps", "1e-2", "--scales", "1,x"), ()):
        failed = run(*files, *wrong)
        assert failed.returncode == 2
        assert failed.stdout == ""
        assert failed.stderr.count("\n") == 1
    foreign = [f"--{name}={tmp_path / 'be.npy'}" for name in "qkv"]
    np.save(tmp_path / "be.npy", np.ones((5, 2), dtype=">f4"))
    assert run(*foreign, "--eps", "1e-2", "--no-bounds").returncode == 0  # another byte order
    missing = run(*files[:-1], "nowhere.npy", "--eps", "1e-2")
    assert missing.returncode == 2
    assert "--v: cannot read" in missing.stderr


def test_the_model_error_from_the_command_line(tmp_path):
    np.save(tmp_path / "t.npy", np.random.default_rng(0).integers(0, 32, (1, 14)))
    (tmp_path / "c.json").write_text('{"patch_nums": [1, 2, 3]}')  # 30 tokens take 20 s
    logits = []
    common = ["--random", "var-tiny", "--config", str(tmp_path / "c.json")]
    common += ["--tokens", str(tmp_path / "t.npy"), "--json", "--out"]
    lowrank = ["--attention", "lowrank", "--model-error", "1e-2"]
    for name, options in (("a", lowrank), ("b", [])):
        path = tmp_path / f"{name}.npz"
        done = varnum("run", *common, str(path), *options)
        assert done.returncode == 0, done.stderr
        logits.append(np.load(path)["logits"])
        if options:
            made = json.loads(done.stdout)["attention"]
            assert made["reached"]
            assert made["kind"] == "eps"
            assert made["rows_exact"] < made["rows"]
    assert 0 < np.abs(logits[0] - logits[1]).max() <= 1e-2
    refused = varnum("run", "--random", "var-tiny", *lowrank)
    assert refused.returncode == 2
    assert "needs --attention lowrank and --tokens" in refused.stderr


def test_an_empty_file_is_no_interruption(tmp_path, monkeypatch, capsys):
    from varnum.cli import main

    (tmp_path / "q.npy").write_bytes(b"")
    path = str(tmp_path / "q.npy")
    command = ["varnum", "attention", "--q", path, "--k", path, "--v", path, "--eps", "1e-2"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "is not a .npy file of numbers" in capsys.readouterr().err
