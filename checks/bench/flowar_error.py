"""How tightly FlowAR's exact maps are enclosed, and how long it takes: one label, one thread.

    python checks/bench/flowar_error.py                            # flowar-tiny
    python checks/bench/flowar_error.py --preset flowar-s --num-steps 25 --cfg 4.3
    python checks/bench/flowar_error.py --state B_state.npz --config B_config.json --io B_io.npz

The last takes arrays made by the released code (run g of the configuration), judging its maps.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

from varnum.cli.run_flowar import load_flowar
from varnum.model.backend import Backend, to_numpy
from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise, sample_maps
from varnum.propagate.ensemble.flow_error import flow_error_of


def official(arguments):
    """Model, label, noise, maps and settings of run g."""
    model = load_flowar(arguments.state, arguments.config, None, 0)
    pairs = json.loads(Path(arguments.config).read_text())
    run = next(r for r in pairs["runs"] if r["name"] == "g")
    settings = FlowSettings(
        run["num_steps"], Fraction(str(run["cfg"])), Fraction(str(run["guidance"]))
    )
    with np.load(arguments.io) as held:
        io = {name: held[name] for name in held if name.startswith(("noise", "g_map", "labels"))}
    scales = range(len(model.config.scales))
    noise, maps = ([io[f"{stem}_{k}"][:1] for k in scales] for stem in ("noise", "g_map"))
    return model, int(io["labels"][0]), noise, maps, settings


def drawn(arguments):
    """The same of random weights; its maps are a float32 run's."""
    model = load_flowar(None, None, arguments.preset, 0)
    settings = FlowSettings(arguments.num_steps, Fraction(arguments.cfg))
    noise, where = draw_noise(model.config, 1, 0), Backend("numpy", "float32")
    latents = [where.array(x) for x in noise]
    maps = [to_numpy(s.map) for s in sample_maps(model.to(where), [3], latents, settings)]
    return model, 3, noise, maps, settings


def main() -> int:
    """Print one line of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="flowar-tiny")
    parser.add_argument("--num-steps", type=int, default=25)
    parser.add_argument("--cfg", default="2.5")
    parser.add_argument("--samples", type=int, default=32)
    for name in ("state", "config", "io"):
        parser.add_argument(f"--{name}")
    arguments = parser.parse_args()
    model, label, noise, maps, settings = (official if arguments.state else drawn)(arguments)
    started = time.process_time()
    found = flow_error_of(model, [label], noise, maps, settings=settings, samples=arguments.samples)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(found)
    print(f"{seconds:.0f} CPU s, peak {peak:.2f} GiB, tries {found.tries}")
    return found.exit_code


if __name__ == "__main__":
    sys.exit(main())
