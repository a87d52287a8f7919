"""Options that several verbs have, each once; `common` has those of almost all."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from varnum.errors import InputError

VarFile = Annotated[str | None, typer.Option(help="Transformer: .npz, .safetensors, .pth.")]
VaeFile = Annotated[str | None, typer.Option(help="VQVAE: .npz, .safetensors, .pth.")]
FlowFile = Annotated[
    str | None, typer.Option(help="FlowAR instead: its state dict, .npz, .safetensors, .pth.")
]
ConfigFile = Annotated[
    str | None, typer.Option(help="JSON file of sizes; most are read off the weights.")
]
Noise = Annotated[
    str | None, typer.Option(help="FlowAR: .npz of latents to start from, noise_0, ..")
]
GuidedUpTo = Annotated[
    str, typer.Option(help="FlowAR: guide only at times up to this, itself included.")
]
Steps = Annotated[
    int, typer.Option("--num-steps", help="FlowAR: of the sampler; 25 makes 24 evaluations.")
]
Seed = Annotated[int, typer.Option(help="Seed of random weights and of sampling.")]
Device = Annotated[str, typer.Option(help="cpu, or with torch cuda.")]
HeadError = Annotated[
    str, typer.Option("--output-error", help="lowrank: error of each head, of V's range.")
]


def refuse(given: dict[str, Any], why: str) -> None:
    """InputError that names the first option which was given: not None."""
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name}: {why}")
