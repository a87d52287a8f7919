"""The network f(x) = g(W x + b), and files that hold one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from varnum.balls.array import BallArray
from varnum.errors import InputError
from varnum.loop.activations import Activation, activation
from varnum.loop.tape import Tape, Var
from varnum.model.checkpoint import read_state
from varnum.tensor import Array, Plain

Floats = npt.NDArray[np.float64]
UNIT = Fraction(1, 2**53)


@dataclass(frozen=True)
class Net:
    """f(x) = g(W x + b): W (d, d) and b (d) are floats, taken as the exact numbers they are."""

    W: Array
    b: Array
    g: Activation

    @property
    def d(self) -> int:
        """Dimension of the state."""
        return int(self.b.shape[0])

    @cached_property
    def weights(self) -> BallArray:
        """W in exact balls (d, d)."""
        return BallArray(self.W)

    @cached_property
    def bias(self) -> BallArray:
        """The bias in exact balls (d)."""
        return BallArray(self.b)

    def estimate(self, x: Floats) -> Floats:
        """f(x) in float64, (..., d) -> (..., d); not rigorous."""
        return self.g.estimate(x @ self.W.T.astype(np.float64) + self.b)

    def walk(self, tape: Tape, x: BallArray, S: BallArray | None) -> Var:
        """f at x in balls with all derivatives, x moving as x + S delta."""
        return tape.activation(tape.linear(self.weights, tape.input(x, S), self.bias), self.g)

    def estimate_jacobian(self, x: Floats) -> Floats:
        """diag g'(W x + b) W in float64 at one x (d); not rigorous."""
        slopes: Floats = self.g.estimate_slope(self.W @ x + self.b)
        return slopes[:, None] * self.W.astype(np.float64)


def net(W: object, b: object, name: str, where: str = "net") -> Net:
    """A checked network. Raises InputError naming `where` for wrong shapes, dtypes and values."""
    weights, bias = _numbers(W, f"{where}: W"), _numbers(b, f"{where}: b")
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or not weights.size:
        raise InputError(f"{where}: W has shape {weights.shape}; allowed is (d, d)")
    if bias.shape != (allowed := weights.shape[:1]):
        raise InputError(f"{where}: b has shape {bias.shape}; with this W it must be {allowed}")
    return Net(weights, bias, activation(name))


def _numbers(value: object, where: str) -> Array:
    """A float32 or float64 array with the very same numbers."""
    if hasattr(value, "detach"):  # a torch tensor, bfloat16 among them
        held = value.detach().cpu()
        value = (held.double() if held.is_floating_point() else held).numpy()
    array = np.asarray(value)
    if array.dtype.kind in "iu" and np.all(np.abs(array.astype(object)) <= 2**53):
        array = array.astype(np.float64)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if array.dtype not in (np.float32, np.float64):
        raise InputError(f"{where} has dtype {array.dtype}; allowed are float16, 32 and 64")
    if not np.isfinite(array).all():
        raise InputError(f"{where} holds NaN or infinity; weights must be finite")
    return array


def read_file(path: str) -> dict[str, Plain]:
    """The arrays of a .npz, .safetensors or .pth file; nothing in it is executed."""
    return read_state(path, "loop")


def net_of(state: Mapping[str, Plain], name: str, path: str) -> Net:
    """The network in a file's arrays `W` and `b` (0 where it is absent)."""
    if "W" not in state:
        found = ", ".join(sorted(state)[:6]) or "nothing"
        raise InputError(
            f"{path}: expected arrays W (d, d) and b (d), or a looped block "
            f"(`varnum loop --help`); found {found}"
        )
    W = state["W"]
    return net(W, state.get("b", np.zeros(np.shape(W)[0] if np.ndim(W) else 0)), name, path)
