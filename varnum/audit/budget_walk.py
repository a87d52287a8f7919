"""From an error of the logits back to the kernel error of every layer, in norms, for this run.

Claim norm-composition, walked layer by layer (`varnum.propagate`). The norms of the weights are
rigorous; the ranges of the run (smallest deviations and norms, largest entries) are read off in
float64 without a bound on its rounding, so the answer is an estimate. `compose_run` of
`varnum.propagate.budget` proves it where the model is small enough to run in balls.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.audit.apriori import BALLS
from varnum.audit.fields import Row
from varnum.audit.layer_run import DOUBLE, Layer
from varnum.balls.exact import to_text
from varnum.balls.scalar import ball
from varnum.model.generate import Model
from varnum.model.layers import linear, silu
from varnum.model.transformer import class_vector
from varnum.outward import round_up
from varnum.propagate.budget import certify_budget
from varnum.propagate.forms import UP
from varnum.propagate.run_enclosure import Ranges, head_place
from varnum.propagate.transfer import Reach
from varnum.propagate.var_model import (
    BlockNorms,
    Composition,
    HeadNorms,
    Step,
    block_norms,
    certify_composition,
    head_norms,
)
from varnum.verdict import Unknown

_FAR = Fraction(10) ** 300
_BIASES = ("q_bias", "zero_k_bias", "v_bias")


class BudgetWalk:
    """Norms and ranges of the blocks of one prompt, collected as they pass by; then the budget."""

    def __init__(self, prompt: int) -> None:
        self.prompt = prompt
        self.blocks: list[BlockNorms] = []
        self.ranges = Ranges()
        self.start: Reach | None = None

    def see(self, layer: Layer) -> None:
        """Take in a layer; nothing of it is kept but norms and ranges."""
        with BALLS:
            x, six = layer.x[self.prompt], [vector[self.prompt, 0] for vector in layer.six]
            if self.start is None:
                self.start = _reach(x)
            self.blocks.append(block_norms(layer.weights, layer.config, 0, six))
            eps, i, seen = layer.config.norm_eps, layer.index, self.ranges
            seen.s_min[f"blocks.{i}.x"] = _deviation(x, eps)
            seen.s_min[f"blocks.{i}.mid"] = _deviation(layer.middle[self.prompt], eps)
            seen.s_min["head.x"] = _deviation(layer.after[self.prompt], eps)  # of the last layer
            name = "blocks.0.attn"
            biases = [layer.weights[f"{name}.{key}"] for key in _BIASES]
            qkv = linear(
                layer.y[self.prompt],
                layer.weights[f"{name}.mat_qkv.weight"],
                np.concatenate(biases),
            )  # (L, 3C)
            parts = qkv.reshape(len(qkv), 3, layer.config.num_heads, -1)
            for part, letter in enumerate("qkv"):
                for head in range(layer.config.num_heads):
                    tokens = parts[:, part, head]
                    key = head_place(f"blocks.{i}", letter, head)
                    seen.reach[key] = _reach(tokens)
                    seen.min_norm[key] = ball(float(np.linalg.norm(tokens, axis=1).min()))

    def estimate(self, model: Model, label: int, model_error: Fraction) -> Row:
        """The largest kernel error that keeps the logits within `model_error`, and the way there.

        model_error: absolute, entrywise. eps None where nothing above 2^-400 is small enough.
        """
        with BALLS:
            head, start = _head(model, label), self.start
            assert start is not None
            norm_eps = Fraction(str(model.var.norm_eps))

            def compose(eps: Fraction) -> Composition:
                return certify_composition(self.blocks, head, start, eps, norm_eps, self.ranges)

            d = model.var.head_dim
            found = certify_budget(to_text(model_error), compose, d, with_degree=False)
            if isinstance(found, Unknown):
                return {"eps": None, "reason": found.reason, "steps": []}
            steps = [
                {
                    "layer": step.layer,
                    "error": _up(step.error),
                    "amplification": None if before == 0 else _up(step.error / before),
                    "zeta": _up(step.zeta),
                    "domain": _up(step.domain),
                }
                for before, step in _with_error_before(found.steps)
            ]
            # decimals of six digits, and estimates: the nearest doubles
            domain = float(found.domain) if found.domain < _FAR else None
            return {"eps": float(found.eps), "domain": domain, "steps": steps}


def _reach(x: Any) -> Reach:
    norm = Fraction(float(np.sqrt((x**2).sum(-1).max()) * UP))
    return Reach.of(x.shape[-1], Fraction(float(np.abs(x).max())), 0, norm)


def _deviation(x: Any, eps: float) -> Any:
    """Smallest sqrt(var + eps) over tokens."""
    return ball(float(np.sqrt(x.var(-1) + eps).min()))


def _with_error_before(steps: Sequence[Step]) -> list[tuple[Fraction, Any]]:
    errors = [Fraction(0), *(step.error for step in steps)]
    return list(zip(errors, steps, strict=False))


def _head(model: Model, label: int) -> HeadNorms:
    names = ("head", "head_nm", "class_emb")
    w = {n: DOUBLE.array(x) for n, x in model.var_weights.items() if n.split(".")[0] in names}
    c = class_vector(w, model.var, np.array([label]))
    two = linear(silu(c), w["head_nm.ada_lin.1.weight"], w["head_nm.ada_lin.1.bias"])
    pair = two.reshape(2, -1)
    return head_norms(w, (pair[0], pair[1]))


def _up(value: Fraction) -> float | None:
    """For the row; None beyond float64."""
    return round_up(value) if value < _FAR else None
