"""Numerical checks: files in checks/claims with one function `measure(trials, seed, device)`.

A check returns a list of Measurement (measured error, claimed bound); `main` is its command line.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import numpy.typing as npt

from varnum.floats.arrays import to_numpy
from varnum.proof.ledger import data_folder
from varnum.tensor import Tensor
from varnum.verdict import Proved, Refuted, Unknown, Verdict


@dataclass(frozen=True)
class Measurement:
    """`measured` <= `claimed` is the claim; the pair of the trial with the largest ratio.

    random, adversarial: how many trials of each kind stand behind it; violations: how many broke.
    """

    claim: str
    what: str
    measured: float
    claimed: float
    random: int
    adversarial: int
    violations: int

    @property
    def tightness(self) -> float:
        """measured / claimed."""
        return self.measured / self.claimed if self.claimed else float(self.measured > 0)


ROUNDING = 1e-11  # float64 evaluations of measured and claimed; enclosures add their own


def summarise(
    claim: str,
    what: str,
    random: tuple[npt.ArrayLike, npt.ArrayLike],
    adversarial: tuple[npt.ArrayLike, npt.ArrayLike],
) -> Measurement:
    """The tightest of many trials; each pair holds arrays (measured, claimed) of one kind."""
    measured = np.concatenate([np.ravel(random[0]), np.ravel(adversarial[0])])
    claimed = np.concatenate([np.ravel(random[1]), np.ravel(adversarial[1])])
    broken = ~(measured <= claimed * (1 + ROUNDING) + 1e-300)  # NaN counts as broken
    ratio = np.where(claimed > 0, measured / np.where(claimed > 0, claimed, 1), 0.0)
    best = int(np.argmax(np.where(broken, np.inf, ratio)))
    counts = np.size(random[0]), np.size(adversarial[0])
    return Measurement(
        claim, what, float(measured[best]), float(claimed[best]), *counts, int(broken.sum())
    )


def load(name: str) -> ModuleType:
    """The module checks/claims/<name>.py, or of bench or attack; of the checkout or the package."""
    paths = [data_folder("checks") / kind / f"{name}.py" for kind in ("claims", "bench", "attack")]
    path = next((path for path in paths if path.is_file()), paths[0])
    spec = importlib.util.spec_from_file_location(f"varnum_checks_{name}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def judge(results: Sequence[Measurement]) -> Verdict:
    """Refuted if any trial broke its bound; Unknown if there was no trial."""
    if not results or any(r.random + r.adversarial == 0 for r in results):
        return Unknown("no trial was run")
    broken = [r for r in results if r.violations]
    if broken:
        return Refuted(broken[0], "measured above claimed")
    trials = sum(r.random + r.adversarial for r in results)
    return Proved(f"tested: no violation in {trials} trials")


def extremes(results: Sequence[Measurement], claim: str) -> tuple[float | None, float | None]:
    """(measured, claimed) of the tightest measurement of this claim."""
    own = [r for r in results if r.claim == claim]
    if not own:
        return None, None
    best = max(own, key=lambda r: r.tightness)
    return best.measured, best.claimed


def on(device: str, layer: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`layer` from NumPy to NumPy arrays, computed by torch on `device`; "cpu": by NumPy."""
    if device == "cpu":
        return layer
    import torch

    def run(*arguments: object, **options: object) -> Tensor:
        arrays = [
            torch.tensor(a, device=device) if isinstance(a, np.ndarray) else a for a in arguments
        ]
        return to_numpy(layer(*arrays, **options))

    return run


def _cannot_run(device: str, on_gpu: bool) -> str | None:
    if device == "cpu":
        return None
    if not on_gpu:
        return "this check computes on the CPU only"
    if importlib.util.find_spec("torch") is None:
        return "--device needs torch"
    import torch

    gpu = device.startswith("cuda") and not torch.cuda.is_available()
    return "torch finds no GPU here" if gpu else None


def main(
    measure: Callable[..., list[Measurement]],
    argv: Sequence[str] | None = None,
    on_gpu: bool = False,
) -> int:
    """Run a check by hand and print measured, claimed, tightness and trials per line.

    on_gpu: whether `measure` heeds its device; without it any other than cpu is refused.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    options = parser.parse_args(argv)
    if reason := _cannot_run(options.device, on_gpu):
        print(f"--device {options.device}: {reason}", file=sys.stderr)
        return 4
    start = time.perf_counter()
    results = measure(trials=options.trials, seed=options.seed, device=options.device)
    for r in results:
        print(
            f"{r.claim:24} {r.what:40} measured {r.measured:.6e} claimed {r.claimed:.6e} "
            f"tightness {r.tightness:.6f} trials {r.random}+{r.adversarial} "
            f"violations {r.violations}"
        )
    print(f"{time.perf_counter() - start:.1f} s", file=sys.stderr)
    return judge(results).exit_code
