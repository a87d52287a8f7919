"""What watching costs: time of a forward inside `vn.watch` over time outside, in one run.

python checks/bench/watch_overhead.py [--rounds 5]; needs torch and transformers. CPU seconds of
this process, one thread, the least of interleaved rounds; keep="none", outputs verified by rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode

import varnum as vn


class Idle(TorchDispatchMode):  # type: ignore[misc]
    """A mode that does nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def vit(how: str, layers: int = 6) -> tuple[Any, dict[str, Any]]:
    config = transformers.ViTConfig(
        hidden_size=384, num_hidden_layers=layers, num_attention_heads=6, intermediate_size=1536,
    )  # fmt: skip
    config._attn_implementation = how
    return transformers.ViTModel(config).eval(), {"pixel_values": torch.randn(1, 3, 224, 224)}


def llama(how: str, length: int = 1024, layers: int = 2) -> tuple[Any, dict[str, Any]]:
    config = transformers.LlamaConfig(
        hidden_size=512, num_hidden_layers=layers, num_attention_heads=8, num_key_value_heads=2,
        intermediate_size=1376, vocab_size=1000,
    )  # fmt: skip
    config._attn_implementation = how
    return transformers.LlamaModel(config).eval(), {"input_ids": torch.randint(1000, (1, length))}


def least(run: Callable[[], Any], around: list[Callable[[], Any]], rounds: int) -> list[float]:
    """CPU seconds of run() inside each of these contexts, interleaved."""
    best = [float("inf")] * len(around)
    for _ in range(rounds):
        for i, open_ in enumerate(around):
            with open_():
                began = time.process_time()
                run()
                best[i] = min(best[i], time.process_time() - began)
    return best


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'model':24} {'plain ms':>9} {'idle mode':>9} {'watch':>7} {'verify off':>10}")
    for name, build in (("ViT-S widths, 197", vit), ("Llama-like GQA, 1024", llama)):
        for how in ("sdpa", "eager"):
            model, inputs = build(how)

            def run(model: Any = model, inputs: Any = inputs) -> Any:
                return model(**inputs)

            def watch(verify: bool = True, model: Any = model) -> AbstractContextManager[Any]:
                return vn.watch(model, keep="none", verify=verify)

            around = [nullcontext, Idle, watch, lambda w=watch: w(False)]
            with torch.no_grad():
                run()
                plain, *others = least(run, around, rounds)
            ratios = [x / plain for x in others]
            print(
                f"{name + ', ' + how:24} {1e3 * plain:9.0f} {ratios[0]:9.2f} {ratios[1]:7.2f} "
                f"{ratios[2]:10.2f}"
            )


if __name__ == "__main__":
    main()
