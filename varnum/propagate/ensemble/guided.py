"""The error of logits after guidance: two runs, with a label and without one, and their sum.

l = (1 + t) c - t u at scale s, t = cfg s/(K - 1): bound (1 + t) B_c + t B_u, as the two errors may
have opposite signs. Claim ensemble-run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from varnum.balls.exact import parse
from varnum.errors import InputError
from varnum.floats.guard import certifying
from varnum.model.generate import Model, guidance_strength
from varnum.outward import at_most, float_up
from varnum.propagate.ensemble import given as g
from varnum.propagate.ensemble.error import SAMPLES, certain_tokens, error_of
from varnum.propagate.ensemble.ops import Logits
from varnum.propagate.ensemble.run_error import RunError
from varnum.propagate.forms import Floats

_U = 2.0**-53
_MOST = 10**6


def guided_error_of(
    model: Model,
    labels: npt.ArrayLike,
    tokens: npt.ArrayLike,
    logits: npt.ArrayLike | None = None,
    *,
    cfg: str | Fraction,
    samples: int = SAMPLES,
    chance: str | Fraction = "1e-6",
    bounds_on: str = "numpy",
    say: Callable[[str], None] = lambda _: None,
) -> RunError:
    """As `error_of`, of logits (B, L, V) after guidance of strength cfg.

    Half of the chance for the run with its labels, half for the one without. Raises InputError.
    """
    g.checked_model(model)
    strength, total = _checked(model, cfg), g.checked_chance(chance)
    ids, names = g.checked_tokens(model, labels, tokens)
    given = None if logits is None else g.checked_logits(model, logits, len(ids))
    runs = []
    for label, said in ((names, "with label"), ([-1] * len(ids), "without label")):

        def told(text: str, said: str = said) -> None:
            say(f"{text}, {said}")

        run = error_of(
            model, label, ids, samples=samples, chance=total / 2, bounds_on=bounds_on, say=told
        )
        if run.exit_code:
            return run
        runs.append(run)
    with certifying():
        return _together(model, runs[0], runs[1], given, strength, total)


def combined(
    model: Model, labelled: npt.ArrayLike, free: npt.ArrayLike, cfg: str | Fraction
) -> Floats:
    """(1 + t) c - t u in float64, of logits (B, L, V) with labels and without."""
    a, b = weights(model, _checked(model, cfg))
    return np.asarray(a * np.asarray(labelled, float) + b * np.asarray(free, float))


def _checked(model: Model, cfg: str | Fraction) -> Fraction:
    strength = parse(cfg, "cfg")
    if abs(strength) > _MOST:
        raise InputError(f"cfg: {cfg} is not allowed; -{_MOST} to {_MOST}")
    if model.var.scales < 2:
        raise InputError("cfg: guidance needs two scales or more")
    return strength


def weights(model: Model, cfg: Fraction) -> tuple[Floats, Floats]:
    """(1 + t, -t) of each token, (L, 1), each rounded once."""
    scales = model.var.scales
    strengths = [guidance_strength(cfg, s, scales) for s in range(scales)]
    counts = model.var.lengths
    first = np.repeat([float(1 + t) for t in strengths], counts)
    return first[:, None], np.repeat([-float(t) for t in strengths], counts)[:, None]


def _together(
    model: Model,
    labelled: RunError,
    free: RunError,
    given: Floats | None,
    cfg: Fraction,
    total: Fraction,
) -> RunError:
    a, b = weights(model, cfg)
    with np.errstate(all="ignore"):
        first, second = a * labelled.centre, b * free.centre
        centre = first + second
        size = np.abs(a) * labelled.bound + np.abs(b) * free.bound
        # a and b rounded once, two products and a sum
        bound = (size + 4 * _U * (np.abs(first) + np.abs(second))) * (1 + 2.0**-40)
        apart = np.zeros_like(centre) if given is None else np.abs(given - centre) * (1 + 2.0**-50)
        error = (apart + bound) * (1 + 2.0**-50)
    if not np.isfinite(error).all():
        raise InputError("cfg: guided logits leave float64")
    sure = np.stack([certain_tokens(Logits(c, r)) for c, r in zip(centre, bound, strict=True)])
    if given is not None:
        sure &= given.argmax(-1) == centre.argmax(-1)
    ends = np.cumsum(model.var.lengths)[:-1]
    return replace(
        labelled,
        chance=at_most(total, 1),
        tries=labelled.tries + free.tries,
        rounding_bound=float_up(bound.max()),
        measured=None if given is None else float_up(apart.max()),
        logit_error=float_up(error.max()),
        logit_error_per_scale=tuple(float_up(p.max()) for p in np.split(error, ends, axis=1)),
        tokens_certain=int(sure.sum()),
        tokens=int(sure.size),
        commitments=labelled.commitments + free.commitments,
        centre=centre,
        bound=bound,
    )
