"""Attack the word "certified": states x methods x dtypes x layouts against extended precision.

Each trial draws a head, gives its numbers another memory layout, enters a state of the process and
runs one act: `attention` by some method, a `GuaranteedKernel`, steps of a `VarAttention` as a
generation loop makes them (one buffer, an `out`, a step cut short, a copy), or a lower bound of the
rank. The output of every row is compared with 64-bit-mantissa arithmetic of NumPy, outside the
state. A refusal is fine; a wrong bound is a violation. Then the worst trials are climbed: tokens
are moved as long as true/certified grows.

    python checks/attack/attack.py                 # a minute
    python checks/attack/attack.py --minutes 30
    python checks/attack/attack.py --without copies   # take a mend out: violations must be found

One evaluation is one row of one output (or one rank). Exit code 1 where there is a violation.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np

import varnum as vn
from varnum.errors import InputError
from varnum.lowrank.limits import certify_rank_lower
from varnum.lowrank.monomials.polynomial_kernel import fit_polynomial
from varnum.lowrank.pivots.pivot_kernel import fit_kernel
from varnum.lowrank.stream import VarAttention
from varnum.verdict import Unknown

try:
    import torch
except ImportError:  # the attack on NumPy alone
    torch = None  # type: ignore[assignment]

Wide = np.longdouble
DTYPES = ("float16", "bfloat16", "float32", "float64")
KINDS = ("plain", "peaked", "equal", "tiny", "offset", "values", "subnormal", "identity", "zero")


@dataclass(frozen=True)
class Head:
    """q (n, d), k (L, d), v (L, d_v), float64 holding numbers of `dtype`; n = L = sum(scales)."""

    q: Any
    k: Any
    v: Any
    dtype: str
    scales: tuple[int, ...] | None


def draw(rng: np.random.Generator, large: bool, kind: str = "") -> Head:
    """Any head, or of one kind; `large` ones have enough tokens for moments."""
    d, values = int(rng.integers(1, 9)), int(rng.integers(1, 4))
    count = int(rng.integers(520, 700)) if large else int(rng.integers(1, 28))
    size = 10.0 ** rng.uniform(-2, 0.5 if large else 1.6)
    q, k = (rng.standard_normal((count, d)) * size for _ in "qk")
    v = rng.standard_normal((count, values))
    kind = kind or str(rng.choice(KINDS))
    if kind == "peaked":
        k[int(rng.integers(count))] *= 10.0 ** rng.uniform(0, 2)
    if kind == "equal":
        k[:] = k[0]
    if kind == "tiny":
        q, k = q * 1e-20, k * 1e-20
    if kind == "offset":
        q, k = q + rng.standard_normal(d), k + rng.standard_normal(d) * 3
    if kind == "values":
        v = v * 10.0 ** rng.uniform(-6, 6) + rng.choice([0, 1, 1e3, -1e6])
    if kind == "zero":
        q[::2] = 0
        v[:, 0] = v[0, 0]
    dtype = str(rng.choice(DTYPES[0 if torch else 2 :]))
    if kind == "subnormal":
        v = v * (1e-41 if dtype != "float64" else 1e-310)
    if kind == "identity" and count < 28:
        v = np.eye(count)
    scales = None
    if rng.random() < 0.4:
        cuts = rng.choice(count, size=min(count, int(rng.integers(1, 5))), replace=False)
        scales = tuple(np.diff(sorted({0, *map(int, cuts), count})).tolist())
    return Head(*(narrow(part, dtype) for part in (q, k, v)), dtype, scales)


def narrow(array: Any, dtype: str) -> Any:
    """Numbers of `dtype`, in float64."""
    if dtype == "bfloat16":
        return torch.from_numpy(np.array(array)).bfloat16().double().numpy()
    with np.errstate(all="ignore"):
        return np.nan_to_num(array.astype(dtype), posinf=0, neginf=0).astype(np.float64)


# --- the reference


def reference(q: Any, k: Any, v: Any, sigma: Any, scales: Any) -> tuple[Any, Any, Any]:
    """(weights by row, output (n, d_v), range (n, d_v)) in extended precision."""
    q, k, v = (np.asarray(part, Wide) for part in (q, k, v))
    ends = np.cumsum(scales) if scales else [len(k)]
    weights, outputs, ranges, start = [], [], [], 0
    for end in ends:
        rows = slice(start, end) if scales else slice(None)
        logits = (q[rows][:, None, :] * k[None, :end, :]).sum(-1) / Wide(sigma)
        part = np.exp(logits - logits.max(1, keepdims=True))
        part = part / part.sum(1, keepdims=True)
        weights += list(part)
        outputs.append(part @ v[:end])
        ranges.append(np.broadcast_to(np.ptp(v[:end], axis=0), outputs[-1].shape))
        start = end
    return weights, np.concatenate(outputs), np.concatenate(ranges)


def ratio(found: Any, exact: Any, spread: Any, claimed: float) -> float:
    """Largest true/claimed error of an output; what the reference itself may be off is let pass."""
    if not claimed < np.inf:
        return 0.0
    error = np.abs(found.astype(Wide) - exact)
    error = np.where(np.isnan(error), np.inf, error)
    slack = Wide(2.0**-56) * (spread + np.abs(exact)) + Wide(5e-324)
    error = np.maximum(error - slack, 0)
    allowed = Wide(claimed) * spread
    with np.errstate(all="ignore"):
        return float(np.where(error == 0, 0, error / allowed).max())


def kernel_ratio(found: Any, weights: Any, claimed: float, unit: float) -> float:
    """The same for weights that are known up to a factor per row, from outputs of v = identity."""
    if not claimed < 1:
        return 0.0
    worst = 0.0
    for row, exact in zip(found.astype(Wide), weights, strict=True):
        with np.errstate(all="ignore"):
            odds = row[: len(exact)] / exact
        least, most = odds.min(), odds.max()
        if not (least > 0 and most < np.inf):
            return float("inf")
        off = (most - least) / (most + least) - 8 * unit
        worst = max(worst, float(max(off, 0) / claimed))
    return worst


# --- layouts: the same numbers in other memory


def layouts(backend: str) -> dict[str, Callable[[Any], Any]]:
    """From a fresh C-ordered array."""

    def strided(a: Any) -> Any:
        room = np.full((2 * a.shape[0], 3 * a.shape[1]), 7, a.dtype)
        room[::2, ::3] = a
        return room[::2, ::3]

    def unaligned(a: Any) -> Any:
        raw = np.zeros(a.nbytes + 1, np.uint8)[1:]
        view = raw.view(a.dtype).reshape(a.shape)
        view[...] = a
        return view

    def mapped(a: Any) -> Any:
        with tempfile.NamedTemporaryFile() as file:
            array = np.memmap(file.name, a.dtype, "w+", shape=a.shape)
        array[...] = a
        return array

    def frozen(a: Any) -> Any:
        a.flags.writeable = False
        return a

    numpy_only = {
        "plain": lambda a: a, "fortran": np.asfortranarray, "strided": strided,
        "backwards": lambda a: np.array(a[::-1, ::-1])[::-1, ::-1], "unaligned": unaligned,
        "memmap": mapped, "read-only": frozen, "masked": np.ma.masked_array,
        "hidden": lambda a: np.ma.masked_array(a, np.arange(a.size).reshape(a.shape) == 0),
        "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
        "recarray": lambda a: a.view(np.recarray),
    }  # fmt: skip
    if backend == "numpy":
        return numpy_only
    return {
        "plain": lambda t: t,
        "transposed": lambda t: t.T.contiguous().T,
        "expanded": lambda t: t[:1].expand(t.shape) if bool((t == t[:1]).all()) else t,
        "strided": lambda t: torch.stack([t, t], -1)[..., 0],
        "negative": lambda t: (
            torch.complex(-t.float(), -t.float()).conj().imag.to(t.dtype)
            if t.dtype == torch.float32
            else t
        ),
        "parameter": lambda t: torch.nn.Parameter(t),
        "shared": lambda t: torch.from_numpy(t.numpy()) if t.dtype != torch.bfloat16 else t,
        "inference": _inference,
    }


def _inference(tensor: Any) -> Any:
    with torch.inference_mode():
        return tensor.clone()


def give(array: Any, dtype: str, backend: str, layout: str) -> Any:
    """The numbers in an array of this backend and layout."""
    if backend == "numpy":
        with np.errstate(all="ignore"):
            return layouts("numpy")[layout](np.array(array, dtype=dtype))
    return layouts("torch")[layout](torch.from_numpy(np.array(array)).to(getattr(torch, dtype)))


# --- states of the process


@contextmanager
def flushed() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def rounding(mode: int) -> Iterator[None]:
    library = ctypes.CDLL(None)
    library.fesetround(mode)
    try:
        yield
    finally:
        library.fesetround(0)


@contextmanager
def default_dtype(dtype: Any) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def precision(place: Any, value: str) -> Iterator[None]:
    before = place.fp32_precision
    place.fp32_precision = value
    try:
        yield
    finally:
        place.fp32_precision = before


@contextmanager
def busy() -> Iterator[None]:
    """Another thread computes, with its own denormal flag set."""
    stop = threading.Event()

    def work() -> None:
        rng = np.random.default_rng(0)
        if torch:
            torch.set_flush_denormal(True)
        while not stop.is_set():
            rng.standard_normal((40, 40)) @ rng.standard_normal((40, 40))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def states() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {
        "nothing": nullcontext,
        "errstate raise": lambda: np.errstate(all="raise"),
        "rounding up": lambda: rounding(0x800),
        "rounding to zero": lambda: rounding(0xC00),
        "busy thread": busy,
    }
    if torch:
        found |= {
            "autocast bfloat16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
            "autocast float16": lambda: torch.autocast("cpu", dtype=torch.float16),
            "flush": flushed,
            "default float64": lambda: default_dtype(torch.float64),
            "default bfloat16": lambda: default_dtype(torch.bfloat16),
            "inference": torch.inference_mode,
            "no grad": torch.no_grad,
        }
        if hasattr(torch.backends, "fp32_precision"):
            found["bf16 products"] = lambda: precision(torch.backends.mkldnn.matmul, "bf16")
            found["tf32 products"] = lambda: precision(torch.backends, "tf32")
    return found


# --- acts: each yields (what, evaluations, true/certified)

Found = list[tuple[str, int, float]]


def judged(out: Any, certificate: Any, exact: Any, head: Head, backend: str) -> Found:
    """An output and its certificate against the reference."""
    weights, output, spread = exact
    host = out if isinstance(out, np.ndarray) else out.detach().double().numpy()
    found = [(certificate.method, len(host), ratio(host, output, spread, certificate.output_error))]
    square = head.v.shape == (len(head.k),) * 2 and (head.v == np.eye(len(head.k))).all()
    if certificate.kind == "eps" and square and certificate.method == "exact":
        unit = 2.0**-52 if "64" in str(out.dtype) else 2.0**-23
        worst = kernel_ratio(host, weights, certificate.certified_error, unit)
        found.append(("kernel entries", len(host), worst))
    return found


def act_attention(head: Head, given: Any, rng: Any, state: Any, backend: str) -> Found:
    kind = str(rng.choice(["eps", "output_error"]))
    method = str(rng.choice(["auto", "pivots", "monomials", "exact", "moments"]))
    if kind == "eps" and method == "moments":
        method = "auto"
    target = str(rng.choice(["1e-1", "1e-2", "1e-4", "1e-8"]))
    sigma = str(rng.choice(["sqrt", "1", "d", "1/3"]))
    options = {kind: target, "method": method, "sigma": sigma, "scales": head.scales}
    with state():
        found = vn.attention(*given, **options)
    d = head.q.shape[1]
    number = {"sqrt": np.sqrt(Wide(d)), "1": 1, "d": d, "1/3": Wide(1) / 3}[sigma]
    exact = reference(head.q, head.k, head.v, number, head.scales)
    return judged(found.output, found.certificate, exact, head, backend)


def act_slot(head: Head, given: Any, rng: Any, state: Any, backend: str) -> Found:
    kernel = vn.GuaranteedKernel(**{str(rng.choice(["eps", "output_error"])): "1e-2"})
    factor = float(rng.choice([0.5, 0.3, 1.0]))
    with state():
        if rng.random() < 0.5:
            out = kernel(*(part[None, None] for part in given), factor, head.scales)
        else:
            scale = give(np.full((1, 1), factor), head.dtype, backend, "plain")
            factor = float(scale[0, 0])
            out = kernel(*(part[None, None] for part in given), scale[None, None], head.scales)
    exact = reference(head.q * Wide(factor), head.k, head.v, 1, head.scales)
    certificate = replace(kernel.certificates[-1], kind="output-error")
    return judged(out[0, 0], certificate, exact, head, backend)


def act_steps(head: Head, given: Any, rng: Any, state: Any, backend: str) -> Found:
    """A generation loop: one buffer for each of q, k, v; some steps fail and are tried again."""
    sigma, found = float(rng.choice([0.5, 1.0, 3.0])), []
    work = VarAttention(sigma, 1e-2, keep_tokens=bool(rng.random() < 0.8))
    scales = head.scales or (len(head.q),)
    one = [give(np.empty_like(part[: max(scales)]), head.dtype, backend, "plain")
           for part in (head.q, head.k, head.v)]  # fmt: skip
    start = 0
    trick = str(rng.choice(["none", "out", "out is k", "bad out", "cut short", "copy"]))
    exact = reference(head.q, head.k, head.v, sigma, scales)
    for count in scales:
        buffers = [buffer[:count] for buffer in one]
        for buffer, part in zip(buffers, given, strict=True):
            buffer[...] = part[start : start + count]
        with state():
            out = _step(work, buffers, trick, rng)
        host = out if isinstance(out, np.ndarray) else out.detach().double().numpy()
        rows = slice(start, start + count)
        worst = ratio(np.array(host), exact[1][rows], exact[2][rows], work.outcome.certified)
        start += count
        found.append(("step " + trick, count, worst))
    return found


def _step(work: VarAttention, buffers: Any, trick: str, rng: Any) -> Any:
    q, k, v = buffers
    if trick == "copy":
        other = copy.copy(work)
        other.step(q, k, v)  # another continuation, thrown away
    if trick == "out":
        return work.step(q, k, v, out=v * 0)
    if trick in ("out is k", "bad out"):
        bad = [k, v] if trick == "out is k" else []
        if isinstance(v, np.ndarray):
            bad += [np.zeros(v.shape, int), np.zeros((1, *v.shape), v.dtype), v[:, :1] * 0]
            bad += [np.zeros(v.shape, np.float16)]
        for out in bad:
            try:
                found = work.step(q, k, v, out=out)
            except (InputError, ValueError, RuntimeError):
                continue
            return found  # not refused: then it must be right
    if trick == "cut short" and rng.random() < 0.5:  # of all steps: keys twice each do not show
        fail = patch("varnum.lowrank.stream.write", side_effect=KeyboardInterrupt)
        with suppress(KeyboardInterrupt), fail:
            work.step(q, k, v, out=v * 0)
    return work.step(q, k, v)


def act_rank(head: Head, given: Any, rng: Any, state: Any, backend: str) -> Found:
    eps = float(rng.choice([1e-1, 1e-3, 1e-8]))
    if backend != "numpy":
        raise InputError("of NumPy arrays only")
    with state():
        lower = certify_rank_lower(given[0], given[1], 2.0, eps)
    worst, tried = 0.0, 0
    for fit in (fit_kernel, fit_polynomial):
        kernel = fit(head.q, head.k, 2.0, eps)
        if not isinstance(kernel, Unknown):
            tried, worst = 1, max(worst, lower / kernel.rank if lower > kernel.rank else 0.0)
    return [("rank", tried, worst)] if tried else []


ACTS = (act_attention, act_attention, act_slot, act_steps, act_steps, act_rank)


# --- mends taken out: the attack must find what they mended


def without(name: str) -> Any:
    """Patches that take one mend out."""
    import varnum.lowrank.stream as varform
    from varnum.floats.turns import Turns

    def unbroken(self: Any) -> Any:
        return nullcontext()

    same = patch.object(varform, "owned", lambda array: array)
    raw = patch.object(varform, "check_out", lambda out, *_: out)
    mends = {
        "autocast": [  # F1; the probes see autocast too
            patch("varnum.floats.guard._settle", lambda *_: None),
            patch("varnum.floats.guard._check", lambda *_: None),
        ],
        "copies": [same, patch.object(varform.Offset, "of", lambda _: None)],  # F2
        "overlap": [same, raw],  # F3
        "turns": [patch.object(Turns, "one", unbroken)],  # F4
        "out": [raw],  # F5
        "depth": [
            patch("varnum.floats.softmax_error._DEPTH", dict.fromkeys(("float32", "float64"), 1e9))
        ],
        "probes": [patch("varnum.floats.guard._check", lambda *_: None)],  # F7
    }  # "depth" is F6
    stack = ExitStack()
    for one in mends[name]:
        stack.enter_context(one)
    return stack


MENDS = ("autocast", "copies", "overlap", "turns", "out", "depth", "probes")
FOCUS = {"autocast": ("autocast bfloat16", ""), "probes": ("flush", "subnormal")}  # state, kind


# --- the loop


@dataclass
class Tally:
    evaluations: int = 0
    trials: int = 0
    violations: int = 0
    refused: int = 0


def trial(
    seed: int, large: bool, head: Head | None = None, quiet: str = "", kind: str = ""
) -> tuple[str, Found]:
    """One act on one head; a name for the report and what was found. Raises InputError."""
    rng = np.random.default_rng(seed)
    drawn = draw(rng, large, kind)
    head = drawn if head is None else head
    backend = "torch" if torch and (head.dtype == "bfloat16" or rng.random() < 0.5) else "numpy"
    state = quiet or str(rng.choice(list(states())))
    layout = str(rng.choice(list(layouts(backend))))
    act = ACTS[int(rng.integers(len(ACTS)))]
    if act is act_steps and head.dtype in ("float16", "bfloat16"):
        act = act_attention
    given = [give(part, head.dtype, backend, layout) for part in (head.q, head.k, head.v)]
    name = f"seed {seed} {act.__name__} {backend} {head.dtype} {layout}, {state}"
    return name, act(head, given, rng, states()[state], backend)


def count(tally: Tally, worst: Counter[str], name: str, found: Found, report: bool) -> float:
    top = 0.0
    tally.trials += 1
    for what, evaluations, value in found:
        tally.evaluations += evaluations
        worst[what] = max(worst[what], value)
        top = max(top, value)
        if not value <= 1:
            tally.violations += 1
            if report:
                print(f"VIOLATION {value:.4g} in {what}: {name}", flush=True)
    return top


def climb(seed: int, tally: Tally, worst: Counter[str], report: bool, steps: int = 25) -> None:
    """Move tokens and values as long as true/certified grows."""
    rng = np.random.default_rng(seed + 10**9)
    head, best = draw(np.random.default_rng(seed), False), -1.0
    for _ in range(steps):
        moved = replace(head, **{
            side: narrow(_moved(getattr(head, side), rng), head.dtype)
            for side in "qkv" if rng.random() < 0.6
        })  # fmt: skip
        try:
            name, found = trial(seed, False, moved, quiet="nothing")
        except InputError:
            tally.refused += 1
            continue
        value = count(tally, worst, name + " climbed", found, report)
        if value > best:
            head, best = moved, value


def _moved(array: Any, rng: Any) -> Any:
    array = array.copy()
    which = int(rng.integers(4))
    if which == 0:
        array *= 2.0 ** rng.uniform(-1, 1)
    elif which == 1:
        array += rng.standard_normal(array.shape[1]) * np.abs(array).max() * 0.3
    else:
        row = int(rng.integers(len(array)))
        array[row] = rng.standard_normal(array.shape[1]) * np.abs(array).max()
    return array


def attack(
    seconds: float, seed: int = 0, most: int = 10**12, *, first: bool = False, report: bool = True,
    focus: tuple[str, str] = ("", ""),
) -> tuple[Tally, Counter[str]]:  # fmt: skip
    """Trials until the time or `most` evaluations run out, or at the `first` violation.

    `focus`: one state and one kind of heads, or "" for any.
    """
    tally, worst, end = Tally(), Counter[str](), time.perf_counter() + seconds
    said = time.perf_counter()
    while time.perf_counter() < end and tally.evaluations < most:
        if first and tally.violations:
            break
        try:
            name, found = trial(seed, seed % 6 == 0, None, *focus)
            value = count(tally, worst, name, found, report)
            if value > 0.2 or seed % 20 == 0:
                climb(seed, tally, worst, report)
        except InputError:
            tally.refused += 1
        seed += 1
        if sys.stderr.isatty() and time.perf_counter() - said > 2:
            said = time.perf_counter()
            print(f"\r{tally.evaluations} evaluations", end="", file=sys.stderr)
    return tally, worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--evaluations", type=int, default=10**12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", choices=MENDS, help="take a mend out")
    options = parser.parse_args()
    with without(options.without) if options.without else nullcontext():
        tally, worst = attack(
            60 * options.minutes,
            options.seed,
            options.evaluations,
            first=bool(options.without),
            focus=FOCUS.get(options.without, ("", "")),
        )
    for what, value in sorted(worst.items()):
        print(f"{what:20} largest true/certified {value:.4f}")
    print(
        f"{tally.evaluations} evaluations in {tally.trials} trials, {tally.refused} refused, "
        f"{tally.violations} violations"
    )
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
