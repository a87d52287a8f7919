"""The state of the process around a call: made irrelevant, or refused in one line."""

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import varnum as vn
from tests.support.oracle import softmax
from varnum.errors import InputError
from varnum.floats.guard import certified, certifying
from varnum.lowrank.features import attend
from varnum.lowrank.limits import certify_rank_lower
from varnum.lowrank.monomials.polynomial_kernel import fit_polynomial
from varnum.lowrank.pivots.pivot_kernel import fit_kernel
from varnum.lowrank.scales import attend_scales
from varnum.lowrank.stream import VarAttention

torch = pytest.importorskip("torch", reason="most of this state is torch's")


def tokens(count=64, seed=0, dtype=torch.float32):
    make = torch.Generator().manual_seed(seed)
    sizes = ((2.0, 8), (2.0, 8), (1.0, 4))
    return [torch.randn(count, d, generator=make).mul(s).to(dtype) for s, d in sizes]


def off(out, q, k, v, sigma):
    """Largest error in units of the range of the column."""
    exact = softmax(q, k, v, sigma)
    return float((abs(out.double().numpy() - exact) / np.ptp(v.double().numpy(), axis=0)).max())


CALLS = {
    "output": {"output_error": "1e-3"},
    "moments": {"output_error": "1e-1", "method": "moments"},
    "eps": {"eps": "1e-2"},
    "exact": {"eps": "1e-2", "method": "exact"},
}


@pytest.mark.parametrize("narrow", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("call", CALLS)
def test_autocast_does_not_reach_inside(call, narrow):
    q, k, v = tokens()
    if call == "moments":
        q, k, v = (part / 4 for part in tokens(1500))
    plain = vn.attention(q, k, v, **CALLS[call])
    with torch.autocast("cpu", dtype=narrow):
        found = vn.attention(q, k, v, **CALLS[call])
        assert torch.is_autocast_enabled("cpu")
    assert (found.output == plain.output).all()
    assert off(found.output, q, k, v, 8**0.5) <= found.certificate.output_error <= 0.1


def test_autocast_does_not_reach_the_kernel_nor_the_steps():
    q, k, v = tokens()
    kernel, work = vn.GuaranteedKernel(output_error="1e-3"), VarAttention(8**0.5, 1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        slot = kernel(q[None, None], k[None, None], v[None, None], torch.tensor(8**-0.5))
        step = work.step(q, k, v)
    assert off(slot[0, 0], q, k, v, 8**0.5) <= kernel.worst.output_error <= 1e-3
    assert off(step, q, k, v, 8**0.5) <= work.outcome.certified <= 1e-3


ARRAYS = [part.double().numpy() / 4 for part in tokens(40)]
CERTIFIERS = {
    "attention": lambda q, k, v: vn.attention(q, k, v, eps="1e-2"),
    "output": lambda q, k, v: vn.attention(q, k, v, output_error="1e-2"),
    "torch": lambda *p: vn.attention(*map(torch.from_numpy, p), output_error="1e-2"),
    "slot": lambda *p: vn.GuaranteedKernel(eps="1e-2")(*(a[None, None] for a in p), 0.5),
    "step": lambda q, k, v: VarAttention(2.0, 1e-2).step(q, k, v),
    "scales": lambda q, k, v: attend_scales(q, k, v, (10, 30), 2.0, 1e-2),
    "rank": lambda q, k, v: certify_rank_lower(q, k, 2.0, 1e-2),
    "pivots": lambda q, k, v: fit_kernel(q, k, 2.0, 1e-2),
    "monomials": lambda q, k, v: fit_polynomial(q, k, 2.0, 1e-2),
    "factors": lambda q, k, v: attend(KERNEL, v),
}
KERNEL = fit_kernel(*(part / 2 for part in ARRAYS[:2]), 2.0, 1e-2)


def refused(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call(*ARRAYS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CERTIFIERS)
def test_flushed_subnormal_numbers_are_refused(name):
    CERTIFIERS[name](*ARRAYS)
    torch.set_flush_denormal(True)
    try:
        refused(CERTIFIERS[name], "subnormal numbers are flushed to zero")
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize("name", CERTIFIERS)
def test_other_rounding_is_refused(name):
    library = ctypes.CDLL(None)
    upward = 0x800  # FE_UPWARD on x86
    if library.fesetround(upward):
        pytest.skip("another processor's name for rounding up")
    try:
        refused(CERTIFIERS[name], "does not round to nearest")
    finally:
        library.fesetround(0)


WORKERS = """
import ctypes, os
os.environ["OPENBLAS_NUM_THREADS"] = "2"
library = ctypes.CDLL(None)
library.fesetround({mode})
import numpy
library.fesetround(0)
from varnum.errors import InputError
from varnum.floats import probes
try:
    probes.check_numpy()
except InputError as error:
    print(error)
full = numpy.eye(300)[:1].T * numpy.full((1, 300), 2 - 2.0**-52)
print(len(set((full.T @ full).ravel().tolist())), len(probes._workers_seen))
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor, no worker threads")
def test_threads_of_the_matrix_library_that_round_otherwise_are_seen():
    """They keep the state of whoever loaded NumPy, whatever was set right since."""
    said = []
    for mode in (0, 0x800):
        command = [sys.executable, "-c", WORKERS.format(mode=mode)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        said.append(done.stdout.splitlines())
    assert said[0] == ["1 1"]
    if said[1][-1].startswith("1 "):
        pytest.skip("no product of this matrix library has two threads")
    assert "a thread of NumPy's matrix library does not round to nearest" in said[1][0]
    assert said[1][-1].endswith(" 0")


def test_the_flag_of_another_thread_is_its_own():
    """The floating-point environment belongs to a thread: the check is made where the call is."""
    seen = []

    def elsewhere():
        torch.set_flush_denormal(True)
        try:
            vn.attention(*ARRAYS, eps="1e-2")
        except InputError as error:
            seen.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "flushed" in seen[0]
    assert vn.attention(*ARRAYS, eps="1e-2").certificate.reached


SWITCHES = {
    "cuda": ("tf32", False),  # of another device: irrelevant here
    "mkldnn": ("tf32", True),
    "mkldnn.matmul": ("bf16", True),
    "all": ("tf32", True),
    "ieee": ("ieee", False),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_the_new_switches_for_narrow_products(name):
    place = {
        "cuda": torch.backends.cuda.matmul,
        "mkldnn": torch.backends.mkldnn,
        "mkldnn.matmul": torch.backends.mkldnn.matmul,
        "all": torch.backends,
        "ieee": torch.backends,
    }[name]
    if not hasattr(place, "fp32_precision"):
        pytest.skip("before torch 2.9")
    value, loose = SWITCHES[name]
    before = place.fp32_precision
    place.fp32_precision = value
    try:
        if loose:
            refused(CERTIFIERS["torch"], "set_float32_matmul_precision.*fp32_precision")
        else:
            assert CERTIFIERS["torch"](*ARRAYS).certificate.reached
        assert CERTIFIERS["attention"](*ARRAYS).certificate.reached  # NumPy does not care
    finally:
        place.fp32_precision = before


def test_a_product_that_narrows_is_seen_without_any_switch(monkeypatch):
    """A stub in place of a matrix product that keeps 11 bits, as TF32 does."""
    from varnum.floats import probes

    def narrow(self):
        left = self.left.astype(np.float16).astype(self.left.dtype)
        return (left @ self.right) * self.scale

    probes.check_numpy()
    monkeypatch.setattr(probes._Probe, "multiplied", narrow)
    with pytest.raises(InputError, match="below full precision"):
        probes.check_numpy()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64], ids=str)
def test_the_default_dtype_does_not_matter(dtype):
    for scale, count in ((1.0, 60), (0.2, 60), (0.1, 700)):
        q, k, v = (part * scale for part in tokens(count))
        for options in ({"output_error": "1e-2"}, {"eps": "1e-2"}):
            plain = vn.attention(q, k, v, **options)
            torch.set_default_dtype(dtype)
            try:
                found = vn.attention(q, k, v, **options)
            finally:
                torch.set_default_dtype(torch.float32)
            assert found.output.dtype == plain.output.dtype
            assert (found.output == plain.output).all()
            assert found.certificate.certified_error == plain.certificate.certified_error


@pytest.mark.parametrize("name", CERTIFIERS)
def test_numpy_that_raises_does_not_matter(name):
    with np.errstate(all="raise"):
        CERTIFIERS[name](*ARRAYS)


def test_inference_mode_and_function_modes_do_not_matter():
    q, k, v = tokens()

    class Off(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            found = function(*args, **(kwargs or {}))
            return found + 1e-2 if function is torch.Tensor.matmul else found

    plain = vn.attention(q, k, v, output_error="1e-3").output
    with Off():
        assert (vn.attention(q, k, v, output_error="1e-3").output == plain).all()
    work = VarAttention(8**0.5, 1e-3)
    with torch.inference_mode():
        out = torch.empty(64, 4)
        first = work.step(q, k, v, out=out)
    assert first is out
    assert (out == VarAttention(8**0.5, 1e-3).step(q, k, v)).all()
    assert work.step(q, k, v).shape == (64, 4)
    assert work.outcome.certified <= 1e-3


def test_a_change_in_the_middle_is_seen_at_the_end():
    @certified
    def compute(array):
        torch.set_flush_denormal(True)
        return array

    try:
        with pytest.raises(InputError, match="flushed"):
            compute(np.ones(3))
    finally:
        torch.set_flush_denormal(False)
    with certifying(torch.ones(1)), certifying(np.ones(1)):  # inside itself it costs nothing
        pass


def test_what_is_remembered_does_not_come_from_a_bad_state():
    """Probes and tables made for the first time while numbers are flushed or rounded upward."""
    code = (
        "import ctypes, numpy as np, torch\n"
        "from varnum.errors import InputError\n"
        "from varnum.floats.probes import check_numpy, check_torch\n"
        "from varnum.lowrank.moments.moment_bound import tail_table\n"
        "calls = [check_numpy, lambda: check_torch(torch.device('cpu')), tail_table]\n"
        "def refused(call):\n"
        "    try:\n"
        "        call()\n"
        "    except InputError:\n"
        "        return True\n"
        "library = ctypes.CDLL(None)\n"
        "for mode in (0x800, 0xC00):\n"
        "    library.fesetround(mode)\n"
        "    seen = [refused(call) for call in calls]\n"
        "    library.fesetround(0)\n"
        "    assert all(seen), seen\n"
        "torch.set_flush_denormal(True)\n"
        "seen = [refused(call) for call in calls]\n"
        "torch.set_flush_denormal(False)\n"
        "assert all(seen), seen\n"
        "assert not any(refused(call) for call in calls)\n"
        "assert not tail_table().flags.writeable\n"
    )
    change = "library = ctypes.CDLL(None)\nlibrary.fesetround(0x800)\ncalls = ["
    code = code.replace("calls = [", change, 1)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_modes_that_see_every_operation_are_refused():
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    q, k, v = tokens()
    for mode, message in (
        (FakeTensorMode(), "without numbers"),
        (FakeTensorMode(allow_non_fake_inputs=True), "without numbers"),
        (FlopCounterMode(display=False), "is active in torch"),
    ):
        with mode, pytest.raises(InputError, match=message) as caught:
            vn.attention(q, k, v, eps="1e-2")
        assert "\n" not in str(caught.value)
    assert vn.attention(q, k, v, eps="1e-2").certificate.reached


def test_a_choice_of_fused_kernels_is_followed_or_refused():
    from torch.nn.attention import SDPBackend, sdpa_kernel

    q, k, v = tokens()
    with sdpa_kernel([SDPBackend.MATH]):
        found = vn.attention(q, k, v, output_error="1e-3", method="exact")
    assert off(found.output, q, k, v, 8**0.5) <= found.certificate.output_error
    with sdpa_kernel([SDPBackend.CUDNN_ATTENTION]), pytest.raises(InputError) as caught:
        vn.attention(q, k, v, output_error="1e-3", method="exact")
    assert "fused attention does not run here" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_compiler_does_not_look_inside():
    q, k, v = tokens()
    work = VarAttention(8**0.5, 1e-3)
    kernel = vn.GuaranteedKernel(output_error="1e-3")

    @torch.compile(backend="eager")
    def model(q, k, v):
        slot = kernel(q[None, None], k[None, None], v[None, None], 0.3)
        return vn.attention(q, k, v, output_error="1e-3").output + work.step(q, k, v), slot

    both, slot = model(q, k, v)
    plain = vn.attention(q, k, v, output_error="1e-3").output
    assert (both == plain + VarAttention(8**0.5, 1e-3).step(q, k, v)).all()
    other = vn.GuaranteedKernel(output_error="1e-3")
    assert (slot == other(q[None, None], k[None, None], v[None, None], 0.3)).all()
