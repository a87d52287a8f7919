"""NumPy and torch compute the same ensemble: same noise, equal to rounding, same verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.propagate.ensemble.runs import small, start_of
from varnum.errors import InputError
from varnum.propagate.ensemble import protocol
from varnum.propagate.ensemble.engine import Engine
from varnum.propagate.ensemble.error import error_of
from varnum.propagate.ensemble.protocol import Accepted, Fixed, Pilot, Plan, certify
from varnum.propagate.ensemble.reverse import Functional, certify_functionals

torch = pytest.importorskip("torch")
PLACES = ["torch", *(["cuda"] if torch.cuda.is_available() else [])]
CHANCE = Fraction(1, 10**12)
KERNEL = Plan(gauss=16, cauchy=32, slacks=(4.0,), floor=2.0**-20)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("seed", range(4))
def test_both_say_the_same_of_the_same_noise(seed: int, place: str) -> None:
    changes = [{}, {"attn_l2_norm": False}, {"shared_aln": True}, {"depth": 1}][seed]
    eta, plan = (1e-6, KERNEL) if seed % 2 else (0.0, Plan(gauss=16))
    start = start_of(*small(seed, **changes), eta=eta, margins=True)
    moved = replace(start, engine=Engine(place))
    radii: list[list[Any]] = []
    ends = []
    for run in (start, moved):
        pilot = Pilot(4.0)
        protocol._walk(run, plan, pilot, b"pilot", 1, CHANCE)
        radii.append(pilot.radii)
    for run in (start, moved):
        ends.append(protocol._walk(run, plan, Fixed(radii[0]), b"fresh", 1, CHANCE)[0])
    for one, two in zip(*radii, strict=True):  # sums in other orders, and what they cancel to
        np.testing.assert_allclose(one, two, rtol=1e-3)
    assert np.abs(ends[0].centre - ends[1].centre).max() < 1e-13
    np.testing.assert_allclose(ends[0].bound, ends[1].bound, rtol=1e-7)
    aparts = [end.apart for end in ends]
    assert all(part is not None for part in aparts)
    np.testing.assert_allclose(*aparts, rtol=1e-7)
    assert isinstance(ends[1].bound, np.ndarray)


@pytest.fixture
def hostile() -> Iterator[None]:
    """Everything of torch's state that could get in the way."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    torch.use_deterministic_algorithms(True)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16), torch.device("meta"):
        yield
    torch.use_deterministic_algorithms(False)
    torch.set_default_dtype(kept)


def test_torchs_state_changes_nothing(hostile: None) -> None:
    start = start_of(*small(0), engine=Engine("torch"))
    found = protocol._walk(start, Plan(gauss=16), Pilot(4.0), b"pilot", 1, CHANCE)[0]
    plain = protocol._walk(
        replace(start, engine=Engine()), Plan(gauss=16), Pilot(4.0), b"pilot", 1, CHANCE
    )[0]
    np.testing.assert_allclose(found.bound, plain.bound, rtol=1e-3)
    assert np.abs(found.centre - plain.centre).max() < 1e-13


def test_flushed_numbers_are_refused() -> None:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor keeps them")
    try:
        with pytest.raises(InputError, match="flushed"):
            certify(start_of(*small(0), engine=Engine("torch")), Plan(gauss=16))
    finally:
        torch.set_flush_denormal(False)


def test_the_answer_says_where_it_was_computed() -> None:
    model, tokens = small(0)
    found = error_of(model, 1, tokens, samples=16, chosen=[(4, 3)], bounds_on="torch")
    assert found.verdict == "proved"
    plain = error_of(model, 1, tokens, samples=16, chosen=[(4, 3)])
    for run, name in ((found, f"torch {torch.__version__}"), (plain, f"NumPy {np.__version__}")):
        assert name in str(run).replace("\n" + " " * 19, " ")
        assert name in run.to_dict()["bounds_on"]
        assert name in run.to_dict()["assumptions"]
        assert "of NumPy" in run.to_dict()["assumptions"]  # where the walk starts
    assert 0.1 < found.chosen[0].error / plain.chosen[0].error < 10


def test_reverse_mode_reads_what_torch_kept() -> None:
    start = start_of(*small(1), engine=Engine("torch"), taped=True)
    found = certify(start, Plan(gauss=16))
    assert isinstance(found, Accepted)
    assert found.tape is not None
    sharp = certify_functionals(start, found.tape, [Functional(4, 3)])
    assert 0 < sharp[0] < found.end.bound[4, 3]


@pytest.mark.parametrize("name", ["jax", "cuda:x", "", None, 3])
def test_other_places_are_refused(name: Any) -> None:
    with pytest.raises(InputError, match="bounds_on"):
        Engine(name)


def test_emulated_products_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_EMULATE_DOUBLE_PRECISION", "1")
    here = Engine()
    object.__setattr__(here, "name", "cuda")
    with pytest.raises(InputError, match="CUBLAS_EMULATE_DOUBLE_PRECISION"), here.guarded():
        pass
