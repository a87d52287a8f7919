"""What the shell may complete as the value of an option."""

from __future__ import annotations


def presets(incomplete: str) -> list[str]:
    """Models that can be had with random weights."""
    from varnum.model.config import PRESETS
    from varnum.model.flowar.flow_config import FLOW_PRESETS

    return [name for name in (*PRESETS, *FLOW_PRESETS) if name.startswith(incomplete)]


def released(incomplete: str) -> list[str]:
    """Models of released sizes."""
    return [name for name in presets(incomplete) if "tiny" not in name]


def claims(incomplete: str) -> list[str]:
    """Claim ids of the ledger."""
    from varnum.proof.ledger import claims as ledger

    return [name for name in ledger() if name.startswith(incomplete)]
