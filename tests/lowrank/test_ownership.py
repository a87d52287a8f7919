"""State that outlives a call: its memory is its own, and a call that fails does not bend it."""

import copy
import pickle
import threading

import numpy as np
import pytest

from tests.support.backends import BACKENDS, placed
from tests.support.oracle import softmax, wide
from varnum.errors import InputError
from varnum.lowrank import stream as varform
from varnum.lowrank.moments.basis import fit_basis
from varnum.lowrank.moments.moment_state import MomentState
from varnum.lowrank.stream import VarAttention

SIGMA, TARGET = 2.0, 1e-2


def scale(count, seed, dtype=np.float64, values=3):
    rng = np.random.default_rng(seed)
    return [
        (rng.standard_normal((count, width)) * size).astype(dtype)
        for width, size in ((4, 0.6), (4, 0.6), (values, 1.0))
    ]


def exact(scales):
    """Output of the last scale over all keys, and the range of each column."""
    k, v = (np.concatenate([part[i] for part in scales]) for i in (1, 2))
    return softmax(scales[-1][0], k, v, SIGMA), np.ptp(wide(v), axis=0)


def off(out, scales):
    found, spread = exact(scales)
    return float((abs(np.asarray(out, dtype=np.longdouble) - found) / spread).max())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [4, 700])
def test_buffers_may_be_refilled(count, backend):
    """One buffer for all keys and one for all values, as a generation loop has."""
    parts = [scale(count, seed) for seed in range(4)]
    buffers = [np.empty((count, width)) for width in (4, 4, 3)]
    given = placed(backend, *buffers)  # the same memory
    work = VarAttention(SIGMA, TARGET)
    for done, part in enumerate(parts, 1):
        for buffer, array in zip(buffers, part, strict=True):
            buffer[...] = array
        out = work.step(*given)
        assert off(out, parts[:done]) <= work.outcome.certified <= TARGET


@pytest.mark.parametrize("count", [4, 700])
@pytest.mark.parametrize("which", [0, 1])
def test_out_may_not_be_one_of_the_inputs(count, which):
    part = scale(count, 0, values=4)
    work = VarAttention(SIGMA, TARGET)
    with pytest.raises(InputError, match="out: shares memory with q, k or v"):
        work.step(*part, out=part[which])
    with pytest.raises(InputError, match="out: shares memory with q, k or v"):
        work.step(*part, out=part[2][::-1])
    assert off(work.step(*part), [part]) <= work.outcome.certified
    assert work.outcome.rows == count


def test_out_beside_the_inputs_in_one_buffer_is_fine():
    """q, k, v and out interleaved: the bounds of their memory overlap, their entries do not."""
    packed = np.empty((700, 4, 4))
    for i, array in enumerate(scale(700, 0, values=4)):
        packed[:, i] = array
    q, k, v, out = (packed[:, i] for i in range(4))
    work = VarAttention(SIGMA, TARGET)
    assert work.step(q, k, v, out=out) is out
    assert off(out, [(q, k, v)]) <= work.outcome.certified <= TARGET


def unfit(count, backend):
    good = np.empty((count, 3))
    frozen = np.empty((count, 3))
    frozen.flags.writeable = False
    found = {
        "out: shape": np.empty((count, 2)),
        r"out: shape \(1, .*allowed": good[None],
        "out: dtype .*int64": good.astype(int),
        "out: dtype .*float16": good.astype(np.float16),
        "out: dtype .*float32": good.astype(np.float32),
        "out: is read-only": frozen,
        "out: entries share memory": np.lib.stride_tricks.as_strided(good, strides=(0, 8)),
        "out: numpy.recarray is not allowed": good.view(np.recarray),
        "out: expected a NumPy array": [[0.0] * 3] * count,
    }
    if backend == "torch":
        import torch

        del found["out: is read-only"], found["out: numpy.recarray is not allowed"]
        found["out: entries share memory"] = np.empty((count, 1))
        found = {
            name: torch.from_numpy(out) if isinstance(out, np.ndarray) else out
            for name, out in found.items()
        }
        one = found["out: entries share memory"]
        found["out: entries share memory"] = one.expand(count, 3)
        found["out: numpy.ndarray, but v is torch.Tensor"] = good
    else:
        torch = pytest.importorskip("torch", reason="an output of another backend")
        found["out: torch.Tensor, but v is numpy.ndarray"] = torch.empty(count, 3)
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [8, 700])
def test_a_step_with_an_unfit_out_changes_nothing(count, backend):
    if backend == "torch":
        torch = pytest.importorskip("torch", reason="the torch backend is optional")
        given = lambda part: [torch.from_numpy(array) for array in part]  # noqa: E731
    else:
        given = list
    parts = [scale(count, 0), scale(count, 1)]
    for message, out in unfit(count, backend).items():
        work = VarAttention(SIGMA, TARGET)
        for done, part in enumerate(parts, 1):
            with pytest.raises(InputError, match=message) as caught:
                work.step(*given(part), out=out)
            assert "\n" not in str(caught.value)
            right = given(part)[2] * 0
            assert work.step(*given(part), out=right) is right
            assert off(right, parts[:done]) <= work.outcome.certified <= TARGET
        assert work.outcome.rows == 2 * count


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
@pytest.mark.parametrize(
    "place",
    [
        "exact_to_target", "ValueRange.including", "MomentState.attend", "RecoveryState.attend",
        "write",
    ],
)  # fmt: skip
def test_a_step_cut_short_is_the_last_one(place, error, monkeypatch):
    """Wherever it happens: afterwards the state is not used, or is what it was."""
    parts = [scale(20, 0), scale(700, 1), scale(700, 2)]
    method = {"MomentState.attend": "moments", "RecoveryState.attend": "recovery"}.get(
        place, "auto"
    )
    work = VarAttention(SIGMA, TARGET, method=method)
    for part in parts[:2] if method != "auto" else parts[:1]:
        work.step(*part)

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        owner, _, name = place.rpartition(".")
        patch.setattr(getattr(varform, owner) if owner else varform, name, fail)
        if place == "exact_to_target" or owner == "ValueRange":
            part = scale(20, 3)
        else:
            part = parts[2]
        with pytest.raises(error):
            work.step(*part, out=part[2] * 0)
    with pytest.raises(InputError, match="an earlier call was cut short") as caught:
        work.step(*part)
    assert "\n" not in str(caught.value)


def state(seed=0):
    q, k, v = scale(300, seed)
    made = MomentState(fit_basis(q, k, SIGMA, 4, 4, 1, q), 3)
    return made, q, k, v


def test_sums_cut_short_are_not_used(monkeypatch):
    made, q, k, v = state()
    made.add(k, v)
    with monkeypatch.context() as patch:
        patch.setattr(MomentState, "_note_keys", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made.add(k, v)
    for call in (lambda: made.add(k, v), lambda: made.attend(q, v * 0)):
        with pytest.raises(InputError, match="cut short"):
            call()


def test_sums_refuse_what_is_unlike_their_basis():
    made, q, k, v = state()
    with pytest.raises(InputError, match="keys come first"):
        made.attend(q, v * 0)
    for bad in (
        (k.astype(np.float32), v), (k, v.astype(np.float32)), (k[:, :3], v), (k, v[:, :2]),
        (k[:5], v), (k[:0], v[:0]), (k[0], v[0]),
    ):  # fmt: skip
        with pytest.raises(InputError):
            made.add(*bad)
    assert made.keys == 0
    made.add(k, v)
    assert made.keys == 300


def test_two_calls_at_once_are_refused():
    parts = [scale(600, seed) for seed in range(8)]
    work = VarAttention(SIGMA, TARGET)
    inside, leave = threading.Event(), threading.Event()
    first = varform.check_inputs

    def slow(*args):
        inside.set()
        leave.wait(10)
        first(*args)

    varform.check_inputs = slow
    try:
        thread = threading.Thread(target=work.step, args=parts[0])
        thread.start()
        inside.wait(10)
        with pytest.raises(InputError, match="one at a time"):
            work.step(*parts[1])
    finally:
        varform.check_inputs = first
        leave.set()
        thread.join()
    out = work.step(*parts[1])
    assert off(out, parts[:2]) <= work.outcome.certified <= TARGET


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("count", [20, 700])
def test_a_copy_goes_its_own_way(count, how):
    """As a search over several continuations does."""
    parts = [scale(count, seed) for seed in range(3)]
    work = VarAttention(SIGMA, TARGET)
    work.step(*parts[0])
    other = how(work)
    one, two = work.step(*parts[1]), other.step(*parts[2])
    assert off(one, [parts[0], parts[1]]) <= work.outcome.certified <= TARGET
    assert off(two, [parts[0], parts[2]]) <= other.outcome.certified <= TARGET
    made, _, k, v = state()
    made.add(k, v)
    again = how(made)
    again.add(k, v)
    assert (made.keys, again.keys) == (300, 600)
    assert made.grams is not again.grams


def test_an_output_of_the_sums_is_checked_too():
    made, q, k, v = state()
    made.add(k, v)
    wide = np.empty((300, 4))
    for out in (
        v[:7],
        v.astype(np.float32),
        v.astype(int),
        wide[:, :3].view(np.recarray),
        q[:, :3],
    ):
        with pytest.raises(InputError, match="out: "):
            made.attend(q, out)
    made.attend(q, wide[:, :3])


def test_what_is_certified_is_not_written_to():
    from varnum.lowrank.features import attend
    from varnum.lowrank.monomials.polynomial_kernel import fit_polynomial
    from varnum.lowrank.pivots.pivot_kernel import fit_kernel

    q, k, v = (part / 4 for part in scale(40, 0))
    low, monomials = fit_kernel(q, k, SIGMA, 1e-2), fit_polynomial(q, k, SIGMA, 1e-2)
    for array in (low.phi, low.psi, low.weights, monomials.x, monomials.y, monomials.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    for scales in ((40, 1), (30,), (), (41, -1), (0, 40)):
        with pytest.raises(InputError, match="scales"):
            attend(low, v, scales)
