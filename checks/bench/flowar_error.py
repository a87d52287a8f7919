"""How tightly FlowAR's exact maps are enclosed, and how long it takes: one label, one thread.

    python checks/bench/flowar_error.py                            # flowar-tiny
    python checks/bench/flowar_error.py --preset flowar-s --num-steps 25 --cfg 4.3
    python checks/bench/flowar_error.py --official B        # arrays of the released code, run g
    python checks/bench/flowar_error.py --scales 1,2,4 --preset flowar-s

The maps that are judged are those of a float32 run here.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from varnum.model.backend import Backend, to_numpy
from varnum.model.flowar.flow_config import flow_preset
from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise, sample_maps
from varnum.model.flowar.random_flow_weights import random_flow_model
from varnum.propagate.ensemble.flow_error import flow_error_of


def official(name):
    """Model, label, noise and settings of run g of tests/data/flowar."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.support.flowar import official as held

    found = held(name)
    noise = [found.io[f"noise_{k}"][:1] for k in range(len(found.config.scales))]
    return found.model, int(found.io["labels"][0]), noise, found.runs["g"]


def drawn(arguments):
    """The same of random weights."""
    config = flow_preset(arguments.preset)
    if arguments.scales:
        config = replace(config, scales=tuple(int(h) for h in arguments.scales.split(",")))
    settings = FlowSettings(arguments.num_steps, Fraction(arguments.cfg))
    return random_flow_model(config, 0), 3, draw_noise(config, 1, 0), settings


def main() -> int:
    """Print one line of figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="flowar-tiny")
    parser.add_argument("--num-steps", type=int, default=25)
    parser.add_argument("--cfg", default="2.5")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--official", choices=("A", "B"))
    parser.add_argument("--scales")
    arguments = parser.parse_args()
    found = official(arguments.official) if arguments.official else drawn(arguments)
    model, label, noise, settings = found
    where = Backend("numpy", "float32")
    latents = [where.array(x) for x in noise]
    scales = sample_maps(model.to(where), [label], latents, settings)
    maps = [to_numpy(scale.map) for scale in scales]
    started = time.process_time()
    answer = flow_error_of(
        model, [label], noise, maps, settings=settings, samples=arguments.samples
    )
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(answer)
    print(f"{seconds:.0f} CPU s, peak {peak:.2f} GiB, tries {answer.tries}")
    return answer.exit_code


if __name__ == "__main__":
    sys.exit(main())
