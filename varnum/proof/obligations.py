"""Every proof obligation of every section; add a section's tuple here."""

from __future__ import annotations

from pathlib import Path

from varnum.proof.attention_obligations import ATTENTION
from varnum.proof.circuit_obligations import LEMMAS
from varnum.proof.ensemble_obligations import ENSEMBLES
from varnum.proof.evaluation_obligations import EVALUATION
from varnum.proof.flowar_obligations import FLOWAR
from varnum.proof.hardness_obligations import HARDNESS
from varnum.proof.layer_obligations import LAYERS
from varnum.proof.loop_obligations import LOOPS
from varnum.proof.obligation import Obligation
from varnum.proof.recovery_obligations import RECOVERY
from varnum.proof.series_obligations import CACHES, SERIES
from varnum.proof.softmax_obligations import SOFTMAX


def all_obligations() -> tuple[Obligation, ...]:
    """Every obligation of every section, in ledger order."""
    return (
        *SOFTMAX,
        *EVALUATION,
        *LAYERS,
        *HARDNESS,
        *LOOPS,
        *LEMMAS,
        *SERIES,
        *CACHES,
        *FLOWAR,
        *ENSEMBLES,
        *ATTENTION,
        *RECOVERY,
    )


def write(folder: Path) -> list[Path]:
    """Print every obligation into `folder`; returns the files written."""
    paths = []
    for obligation in all_obligations():
        for name, text in obligation.texts().items():
            (folder / name).write_text(text, encoding="utf-8")
            paths.append(folder / name)
    return paths
