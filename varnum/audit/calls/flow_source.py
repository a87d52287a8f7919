"""Where heads of a FlowAR come from: the slots of its attention modules while it samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.audit.calls.call_source import tasks_of
from varnum.audit.calls.call_task import CallTask
from varnum.audit.run import Asked, Say, Take
from varnum.cost.flowar import AR, CROSS, SELF
from varnum.errors import InputError
from varnum.integrations.call import Call
from varnum.model.attention import Kernel, exact_attention
from varnum.model.backend import Array, Backend, Ints
from varnum.model.flowar.flow_config import AR_STAGES, FLOW_STAGE, FlowConfig
from varnum.model.flowar.flow_sampling import (
    FlowModel,
    FlowSettings,
    check_noise,
    draw_noise,
    indices,
    sample_maps,
)
from varnum.model.flowar.numbers import Kernels
from varnum.propagate.flowar_logits import certify_flowar_logits

Bounds = dict[tuple[str, int], Fraction]
NAMES = {AR: "attn", SELF: "attn", CROSS: "crossattn"}
Look = Callable[[str, int, str, Array, Array, Array, float], None]


@dataclass
class FlowSource:
    """A FlowAR in float64 on NumPy that samples once; q and k as the slots get them, after RoPE.

    Of the T evaluations of the flow net `evaluations` are looked at, spread from first to last;
    with guidance rows of the batch past the labels are those without a class.
    """

    name: str
    load: Callable[[], FlowModel]
    labels: Ints
    settings: FlowSettings
    noise: Sequence[Any] | None = None  # (B, N_k, c) per scale; None: drawn from the seed
    seed: int = 0
    evaluations: int = 3
    batch: int | None = None
    heads: int | None = None
    recorded: dict[str, Any] = field(default_factory=dict)

    def question(self) -> dict[str, Any]:
        """What the rows depend on; the arrays themselves have a checksum in each row."""
        return {
            "flowar": self.name, "labels": [int(x) for x in self.labels], "seed": self.seed,
            "num_steps": self.settings.num_steps, "cfg": str(self.settings.cfg),
            "guidance": str(self.settings.guidance), "evaluations": self.evaluations,
            "batch": self.batch, "heads": self.heads, **self.recorded,
        }  # fmt: skip

    def feed(self, asked: Asked, say: Say, take: Take) -> None:
        """Sample, and hand over the heads of every call that is looked at."""
        where = Backend()
        model = self.load().to(where)
        config, noise, index = model.config, self.noise, 0
        if noise is None:
            noise = draw_noise(config, len(self.labels), self.seed)
        check_noise(config, noise, len(self.labels))
        say(f"{self.name}, logits from the weights")
        bounds = self._bounds(model)
        layers: dict[str, int] = {}

        def look(
            module: str, scale: int, via: str, q: Array, k: Array, v: Array, factor: float
        ) -> None:
            nonlocal index
            layer, sizes = layers.setdefault(module, len(layers)), (q.shape[2], k.shape[2])
            call = Call(module, index, via, sizes, q, k, v, factor)
            index += 1
            say(f"{self.name}, scale {scale}, {module}")
            tasks = tasks_of(call, self.name, layer, asked, self.batch, self.heads, None)
            take([_bounded(task, bounds) for task in tasks])

        places = Places(config, indices(self.settings), self.evaluations, look)
        arrays = [where.array(x) for x in noise]
        for _ in sample_maps(model, self.labels, arrays, self.settings, places.kernels()):
            pass

    def _bounds(self, model: FlowModel) -> list[Bounds]:
        """Per batch entry: (module, head) -> a bound of its logits for all maps and noise."""
        guided = self.settings.cfg > 1 and len(model.config.scales) > 1
        labels = [int(x) for x in self.labels] + [-1] * len(self.labels) * guided
        known: dict[int, Bounds] = {}
        for label in labels[: self.batch]:
            if label not in known:
                found = certify_flowar_logits(model, label, self.settings)
                known[label] = {
                    (f"{m.stage}.{m.block}.{NAMES[m.kind]}", m.head): m.M for m in found
                }
        return [known[label] for label in labels[: self.batch]]


def _bounded(task: CallTask, bounds: Sequence[Bounds]) -> CallTask:
    names = {**task.names, "bound_from": "weights and class, in exact arithmetic"}
    bound = bounds[names["batch"]][names["module"], names["head"]]
    return replace(task, names=names, bound=bound)


class Places:
    """Counts the calls of the three slots, so that each is known by module, scale and time."""

    def __init__(self, config: FlowConfig, times: Ints, evaluations: int, look: Look) -> None:
        if evaluations < 1:
            raise InputError(f"evaluations: {evaluations} is not allowed; at least 1")
        self.times, self.look, self.depth = times, look, config.flow_depth
        self.modules = [f"{s}.{i}.attn" for s in AR_STAGES for i in range(config.depth(s))]
        spread = np.linspace(0, len(times) - 1, min(evaluations, len(times)))
        self.looked_at = {round(float(i)) for i in spread}
        self.calls = {"ar": 0, "self": 0, "cross": 0}

    def kernels(self) -> Kernels:
        """Exact attention in every slot, looked at."""
        return Kernels(self._ar, self._flow("self", "attn"), self._flow("cross", "crossattn"))

    def _ar(
        self, q: Array, k: Array, v: Array, scale: Array, blocks: tuple[int, ...] | None
    ) -> Array:
        k_scale, module = divmod(self.calls["ar"], len(self.modules))
        self.calls["ar"] += 1
        self.look(self.modules[module], k_scale, f"scale {k_scale}", q, k, v, scale.item())
        return exact_attention(q, k, v, scale, blocks)

    def _flow(self, slot: str, name: str) -> Kernel:
        def attend(
            q: Array, k: Array, v: Array, scale: Array, blocks: tuple[int, ...] | None
        ) -> Array:
            rest, block = divmod(self.calls[slot], self.depth)
            k_scale, evaluation = divmod(rest, len(self.times))
            self.calls[slot] += 1
            if evaluation in self.looked_at:
                via = f"scale {k_scale}, t {self.times[evaluation]}"
                module = f"{FLOW_STAGE}.{block}.{name}"
                self.look(module, k_scale, via, q, k, v, scale.item())
            return exact_attention(q, k, v, scale, blocks)

        return attend
