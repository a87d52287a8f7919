"""The question `varnum kv` answers, put together: lower bound, upper bounds, released caches."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from varnum.balls import parse, to_text
from varnum.balls.scalar import ball, enclosure_text, precision
from varnum.cost.schedule import Schedule, parse_schedule
from varnum.errors import InputError
from varnum.hardness.keys import best_keys, check_seed, make_keys
from varnum.hardness.kv import cached_rows, certify_capacity, largest_b, states
from varnum.hardness.readback import Readback, opposite_values, random_values, read_back
from varnum.model.config import preset

CAP = Fraction(100)  # released models: |query| after its learned factor is at most 100.0000064


@dataclass(frozen=True)
class KvQuestion:
    """A model, or the sizes by hand. `rows` wins over the schedule's cached rows."""

    model: str | None = None
    schedule: str | None = None
    rows: int | None = None
    d_v: int | None = None
    d_k: int | None = None
    bits: int = 8
    sigma: str | None = None
    rank: int | None = None
    width: int = 16
    vocabulary: int | None = None
    seed: int = 0


def answer(question: KvQuestion) -> dict[str, Any]:
    """Every figure with the side it is on; raises InputError."""
    config = preset(question.model)[0] if question.model else None
    schedule = Schedule(config.patch_nums) if config else None
    if question.schedule:
        schedule = parse_schedule(question.schedule)
    rows = question.rows
    if rows is None and schedule is not None:
        rows = cached_rows(schedule)
    if rows is None:
        raise InputError("kv: say --model, --schedule or --rows")
    head_dim = config.head_dim if config else 64
    d_k = head_dim if question.d_k is None else question.d_k
    d_v = head_dim if question.d_v is None else question.d_v
    if not 1 <= question.width <= 64:
        raise InputError(f"width: {question.width} is not allowed; 1 to 64 bits a number")
    if question.rank is not None and question.rank < 1:
        raise InputError(f"rank: {question.rank} is not allowed; at least 1")
    keys = best_keys(rows, d_k, question.seed)
    capacity = certify_capacity(rows, d_v, question.bits, keys.mu)
    vocabulary = question.vocabulary
    if vocabulary is None:
        vocabulary = config.vocab_size if config else 4096
    result: dict[str, Any] = {
        "rows": rows,
        "tokens": schedule.length if schedule else None,
        "d_v": d_v,
        "d_k": d_k,
        "bits_per_value": question.bits,
        "error_allowed": to_text(capacity.error),
        "certified_bits": capacity.bits,
        "keys": keys.kind,
        "mu": to_text(keys.mu),
        "query_over_sigma": enclosure_text(ball(capacity.query), 8)[1],
        "query_norm": _query_norm(capacity.query, question.sigma, d_k),
        "width": question.width,
        **states(capacity, schedule, vocabulary, question.rank, question.width),
    }
    if config is not None and schedule is not None:
        heads = config.num_heads * config.depth
        result |= {
            "heads": heads,
            "certified_bits_all_heads": heads * capacity.bits,
            "cache_bits": 2 * rows * config.embed_dim * config.depth * question.width,
            "query_cap": to_text(CAP),
            "query_within_cap": capacity.query <= CAP,
            "largest_bits_per_value": largest_b(rows, keys.mu, CAP),
        }
    return result


def _query_norm(query: Fraction, sigma: str | None, d: int) -> str:
    """lambda = (lambda/sigma) sigma, rounded up; sigma is d, sqrt, 4sqrt or a number, default 1."""
    with precision(128):
        if sigma in ("sqrt", "4sqrt"):
            value = ball(d).sqrt() * (4 if sigma == "4sqrt" else 1)
        else:
            number = (
                Fraction(d) if sigma == "d" else parse("1" if sigma is None else sigma, "sigma")
            )
            if number <= 0:
                raise InputError(f"sigma: {sigma} is not allowed; d, sqrt, 4sqrt or above 0")
            value = ball(number)
        return enclosure_text(value * ball(query), 8)[1] if query else "0"


def demo(total: int, b: int, d_k: int, seed: int) -> list[dict[str, Any]]:
    """Write `total` random bits, read all back at the limit, with three kinds of keys.

    The last entries are the worst data, orthonormal keys and one row opposite to all others, at
    the limit and 1 ppm above it, where the bound is false.
    """
    if not 1 <= total <= 10**7:
        raise InputError(f"total: {total} is not allowed; 1 to 10000000 bits")
    if not 1 <= b <= 16:
        raise InputError(f"bits: {b} is not allowed in the demo; 1 to 16 per value")
    check_seed(seed)
    rows = max(2, min(1024, total // b))
    d_v = -(-total // (rows * b))
    values = random_values(rows, d_v, b, seed)
    runs = []
    for kind in ("orthonormal", "random", "code"):
        keys = make_keys(kind, rows, None if kind == "orthonormal" else d_k, seed)
        runs.append(_as_dict(read_back(keys, values, b), "random bits", keys.mu))
    keys = make_keys("orthonormal", rows)
    worst = opposite_values(rows, 1, b)
    runs.append(_as_dict(read_back(keys, worst, b), "one row opposite", keys.mu))
    above = read_back(keys, worst, b, Fraction(1000001, 1000000))
    runs.append(_as_dict(above, "one row opposite, 1 ppm above", keys.mu))
    return runs


def _as_dict(run: Readback, data: str, mu: Fraction) -> dict[str, Any]:
    return {
        "data": data,
        "keys": run.keys,
        "mu": to_text(mu),
        "bits": run.bits,
        "error_over_limit": float(4 * run.error),
        "wrong_bits": run.wrong_bits,
        "proved": run.certain,
        "first_failure_over_limit": run.first_failure,
    }
