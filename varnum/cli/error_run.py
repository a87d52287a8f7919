"""The run that `varnum error` bounds: made here, or read from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.model.generate import Model


@dataclass(frozen=True)
class RunHere:
    """A run to make here, as the options say: None where nothing was said."""

    attention: str | None
    output_error: str
    backend: str | None
    dtype: str | None
    device: str

    @property
    def asked(self) -> bool:
        """Is one to be made?"""
        return any(part is not None for part in (self.attention, self.backend, self.dtype))

    def check(self) -> None:
        """InputError for options that need a run made here, or low rank."""
        if self.device != "cpu" and not self.asked:
            raise InputError(
                "device: is for a run made here; give --backend, --dtype or --attention"
            )
        if self.output_error != "1e-2" and self.attention != "lowrank":
            raise InputError("output_error: is for --attention lowrank")

    def logits(self, model: Model, labels: Any, tokens: Any) -> Any:
        """(B, L, V), teacher-forced."""
        import numpy as np

        from varnum.model.backend import to_numpy
        from varnum.model.generate import teacher_forced_logits

        where, kernel = self.place()
        every = np.broadcast_to(labels, len(tokens)) if len(labels) == 1 else labels
        return to_numpy(teacher_forced_logits(model.to(where), every, tokens, kernel))

    def image(self, model: Model, tokens: Any) -> Any:
        """The image (B, 3, h, w) of the same run, decoder included."""
        from varnum.model.backend import to_numpy
        from varnum.model.generate import image_of
        from varnum.model.quantizer import accumulate, split_scales

        where, kernel = self.place()
        placed = model.to(where)
        f_hat = accumulate(placed.vae_weights, model.vae, split_scales(model.vae, tokens))[-1]
        return to_numpy(image_of(placed, f_hat, kernel))

    def place(self) -> tuple[Any, Any]:
        """Where it runs, and its attention kernel."""
        from varnum.cli.run_jobs import attention_kernel
        from varnum.model.backend import Backend

        name = self.backend or ("torch" if self.dtype == "bfloat16" else "numpy")
        if name == "balls":
            raise InputError("backend: balls enclose the exact run themselves; see `varnum run`")
        where = Backend(name, self.dtype or "float64", self.device)
        return where, attention_kernel(self.attention or "exact", self.output_error)


def chosen_logits(logits: list[str] | None) -> list[tuple[int, ...]]:
    """TOKEN:ID or TOKEN:ID:OTHER each."""
    try:
        return [tuple(int(number) for number in entry.split(":")) for entry in logits or ()]
    except ValueError:
        raise InputError(f"logit: {logits}: allowed are TOKEN:ID, TOKEN:ID:OTHER") from None


def greedy(model: Model, labels: Any) -> Any:
    """Tokens (B, L) that the model itself chooses, greedily, in float64."""
    import numpy as np

    from varnum.model.backend import Backend
    from varnum.model.generate import Settings, generate

    placed = model.to(Backend("numpy", "float64"))
    return np.concatenate([s.tokens for s in generate(placed, labels, Settings())], axis=1)


def read_logits(path: str) -> Any:
    """Logits from a .npy, or a .npz with `logits`."""
    return read_array(path, "logits")


def read_array(path: str, name: str) -> Any:
    """From a .npy, or what a .npz has under `name`."""
    import numpy as np

    from varnum.model.npfile import read_arrays, readable_file

    readable_file(path, f"{name}: ")
    try:
        found: Any = read_arrays(path)
        return found if isinstance(found, np.ndarray) else found[name]
    except Exception as problem:  # zipfile, zlib and NumPy each have their own
        raise InputError(f"{name}: {path}: no readable {name} ({str(problem)[:120]})") from None
