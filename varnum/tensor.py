"""Names for arrays of NumPy and of torch, for annotations alone: loading it loads NumPy only.

A union, and no Protocol: NumPy declares operators as overloads over dtypes, and a Protocol whose
methods take and return itself matches none of them, so `numpy.ndarray` would satisfy it only with
every operand untyped. Of the union mypy checks the NumPy half; the torch half it takes as it is,
because torch's stubs are skipped (pyproject.toml): varnum is checked, and runs, without torch.
After `isinstance(x, np.ndarray)` each branch has one half. A namespace, numpy or torch, is a
`types.ModuleType`.
"""

from __future__ import annotations

from types import EllipsisType
from typing import TYPE_CHECKING, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Array: TypeAlias = npt.NDArray[np.floating]  # real numbers, in the dtype they came in
Doubles: TypeAlias = npt.NDArray[np.float64]
Whole: TypeAlias = npt.NDArray[np.integer]  # positions, counts
Mask: TypeAlias = npt.NDArray[np.bool_]
Plain: TypeAlias = npt.NDArray[np.generic]  # whatever a file or a user hands over

TorchTensor: TypeAlias = "torch.Tensor"
Tensor: TypeAlias = "npt.NDArray[np.floating] | torch.Tensor"  # of real numbers
DoubleTensor: TypeAlias = "npt.NDArray[np.float64] | torch.Tensor"
WholeTensor: TypeAlias = "npt.NDArray[np.integer] | torch.Tensor"
Flags: TypeAlias = "npt.NDArray[np.bool_] | torch.Tensor"
Dtype: TypeAlias = "np.dtype[np.generic] | torch.dtype"
Device: TypeAlias = "torch.device"

Place: TypeAlias = SupportsIndex | slice | EllipsisType | npt.NDArray[np.integer | np.bool_] | None
Key: TypeAlias = Place | tuple[Place, ...]  # what arrays are indexed by
