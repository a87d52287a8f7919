"""`varnum kv`: bits a key/value cache must hold, what suffices, and a demonstration."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, print_json, progress
from varnum.errors import InputError

Option = typer.Option


def kv(
    model: Annotated[str | None, Option(help="var-d16, var-d20, var-d24, var-d30, var-d36")] = None,
    schedule: Annotated[str | None, Option(help="sides of the token maps, e.g. 1,2,3,4")] = None,
    rows: Annotated[
        int | None, Option(help="cached rows N; default: before the last scale")
    ] = None,
    d_v: Annotated[
        int | None, Option("--dv", help="value dimension; default: model's or 64")
    ] = None,
    d_k: Annotated[int | None, Option("--dk", help="key dimension; default: model's or 64")] = None,
    bits: Annotated[int, Option(help="bits per value, b")] = 8,
    sigma: Annotated[str | None, Option(help="d, sqrt, 4sqrt or a number; default 1")] = None,
    rank: Annotated[int | None, Option(help="size the state of this low rank")] = None,
    width: Annotated[int, Option(help="bits per stored number")] = 16,
    vocabulary: Annotated[int | None, Option(help="token ids; default: model's or 4096")] = None,
    demo: Annotated[
        bool, Option("--demo", help="write bits into a cache and read them back")
    ] = False,
    total: Annotated[int, Option(help="bits in the demo")] = 100_000,
    seed: Annotated[int, Option(help="of random keys and bits")] = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """How many bits a key/value cache must hold, and what the alternatives need.

    Exit code 1 if a bit of the demo goes wrong at the limit.

    Examples: varnum kv --model var-d16; varnum kv --demo --bits 1
    """
    limit(timeout)
    from varnum.hardness.kv_report import KvQuestion, answer
    from varnum.hardness.kv_report import demo as run_demo

    if demo:
        _only_of_the_demo(model, schedule, rows, d_v, sigma, rank, vocabulary)
        with progress() as say:
            say(f"writing and reading {total} bits")
            runs = run_demo(total, bits, 64 if d_k is None else d_k, seed)
        _show_demo(runs, json)
        return 1 if any(run["wrong_bits"] and run["error_over_limit"] <= 1 for run in runs) else 0
    result = answer(
        KvQuestion(model, schedule, rows, d_v, d_k, bits, sigma, rank, width, vocabulary, seed)
    )
    if json:
        print_json("varnum/kv/1", result)
    else:
        _show(result, model)
    return 0


def _only_of_the_demo(*others: object) -> None:
    if any(other is not None for other in others):
        raise InputError("--demo: takes --bits, --dk, --total and --seed; no other sizes")


def _show(r: dict[str, Any], model: str | None) -> None:
    print(
        f"lower bound (proved): a cache of {r['rows']} rows that answers attention within "
        f"{r['error_allowed']} of V's range holds {r['certified_bits']} bits per head "
        f"(N d_v b, d_v = {r['d_v']}, b = {r['bits_per_value']})"
    )
    print(
        f"  keys: {r['keys']}, d_k = {r['d_k']}, largest product {r['mu']}; query norm over sigma "
        f"{r['query_over_sigma']}, query norm {r['query_norm']}"
    )
    if "heads" in r:
        verdict = "within" if r["query_within_cap"] else "above"
        print(
            f"  {model}: that norm is {verdict} the cap {r['query_cap']}, which reads up to "
            f"{r['largest_bits_per_value']} bits per value; {r['heads']} heads, each its own "
            f"oracle: {r['certified_bits_all_heads']} bits"
        )
        print(
            f"  cached today: {r['cache_bits']} bits per image ({r['width']}-bit keys and values)"
        )
    if "recompute_bits" in r:
        print(
            f"upper bound by recomputing: {r['recompute_bits']} bits of token ids, all heads "
            "(fixed weights; so the lower bound is about a streaming attention oracle)"
        )
    if "lowrank_bits" in r:
        print(f"low-rank state: {r['lowrank_numbers']} numbers, {r['lowrank_bits']} bits per head")
    print(f"a low-rank state that precise has rank >= {r['rank_floor']} ({r['width']}-bit numbers)")


def _show_demo(runs: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json("varnum/kv-demo/1", {"runs": runs})
        return
    print(f"{'data':31}{'keys':13}{'bits':>8}{'error/limit':>16}{'wrong':>7}{'fails from':>12}")
    for run in runs:
        print(
            f"{run['data']:31}{run['keys']:13}{run['bits']:8}{run['error_over_limit']:16.11f}"
            f"{run['wrong_bits']:7}{run['first_failure_over_limit']:12.6f}"
        )
