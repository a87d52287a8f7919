"""Write the seeds again: small valid files of every kind, and good.npz for the other half."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np

from varnum.checker import serialise
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.random_weights import buffers, random_weights
from varnum.model.statedict import var_shapes

SEEDS = Path(__file__).resolve().parent / "seeds"
FORMULAS = (
    "c small\np cnf 3 2\n1 -2 0\n2 3 0\n",
    "p cnf 2 3\n1 2\n0 -1 0 0\n%\n0\n",
    "p cnf 0 0\n",
    "\r\np cnf 1 1\r\n-1 0\r\n",
)


def small_var() -> dict[str, np.ndarray]:
    var = VarConfig((1, 2), 1, 2, 1, mlp_ratio=1.0, vocab_size=2, Cvae=1, num_classes=1)
    vae = VaeConfig((1, 2), vocab_size=2, Cvae=1, ch=32)
    return random_weights(var_shapes(var), 0) | buffers(var, vae)[0]


def weights(state: dict[str, np.ndarray]) -> dict[str, bytes]:
    import torch
    from safetensors.numpy import save

    npz, pth = io.BytesIO(), io.BytesIO()
    np.savez_compressed(npz, **state)
    tensors = {name: torch.from_numpy(np.array(x)) for name, x in state.items()}
    torch.save({"trainer": {"var_wo_ddp": tensors}}, pth)
    return {"npz": npz.getvalue(), "safetensors": save(state), "pth": pth.getvalue()}


def main() -> int:
    state = small_var()
    files: dict[str, bytes] = {f"dimacs/{i}": text.encode() for i, text in enumerate(FORMULAS)}
    two = {"a": np.ones((2, 2), np.float32), "lvl_1L": np.zeros((1, 1), np.int64)}
    for size, content in (("two", two), ("var", state)):
        for kind, (suffix, data) in enumerate(weights(content).items()):
            if suffix != "pth" or size == "two":
                files[f"checkpoint/{size}.{suffix}"] = bytes([kind]) + data
                files[f"checkpoint/vae-{size}.{suffix}"] = bytes([129 + kind]) + data
    files["good.npz"] = weights(state)["npz"]
    plain = {"schema": "varnum/certificate/1", "error": "relative", "interval": ["-1/2", "0.5"],
             "eps": "0.7", "degree": 0, "lower": None, "minimal": False,
             "upper": {"exponent": 0, "numerators": ["0x1"], "brackets_exponent": 0,
                       "brackets": []}}  # fmt: skip
    line = {**plain, "error": "additive", "eps": "0.4", "degree": 1, "minimal": True,
            "upper": {"exponent": -4, "numerators": ["0x10", "0x10"], "brackets_exponent": -3,
                      "brackets": [["-0x1", "0x1"]]},
            "lower": {"degree": 0, "points_exponent": -1, "points": ["-0x1", "0x1"]}}  # fmt: skip
    files |= {"certificate/constant": serialise(plain), "certificate/line": serialise(line)}
    head = {"schema": "varnum/audit-rows/1", "digest": "0", "question": {}}
    rows = Path(sys.argv[1]).read_text().splitlines()[1:] if len(sys.argv) > 1 else []
    lines = [json.dumps(head), *rows[:1], *rows[-1:]]
    if rows:
        files["rows/two"] = ("\n".join(lines) + "\n").encode()
    files["rows/empty"] = (lines[0] + "\n").encode()
    for name, data in files.items():
        path = SEEDS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
