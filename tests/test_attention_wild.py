"""Claims at the end of the format, arrays that are more than arrays, what fused kernels rest on."""

import json
import subprocess
import sys

import numpy as np
import pytest

import varnum as vn
from varnum.errors import InputError
from varnum.floats.inputs import plain
from varnum.floats.softmax_error import kernel_error
from varnum.lowrank.features import attend
from varnum.lowrank.limits import certify_rank_lower, estimate_rank_reference
from varnum.lowrank.monomials.polynomial_kernel import fit_polynomial
from varnum.lowrank.pivots.pivot_kernel import certify_kernel, fit_kernel
from varnum.lowrank.stream import VarAttention
from varnum.verdict import Unknown

RNG = np.random.default_rng(0)
Q, K, V = (RNG.standard_normal((40, width)) * 0.3 for width in (4, 4, 3))


def both(arrays):
    yield arrays
    try:
        import torch
    except ImportError:
        return
    yield [torch.from_numpy(part) for part in arrays]


# --- relative claims past the end of the format


@pytest.mark.parametrize("far", [40.0, 60.0])
def test_a_kernel_entry_that_underflows_in_float32_is_computed_in_float64(far):
    q, k, v = (np.array(x, np.float32) for x in ([[far], [0]], [[1], [-1]], [[0.0], [1.0]]))
    for given in both([q, k, v]):
        found = vn.attention(*given, sigma=1, eps="1e-2")
        assert found.certificate.reached
        least = np.asarray(found.output, dtype=np.longdouble)[0, 0]  # the odds are e^(2 far)
        exact = np.exp(np.longdouble(-2 * far))
        assert abs(least / (exact / (1 + exact)) - 1) <= found.certificate.certified_error


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("far", [360.0, 1e4])
def test_a_kernel_entry_that_underflows_everywhere_is_not_reached(far, dtype):
    q, k, v = (np.array(x, dtype) for x in ([[far], [0]], [[1], [-1]], [[0.0], [1.0]]))
    for given in both([q, k, v]):
        certificate = vn.attention(*given, sigma=1, eps="1e-2").certificate
        assert certificate.certified_error == np.inf
        assert not certificate.reached
        assert "exp underflows" in certificate.reason
        assert certificate.output_error <= 1e-6  # the output is fine: that claim is absolute
    slot = vn.GuaranteedKernel(eps="1e-2")
    slot(*(part[None, None] for part in (q, k, v)), 1.0)
    assert not slot.worst.reached


def test_the_kernel_error_ends_where_exp_leaves_the_normal_numbers():
    for dtype, depth in ((np.float32, 126 * np.log(2)), (np.float64, 1022 * np.log(2))):
        like = np.ones(1, dtype)
        assert kernel_error(1.0, 1.0, depth - 1, 9, 4, like) < 1e-3
        assert kernel_error(1.0, 1.0, depth, 9, 4, like) == np.inf
        assert kernel_error(1.0, 1.0, np.nan, 9, 4, like) == np.inf
    assert kernel_error(1.0, 1.0, 86, 10**6, 4, np.ones(1, np.float32)) < 1e-3  # sums come last
    torch = pytest.importorskip("torch", reason="fused kernels rescale")
    room = 87 - np.log(1000)  # a share of 1000 keys is that much smaller than the weight
    assert kernel_error(1.0, 1.0, room - 0.1, 1000, 4, torch.ones(1)) < 1e-2
    assert kernel_error(1.0, 1.0, room, 1000, 4, torch.ones(1)) == np.inf
    like, plainly = torch.ones(1), np.ones(1, np.float32)
    fused = kernel_error(1.0, 1.0, 1.0, 10_000, 4, like)
    assert fused > kernel_error(1.0, 1.0, 1.0, 10_000, 4, plainly) + 2 * 10_000 * 2.0**-24


def test_a_share_of_a_row_below_the_normal_numbers_is_still_a_weight():
    """20,000 keys, logits 87 apart: the last weight is normal, its share in the output is not."""
    k = np.zeros((20_000, 1), np.float32)
    k[-1] = -86.5
    q, v = np.ones((1, 1), np.float32), np.zeros((20_000, 1), np.float32)
    v[-1] = 2.0**12  # so that the output is a normal number again
    narrow = vn.attention(q, k, v, sigma=1, eps="1e-2", method="exact")
    assert narrow.certificate.reached
    exact = 4096 * np.exp(np.longdouble(-86.5)) / (19_999 + np.exp(np.longdouble(-86.5)))
    assert abs(np.longdouble(narrow.output[0, 0]) / exact - 1) < 1e-4


def test_key_order_does_not_matter_to_the_fused_kernel_within_its_bound():
    """Later keys win by far: each block rescales all earlier ones."""
    torch = pytest.importorskip("torch", reason="the fused kernel is torch's")
    count = 6000
    q = torch.tensor([[1.0], [0.1]])
    k = torch.linspace(0, 80, count)[:, None]
    v = torch.zeros(count, 1)
    v[0] = 1.0  # its output is the weight of the first key
    found = vn.attention(q, k, v, sigma=1, eps="1e-1", method="exact")
    wide = k.double().numpy().astype(np.longdouble)[:, 0]
    for row, factor in enumerate((1.0, float(np.float32(0.1)))):
        weights = np.exp((wide - wide.max()) * np.longdouble(factor))
        exact = weights[0] / weights.sum()
        assert (
            abs(float(found.output[row, 0]) / exact - 1) <= 2.2 * found.certificate.certified_error
        )


# --- arrays that are more than arrays


class Other(np.ndarray):
    """A subclass with its own product, as unit-carrying arrays have."""

    def __matmul__(self, other):
        return np.zeros((len(self), other.shape[-1]))


def view(array, kind):
    return array.view(kind)


ACTS = {
    "attention": lambda a: vn.attention(a, K, V, eps="1e-2"),
    "values": lambda a: vn.attention(Q, K, a, output_error="1e-2"),
    "slot": lambda a: vn.GuaranteedKernel(eps="1e-2")(
        a[None, None], K[None, None], V[None, None], 1
    ),
    "step": lambda a: VarAttention(2.0, 1e-2).step(a, K, V),
    "rank": lambda a: certify_rank_lower(a, K, 2.0, 1e-2),
    "reference": lambda a: estimate_rank_reference(Q, a, 2.0, 1e-2),
    "pivots": lambda a: fit_kernel(a, K, 2.0, 1e-2),
    "monomials": lambda a: fit_polynomial(Q, a, 2.0, 1e-2),
    "again": lambda a: certify_kernel(KERNEL.frame, KERNEL.map, KERNEL.turn, a, K),
    "factors": lambda a: attend(KERNEL, a),
}
KERNEL = fit_kernel(Q, K, 2.0, 1e-2)
SOME = np.zeros(Q.shape, dtype=bool)
SOME[3, 1] = True
HIDDEN = np.where(SOME, np.nan, Q)
REFUSED = {
    "masked": (np.ma.masked_array(HIDDEN, SOME), "masked entries"),
    "masked row": (np.ma.masked_array(Q, np.arange(40)[:, None] + np.zeros(4) == 3), "masked"),
    "matrix": (view(Q, np.recarray), "recarray is not allowed; pass numpy.asarray"),
    "other": (view(Q, Other), "is not allowed; pass numpy.asarray"),
    "masked other": (np.ma.masked_array(view(Q, Other)), "is not allowed"),
    "list": (Q.tolist(), "expected a NumPy array|indices must be"),
    "nan": (HIDDEN, "nan or inf"),
    "inf": (np.where(SOME, np.inf, Q), "nan or inf"),
    "empty": (Q[:0], "none of them 0"),
    "no width": (Q[:, :0], "none of them 0"),
    "integers": (np.ones((40, 4), int), "dtype int64 is not allowed"),
    "objects": (Q.astype(object), "dtype object is not allowed"),
    "wide": (Q.astype(np.longdouble), "dtype .* is not allowed|dtype float128"),
    "flat": (Q[0], "shape"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("act", ACTS)
def test_what_is_refused_in_one_line(act, name):
    given, message = REFUSED[name]
    if name in ("list", "flat", "matrix") and act == "slot":
        return  # the slot has two more axes, which these cannot be given
    with pytest.raises(InputError, match=message) as caught:
        ACTS[act](given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("act", ACTS)
def test_what_is_only_memory_is_taken_as_it_is(act, tmp_path):
    file = np.memmap(tmp_path / "q", dtype=np.float64, mode="w+", shape=Q.shape)
    file[...] = Q
    for given in (
        file, np.ma.masked_array(Q), np.ma.masked_array(file), Q[::-1][::-1], np.asfortranarray(Q),
    ):  # fmt: skip
        plain_result, found = ACTS[act](Q), ACTS[act](given)
        for one, other in zip(arrays_of(plain_result), arrays_of(found), strict=True):
            assert type(other) is type(one)
            assert np.allclose(one, other, rtol=1e-12)


def arrays_of(found):
    if isinstance(found, vn.Attention):
        return [found.output, found.certificate.certified_error]
    if isinstance(found, tuple):
        return list(found)
    return [getattr(found, "certified", found)]


def test_float32_is_widened_where_a_rank_is_proved():
    """In float32 the residual is noise: 51 was "proved" where 10 monomials are certified."""
    rng = np.random.default_rng(0)
    q, k = ((rng.standard_normal((80, 1)) / 2).astype(np.float32) for _ in range(2))
    kernel = fit_polynomial(q, k, 2.0, 1e-8)
    narrow = certify_rank_lower(q, k, 2.0, 1e-8)
    assert narrow == certify_rank_lower(q.astype(float), k.astype(float), 2.0, 1e-8)
    assert 5 < narrow <= kernel.rank < 12
    assert kernel.x.dtype == np.float64


@pytest.mark.parametrize(
    "options",
    [
        {"sigma": 0.0}, {"sigma": -1.0}, {"sigma": float("nan")}, {"sigma": 1e-300},
        {"eps": -1.0}, {"eps": 0.0}, {"eps": float("nan")}, {"eps": 2.0}, {"most": 0},
        {"k": K[:, :2]},
    ],
    ids=str,
)  # fmt: skip
def test_a_rank_is_proved_of_meaningful_questions_only(options):
    with pytest.raises(InputError):
        certify_rank_lower(**{"q": Q, "k": K, "sigma": 2.0, "eps": 1e-2, **options})


def test_tensors_that_are_more_than_tensors():
    torch = pytest.importorskip("torch", reason="these are torch's")

    class Own(torch.Tensor):
        pass

    q = torch.from_numpy(Q)
    refused = {
        "Own": q.as_subclass(Own),
        "dense": q.to_sparse(),
        "meta": q.to("meta"),
        "gradient": q.clone().requires_grad_(),
    }
    for message, given in refused.items():
        with pytest.raises(InputError, match=message) as caught:
            plain(given, "q")
        assert "\n" not in str(caught.value)
    inside = []

    def look(part):
        with pytest.raises(InputError, match=r"torch\.func") as caught:
            plain(part, "q")
        inside.append(caught.value)
        return part

    torch.vmap(look)(q)
    assert inside
    # views: negated, expanded, strided
    negative = torch.complex(q, q).conj().imag
    assert negative.is_neg()
    k, v = torch.from_numpy(K), torch.from_numpy(V)
    for target in ({"eps": "1e-2"}, {"output_error": "1e-2"}):
        one = vn.attention(negative, k, v, **target).output
        other = vn.attention(-q, k, v, **target).output
        assert (one == other).all()
        one = vn.attention(q[:1].expand(40, 4), k, v, **target).output
        other = vn.attention(q[:1].repeat(40, 1), k, v, **target).output
        assert torch.allclose(one, other, rtol=1e-6)


def test_sizes_beyond_memory_and_odd_scales_are_one_line():
    far = np.broadcast_to(Q, (10**10, *Q.shape))  # no memory at all, 32 TB if copied
    for call in (
        lambda: vn.attention(far, far, far, eps="1e-2"),
        lambda: vn.attention(Q, K, V, eps="1e-2", scales=40),
        lambda: vn.attention(Q[:2], K[:2], V[:2], eps="1e-2", scales=(True, 1)),
        lambda: vn.attention(Q[:2], K[:2], V[:2], eps="1e-2", scales="11"),
    ):
        with pytest.raises(InputError, match=r"GiB would be needed|scales: ") as caught:
            call()
        assert "\n" not in str(caught.value)


# --- what it rests on


def test_the_fused_kernel_is_called_tested():
    torch = pytest.importorskip("torch", reason="the fused kernel is torch's")
    given = [torch.from_numpy(part) for part in (Q, K, V)]
    for target in ({"eps": "1e-2"}, {"output_error": "1e-2"}):
        fused = vn.attention(*given, method="exact", **target).certificate
        assert fused.reached
        assert fused.word == "measured"
        assert "tested, not proved" in fused.assurance
        assert "40 of 40 rows by torch's fused kernel" in fused.assurance
        plainly = vn.attention(Q, K, V, method="exact", **target).certificate
        assert (plainly.word, plainly.tested) == ("proved for this run", "")
        assert plainly.assurance.startswith("inequalities proved in words")
    low = vn.attention(*given, eps="1e-2", method="pivots").certificate
    assert low.word == "proved for this run"  # float64 on the host: nothing fused ran
    slot = vn.GuaranteedKernel(output_error="1e-2")
    slot(*(part[None, None] for part in given), 1.0)
    assert slot.worst.word == "measured"


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_the_command_line_says_the_same(backend, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch", reason="the fused kernel is torch's")
    from varnum.cli import main

    command = ["varnum", "attention", "--output-error", "1e-2", "--no-bounds"]
    command += ["--backend", backend]
    for name, part in (("q", Q), ("k", K), ("v", V)):
        np.save(tmp_path / f"{name}.npy", part)
        command += [f"--{name}", str(tmp_path / f"{name}.npy")]
    said = []
    for more in (["--json"], []):
        monkeypatch.setattr(sys, "argv", [*command, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        said.append(capsys.readouterr().out)
    made = json.loads(said[0])
    proved = backend == "numpy"
    assert made["verdict"] == ("proved" if proved else "done")
    assert made["assurance"] == ("proved for this run" if proved else "measured")
    assert ("0.01: proved" if proved else "0.01: tested") in said[1]


def test_without_asserts_the_refusals_stand():
    """python -O drops asserts; nothing that is checked here is one."""
    code = (
        "import numpy as np, varnum as vn\n"
        "from varnum.lowrank.stream import VarAttention\n"
        "from varnum.lowrank.limits import certify_rank_lower\n"
        "from varnum.lowrank.moments.moment_state import MomentState\n"
        "from varnum.lowrank.moments.basis import fit_basis\n"
        "q = np.ones((9, 4)); bad = np.ma.masked_array(q, q > 0)\n"
        "state = MomentState(fit_basis(q, q, 1.0, 2, 1, 1, q), 4)\n"
        "work = VarAttention(1.0, 1e-2)\n"
        "acts = [lambda: vn.attention(bad, q, q, eps='1e-2'), lambda: state.attend(q, q),\n"
        "        lambda: work.step(q, q, q, out=q), lambda: certify_rank_lower(q, q, 1.0, -1.0)]\n"
        "for act in acts:\n"
        "    try:\n"
        "        act()\n"
        "    except vn.InputError as error:\n"
        "        print('refused', error)\n"
    )
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True)
    assert done.stdout.count("refused") == 4, done.stderr


# --- --eps: cheapest certified kernel first


def test_monomials_are_also_tried_in_the_frame_as_given():
    """Keys on both sides of a far mean: as given the logits are small, centred they are not."""
    rng = np.random.default_rng(0)
    q = rng.standard_normal((200, 4)) * 0.05
    k = rng.standard_normal((200, 4)) * 0.05
    k[0] = 2.0  # one far key drags the mean away
    given = fit_polynomial(q, k, 1.0, 1e-1)
    assert given.degree <= 2
    exact = np.exp(q @ k.T)
    parts = [given.rows(given.columns(np.eye(200), slice(None)), slice(None))]
    ratio = parts[0] / exact
    ratio /= (ratio.max(1, keepdims=True) + ratio.min(1, keepdims=True)) / 2
    assert abs(ratio - 1).max() <= given.certified <= 1e-1


def test_pivots_stop_where_they_would_cost_too_much():
    rng = np.random.default_rng(0)
    q, k = rng.standard_normal((2, 400, 16)) * 0.2
    found = fit_kernel(q, k, 4.0, 1e-2, most=20)
    assert found == Unknown("more than 20 pivots would be needed")
    certificate = vn.attention(q, k, q, sigma="sqrt", eps="1e-2").certificate
    assert certificate.method == "monomials"
    assert "pivots would be needed" in certificate.reason
    assert certificate.reached


def test_small_entries_of_the_kernel_show_in_the_output() -> None:
    """With v = identity an offset taken from v would leave 0 where the weight is 5e-11."""
    q, k = np.array([[4.0]], np.float32), np.array([[0.0], [6.0], [0.5]], np.float32)
    found = vn.attention(q, k, np.eye(3, dtype=np.float32), eps="1e-2", sigma="1", method="exact")
    weights = np.exp(np.float64(q @ k.T)[0])
    assert found.certificate.reached
    odds = np.asarray(found.output, np.float64)[0] / weights
    assert (odds.max() - odds.min()) / (odds.max() + odds.min()) <= 1e-2


def test_counts_are_asked_once_and_before_the_arrays_are_looked_at():
    """A whole number of a class of its own may say one thing and then another, or write."""
    x = np.linspace(-1, 1, 24).reshape(8, 3)

    class Lying(int):
        def __int__(self):
            return 1000

    class Writing(int):
        def __int__(self):
            x[0] = np.nan
            return int.__add__(self, 0)

    for kind, said in ((Lying, "scales: sum to 2000"), (Writing, "q: holds nan")):
        with pytest.raises(InputError, match=said):
            vn.attention(x, x, x, output_error="1e-3", scales=(kind(4), kind(4)))


def test_a_divisor_that_is_an_array_is_refused():
    x = np.linspace(-1, 1, 24).reshape(8, 3)
    with pytest.raises(InputError, match=r"^sigma: expected a number"):
        vn.attention(x, x, x, output_error="1e-3", sigma=np.ones(2))
