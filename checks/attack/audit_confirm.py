"""Every certified number of an audit again, in balls or by plain counting, on a sample of heads.

Independent of the audit's own bounds: features and the scalings of a lower bound are taken as
floats, what they prove is worked out anew. Exit code 1 if anything differs.

    python checks/attack/audit_confirm.py --random var-tiny --heads 4
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np

from varnum import attention, checker, plan
from varnum.audit.apriori import NormalisedHead
from varnum.audit.head_audit import audit_head
from varnum.audit.layer_run import run_layers
from varnum.audit.leading_monomials import attend_leading, fit_leading
from varnum.audit.ranks import fit_rank
from varnum.audit.row_file import RowFile
from varnum.audit.run import Asked, _tasks
from varnum.audit.source import subject
from varnum.audit.task import HeadTask, Target
from varnum.balls import namespace as xp
from varnum.balls.array import BallArray
from varnum.balls.questions import bounds, certainly_at_most, certainly_less
from varnum.balls.scalar import arb, ball, precision
from varnum.lowrank.features import attend
from varnum.lowrank.softmax import exact_rows
from varnum.model.config import preset
from varnum.model.generate import Settings
from varnum.model.random_weights import random_model
from varnum.model.transformer import MAX_LOG_SCALE

BITS = 128


@dataclass(frozen=True)
class Finding:
    """One certified number: what was claimed, what came out, and whether the claim stands."""

    name: str
    claimed: object
    found: object
    stands: bool


def confirm(task: HeadTask, row: dict) -> list[Finding]:
    """All findings for one row."""
    with precision(BITS):
        found = [_logit_bound(task, row)]
        parts = _parts(task)
        for scale, (q, k, _) in zip(row["scales"], parts, strict=True):
            found += _logits(task, row, scale, q, k)
            found += _ranks(task, row, scale, q, k)
        found += [_whole_rank(task, row), *_errors(task, row, parts)]
    return found + _degree(task, row) + _counts(task, row) + _advice(task, row)


def _parts(task):
    end, parts = 0, []
    for side in task.sides:
        start, end = end, end + side * side
        parts.append((task.q[start:end], task.k[:end], task.v[:end]))
    return parts


def _logit_bound(task, row):
    claimed = ball(Fraction(row["M_apriori"]))
    head = task.weights
    if isinstance(head, NormalisedHead):
        exact = ball(min(Fraction(head.log_scale), MAX_LOG_SCALE)).exp()
        longest = xp.max(xp.sum(BallArray(task.q) ** 2, axis=1)).item()
        longest *= xp.max(xp.sum(BallArray(task.k) ** 2, axis=1)).item()
        exact = exact.max(ball(task.scale) * longest.sqrt())
    else:
        factor, shift = (1 + BallArray(head.scale)), BallArray(head.shift)
        norm_y = xp.max(abs(factor)).item() * arb(len(head.shift)).sqrt()
        norm_y += xp.sum(shift * shift).item().sqrt()
        norm_q = _spectral(head.w_q) * norm_y + xp.sum(BallArray(head.b_q) ** 2).item().sqrt()
        exact = norm_q * _spectral(head.w_k) * norm_y / (4 * arb(len(head.w_q)).sqrt())
    return Finding("M_apriori", row["M_apriori"], exact, bool(exact <= claimed))


def _spectral(weight):
    """Not below |W|_2 and within a part in 10^11: |G^m|_F^(1/m) for G = W W^T, m = 2^36."""
    power, log, m = BallArray(weight) @ BallArray(weight).T, arb(0), 1
    for _ in range(36):
        size = xp.sum(power * power).item().sqrt().mid()
        power, log = power / BallArray([[size]]), log + size.log() / m
        power, m = power @ power, 2 * m
    log += xp.sum(power * power).item().sqrt().log() / m
    return (log / 2).exp().upper()


def _logits(task, row, scale, q, k):
    s = BallArray(task.scale)
    plain = s * (BallArray(q) @ BallArray(k).T)
    centre = task.q.mean(0) * row["centred"]
    centred = s * ((BallArray(q) - BallArray(centre)) @ BallArray(k).T)
    spread = xp.max(xp.max(centred, axis=1) - xp.min(centred, axis=1)) / 2
    found = []
    for name, exact in (("M", xp.max(abs(plain))), ("spread", spread)):
        low, high = (BallArray(x) for x in scale[name])
        below = scale[name][0] == 0 or certainly_at_most(low, exact).all()  # neither is negative
        stands = below and certainly_at_most(exact, high).all()
        found.append(Finding(f"{name} at side {scale['side']}", scale[name], exact, bool(stands)))
    return found


def _kernel(task, q, k):
    return xp.exp(BallArray(task.scale) * (BallArray(q) @ BallArray(k).T))


def _relative(kernel, exact, eps):
    """Is every row of the features' kernel, times its best factor, within eps of the exact one?"""
    phi, psi = BallArray(kernel.phi), BallArray(kernel.psi) * BallArray(kernel.weights[:, None])
    ratio = (phi @ psi.T) / exact
    high, low = xp.max(ratio, axis=1), xp.min(ratio, axis=1)
    positive = certainly_less(BallArray(0), low).all()
    worst = xp.max((high - low) / (high + low))
    return worst, bool(positive and certainly_at_most(worst, BallArray(Fraction(eps))).all())


def _ranks(task, row, scale, q, k):
    eps, where = row["eps"], f" at side {scale['side']}"
    exact = _kernel(task, q, k)
    if scale["pivots"]:
        kernel = fit_rank(q, k, task.scale, float(np.nextafter(eps, 0)))
        worst, stands = _relative(kernel, exact, eps)
        stands = stands and kernel.rank == scale["rank_certified"]
    else:
        worst, stands = "all tokens", scale["rank_certified"] == min(len(q), len(k))
    lower = scale["rank_lower"]
    return [
        Finding("rank_certified" + where, scale["rank_certified"], worst, stands),
        Finding("rank_lower" + where, lower, "", excluded(exact, lower - 1, eps)),
    ]


def excluded(exact, rank, eps, rounds=12):
    """Is every matrix of this rank certainly farther than eps from the kernel (claim rank-lower)?

    By Ky Fan: |tail|^2 = |B|_F^2 - the `rank` largest eigenvalues of B^T B, bounded from above.
    """
    if rank <= 0:
        return True
    middle = exact.estimate()
    first = 1 / np.sqrt(middle.max(1)) / np.sqrt(middle.min(1))
    exact, middle = exact * BallArray(first[:, None]), middle * first[:, None]
    rows, columns = np.ones(middle.shape[0]), np.ones(middle.shape[1])
    best = 1  # the scalings are those of the audit, which follow the rank it has excluded so far
    for _ in range(rounds):
        left, values, right = np.linalg.svd(middle * rows[:, None] * columns, full_matrices=False)
        scaled = exact * BallArray(rows[:, None]) * BallArray(columns[None])
        whole = xp.sum(scaled * scaled).item()
        tail = whole - _largest_sum(scaled, right, rank)
        if tail > ball(Fraction(eps)) ** 2 * whole:
            return True
        values = values / values[0]  # squares of the largest kernels leave float64
        tails = np.sqrt(np.cumsum(values[::-1] ** 2)[::-1])
        best = max(best, int((tails > eps * tails[0]).sum()))
        rest = (left[:, best:] * values[best:]) @ right[best:]
        rows = rows * (np.sqrt((rest**2).sum(1)) + 1e-300) ** 0.5
        columns = columns * (np.sqrt((rest**2).sum(0)) + 1e-300) ** 0.5
        rows, columns = rows / rows.max() + 1e-6, columns / columns.max() + 1e-6
    return False


def _largest_sum(scaled, right, count):
    """Not below the sum of the `count` largest eigenvalues of B B^T (as many as B has rows)."""
    u = np.linalg.svd(scaled.estimate(), full_matrices=False)[0]
    basis = BallArray(u)
    turned = basis.T @ scaled
    gram, defect = turned @ turned.T, basis.T @ basis - BallArray(np.eye(u.shape[1]))
    off = gram * BallArray(1 - np.eye(u.shape[1]))
    spill = xp.sum(off * off).item().sqrt()
    slack = xp.sum(defect * defect).item().sqrt()
    diagonal = sorted(
        (gram[i, i].item().upper() for i in range(u.shape[1])), key=float, reverse=True
    )
    return (sum(diagonal[:count], arb(0)) + count * spill) / (1 - slack)


def _whole_rank(task, row):
    if not row["pivots"]:
        stands = row["rank_certified"] == len(task.q) and row["eps_certified"] == 0
        return Finding("rank_certified", row["rank_certified"], "all tokens", stands)
    kernel = _fitted(task, row)
    worst, stands = _relative(kernel, _kernel(task, task.q, task.k), row["eps_certified"])
    stands = stands and kernel.rank == row["rank_certified"]
    return Finding("rank_certified", row["rank_certified"], worst, stands)


def _errors(task, row, parts):
    """Outputs in float64 against balls, in units of each value column's range over its keys."""
    lengths = [len(q) for q, _, _ in parts]
    exact = []
    for q, k, v in parts:
        weights = _kernel(task, q, k)
        exact.append((weights @ BallArray(v)) / xp.sum(weights, axis=1, keepdims=True))
    outputs = {"error_exact": [exact_rows(q, k, v, 1 / task.scale) for q, k, v in parts]}
    outputs["error_certified"] = outputs["error_exact"]
    own = attention(
        task.q, task.k, task.v, sigma=1 / task.scale, output_error=row["output_error"],
        scales=tuple(lengths),
    )  # fmt: skip
    outputs["error_attention"] = np.split(own.output, np.cumsum(lengths)[:-1])
    if row["pivots"]:
        whole = attend(_fitted(task, row), task.v, lengths)[0]
        outputs["error_certified"] = np.split(whole, np.cumsum(lengths)[:-1])
    worst = {name: _worst(arrays, exact, parts) for name, arrays in outputs.items()}
    found = [Finding(name, row[name], max(x), max(x) <= row[name]) for name, x in worst.items()]
    return found + _compared(task, row, exact, parts, worst["error_exact"])


def _compared(task, row, exact, parts, exactly):
    """Scales on leading monomials against balls; the others run exactly, with that error."""
    lengths, r = [len(q) for q, _, _ in parts], row["rank_output"] if row["pays_output"] else 1
    lead = fit_leading(task.q, task.k, task.scale, r)
    outputs = attend_leading(lead, task.v, lengths, r)
    found, target = [], Fraction(row["output_error"])
    for scale, full, worst in zip(
        row["scales"], exactly, _worst(outputs, exact, parts), strict=True
    ):
        right = full if scale["rows_exact"] else worst
        rank = scale["tokens"] if scale["rows_exact"] else r
        stands = right <= scale["error_output"] <= row["error_output"]
        stands = stands and rank == scale["rank_output"] and Fraction(right) <= target
        found.append(Finding(f"error_output at side {scale['side']}", right, scale, stands))
    return found


def _worst(outputs, exact, parts):
    """Of each scale: the largest error in units of the column's range, from above."""
    worst = []
    for output, right, (_, _, v) in zip(outputs, exact, parts, strict=True):
        width = np.ptp(v, axis=0)
        moving = width > 0
        off = bounds(abs(BallArray(output[:, moving]) - right[:, moving]))[1] / width[moving]
        worst.append(float(off.max(initial=0.0)))
    return worst


def _fitted(task, row):
    return fit_rank(task.q, task.k, task.scale, float(np.nextafter(row["eps"], 0)))


def _degree(task, row):
    answer = plan(M=row["M_rounded"], output_error=row["output_error"])
    stands = Fraction(row["M_rounded"]) >= Fraction(row["M_apriori"])
    tau = Fraction(row["output_error"])
    eps = 2 * tau / (1 + tau**2)
    if row["degree_minimal"]:
        proved = checker.check(answer.certify().encode())
        stands = stands and proved.certificate.degree == row["degree_apriori"]
    else:
        stands = stands and _taylor(Fraction(row["M_rounded"]), row["degree_apriori"]) <= eps
    with precision(BITS):
        back = (ball(eps).atanh() / 2).tanh()
    kept = bool(back.overlaps(ball(tau))) and float(eps) == row["eps"]
    return [
        Finding("degree_apriori", row["degree_apriori"], answer.degree, stands),
        Finding("error_apriori", row["error_apriori"], back, kept),
        *(_degree_at_spread(part, row["output_error"]) for part in (row, *row["scales"])),
    ]


def _taylor(M, g):
    """Not below e^M M^(g+1)/(g+1)!, which bounds the relative error of degree g on [-M, M]."""
    with precision(BITS):
        bound = ball(M).exp() * ball(M) ** (g + 1) / arb(g + 2).gamma()
        return Fraction(float(bounds(BallArray(bound))[1]))


def _degree_at_spread(part, output_error):
    least = plan(M=Fraction(part["spread"][1]), output_error=output_error).degree
    return Finding("degree_spread", part["degree_spread"], least, part["degree_spread"] >= least)


def _counts(task, row):
    """Operations and numbers kept, counted token by token."""
    d, d_v, g = task.q.shape[1], task.v.shape[1], row["degree_apriori"]
    r = comb(d + g, g)
    length = len(task.q)
    exact = sum(len(q) * len(k) * (d + d_v + 1) for q, k, _ in _parts(task))
    values = {
        "rank_apriori": r,
        "rank_spread": comb(d + row["degree_spread"], d),
        "ops_exact": exact,
        "ops_apriori": length * r * (2 * d_v + 5),
        "cache": length * (d + d_v),
        "state_apriori": r * (d_v + 1),
        "pays_apriori": length * r * (2 * d_v + 5) < exact,
        "pays_certified": row["ops_certified"] < exact,
        "pays_output": row["ops_output"] < exact,
        "rows_exact": sum(scale["rows_exact"] for scale in row["scales"]),
    }
    found = [Finding(name, row[name], x, row[name] == x) for name, x in values.items()]
    each = {"n_apriori": r * (2 * d_v + 5)}
    each["n_certified"], more = _certified_counts(task, row)
    each["n_output"], rest = _output_counts(task, row)
    turns = [_turn(name, row[name], x, d + d_v + 1) for name, x in each.items()]
    return found + more + rest + turns


def _certified_counts(task, row):
    """Operations per token, from the sizes of the arrays that a token meets."""
    d, d_v, found = task.q.shape[1], task.v.shape[1], []
    for part, (q, k, _) in [
        *zip(row["scales"], _parts(task), strict=True),
        (row, (task.q, task.k, 0)),
    ]:
        each, right = None, part["ops_exact"]
        if part["pivots"]:
            kernel = fit_rank(q, k, task.scale, float(np.nextafter(row["eps"], 0)))
            points, r = kernel.map.points, kernel.rank
            map_ = kernel.frame.a.size + points.size + len(points) + len(points) * r
            each = 2 * (map_ + r * (d_v + 1)) + d + 2
            right = each * len(k)
        found.append(
            Finding("ops_certified", part["ops_certified"], right, part["ops_certified"] == right)
        )
        kept = part["rank_certified"] * (d_v + 1)
        found.append(
            Finding(
                "state_certified", part["state_certified"], kept, part["state_certified"] == kept
            )
        )
    return each, found


def _output_counts(task, row):
    d, d_v = task.q.shape[1], task.v.shape[1]
    low, features = row["pays_output"], row["rank_output"]
    used = fit_leading(task.q, task.k, task.scale, features).monomials.factors[1:] if low else ()
    c = len(set(used))
    side = c * (d + 1) + 2 * features + features * (d_v + 1)
    total, exactly, found = 0, 0, []
    for scale, (q, k, _) in zip(row["scales"], _parts(task), strict=True):
        right = (side + d + 2) * len(q) * low
        if scale["rows_exact"]:
            right, exactly = right + len(q) * len(k) * (d + d_v + 1), len(k)
        else:
            right += side * len(q)
        total += right
        found.append(
            Finding("ops_output", scale["ops_output"], right, scale["ops_output"] == right)
        )
    kept = exactly * (d + d_v) + low * features * (d_v + 1)
    known = {"ops_output": total, "state_output": kept, "coordinates": c}
    for name, right in known.items():
        found.append(Finding(name, row[name], right, row[name] == right))
    return 2 * side + d + 2 if low else None, found


def _turn(name, n, per_token, unit):
    """Is n the first side at which this cost per token pays?"""
    if per_token is None:
        return Finding(name, n, None, n is None)
    stands = not _pays(n - 1, per_token, unit) and _pays(n, per_token, unit)
    return Finding(name, n, "", stands)


def _pays(n, per_token, unit):
    sides, power = [n], 1
    while sides[-1] > 1:
        power *= 2
        sides.append(-(-n // power))
    seen = exact = 0
    for side in reversed(sides):
        seen += side * side
        exact += side * side * seen * unit
    return n > 0 and seen * per_token < exact


def _advice(task, row):
    d, sides = task.q.shape[1], ",".join(map(str, task.sides))
    common = {"output_error": row["output_error"], "schedule": sides}
    found = []
    if row["cap"] is not None:
        cap = Fraction(row["cap"])
        inside = plan(M=cap, d=d, **common).pays
        outside = plan(M=cap * Fraction(101, 100), d=d, **common).pays
        found.append(Finding("cap", row["cap"], (inside, outside), bool(inside and not outside)))
    pays = [m == 0 or plan(M=row["M_rounded"], d=m, **common).pays for m in
            (row["d_max"], row["d_max"] + 1)]  # fmt: skip
    return [*found, Finding("d_max", row["d_max"], pays, pays[0] and not pays[1])]


# --- by hand ------------------------------------------------------------------------------------


def tasks_of(name, settings, labels, targets, heads, seed=0):
    """`heads` tasks spread over the model of this preset, on tokens that it generates."""
    var, vae = preset(name)
    model = random_model(var, vae, seed)
    one = subject(name, lambda: model, var, np.array(labels), settings)
    loaded, labels, tokens = one.load(lambda _: None)
    rows = RowFile(None, {})
    every = max(1, var.depth * var.num_heads * len(labels) // heads)
    count = 0
    for layer in run_layers(loaded, labels, tokens):
        for task in _tasks(one, layer, Asked(targets), rows):
            if count % every == every // 2:
                yield task
            count += 1


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--random", default="var-tiny")
    options.add_argument("--heads", type=int, default=4)
    options.add_argument("--output-error", default="1e-1,1e-2")
    given = options.parse_args()
    targets = tuple(Target.of(Fraction(x)) for x in given.output_error.split(","))
    wrong = total = 0
    for task in tasks_of(given.random, Settings(), [0], targets, given.heads):
        for row in audit_head(task):
            findings = confirm(task, row)
            total += len(findings)
            for f in findings:
                if not f.stands:
                    wrong += 1
                    print(f"{row['layer']}.{row['head']} {f.name}: {f.claimed} against {f.found}")
    print(f"{total} certified numbers, {total - wrong} confirmed, {wrong} not")
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
