"""Arguments of the wrong kind are refused in one line that begins with their name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import varnum as vn
from tests.propagate.ensemble.runs import small

X = np.linspace(-1, 1, 24).reshape(8, 3)
NORM = ("rms", [1.0])
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("check", (3,), {}, "certificate"),
    ("plan_flowar", (3,), {"M": "1", "eps": "1e-2"}, "model"),
    ("verify", (3,), {}, "claim"),
    ("verify", ("cost-exact",), {"timeout": "x"}, "timeout"),
    ("verify", ("cost-exact",), {"timeout": float("nan")}, "timeout"),
    ("verify", ("kernel-residual",), {"trials": 0}, "trials"),  # none would be passed by anything
    ("verify", ("kernel-residual",), {"trials": -1}, "trials"),
    ("verify", ("kernel-residual",), {"trials": "a"}, "trials"),
    ("verify", ("kernel-residual",), {"seed": -1}, "seed"),
    ("logit_bound", (), {"q_norm": 3, "k_norm": 3}, "q_norm"),
    ("logit_bound", (), {"q_norm": ("rms", ["a"]), "k_norm": NORM}, "q_norm"),
    ("logit_bound", (), {"softcap": float("nan")}, "softcap"),
    ("logit_bound", (), {"softcap": float("inf")}, "softcap"),
    ("triage", (X, X, X), {"scale": "a"}, "scale"),
    ("triage", (X, X, X), {"seed": -1}, "seed"),
    ("sample_check", (X, X, X, X), {"output_error": "1e-2", "scales": 3}, "scales"),
    ("attention", (X, X, X), {"output_error": "2"}, "output_error"),
    ("error_of", (3, 0, [[0]]), {}, "model"),
    ("error_over", (3, 2), {}, "model"),
    ("flow_error_of", (3, 0, []), {}, "model"),
]


@pytest.mark.parametrize(("name", "given", "options", "word"), CASES)
def test_of_the_wrong_kind(
    name: str, given: tuple[Any, ...], options: dict[str, Any], word: str
) -> None:
    with pytest.raises(vn.InputError, match=f"^{word}: [^\n]*$"):
        getattr(vn, name)(*given, **options)


@pytest.mark.parametrize("labels", [3, "a", [0.5], [[0]], []])
def test_labels_are_whole_numbers(labels: Any) -> None:
    """0.5 would be drawn as 0."""
    with pytest.raises(vn.InputError, match=r"^labels: "):
        vn.error_over(small(0)[0], 1, labels=labels, samples=4)


def test_a_run_that_cannot_be_called() -> None:
    with pytest.raises(vn.InputError, match=r"^run: int cannot be called"):
        vn.error_over(small(0)[0], 1, run=3, samples=4)  # type: ignore[arg-type]


def test_of_the_wrong_kind_with_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (an extra)")
    x = torch.linspace(-1, 1, 12).reshape(3, 4)
    model = torch.nn.MultiheadAttention(4, 2)
    for name, value in (("batch", "a"), ("heads", 1.5), ("heads", 0)):
        with pytest.raises(vn.InputError, match=f"^{name}: "):
            vn.audit_model(model, (x, x, x), **{name: value})
    with pytest.raises(vn.InputError, match=r"^scale: "):
        vn.sdpa(x[None], x[None], x[None], scale="a")  # type: ignore[arg-type]
    with pytest.raises(vn.InputError, match=r"^max_bytes: "), vn.watch(max_bytes=-1):
        pass
    with pytest.raises(vn.InputError, match=r"^model: str cannot be called"):
        vn.capture("model", x)
