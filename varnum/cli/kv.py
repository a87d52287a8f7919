"""`varnum kv`: bits a key/value cache must hold, what suffices, and a demonstration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError
from varnum.text import big, filled

Option = typer.Option


def kv(
    model: Annotated[
        str | None,
        Option(help="var-d16 to -d36; --sparsity: infinity-125m, -2b, -8b, all."),
    ] = None,
    schedule: Annotated[str | None, Option(help="Sides of the token maps, e.g. 1,2,3,4.")] = None,
    rows: Annotated[
        int | None, Option(help="Cached rows N; default: before the last scale.")
    ] = None,
    d_v: Annotated[
        int | None, Option("--dv", help="Value dimension; default: model's or 64.")
    ] = None,
    d_k: Annotated[
        int | None, Option("--dk", help="Key dimension; default: model's or 64.")
    ] = None,
    bits: Annotated[int, Option(help="Bits per value, b.")] = 8,
    sigma: Annotated[str | None, Option(help="d, sqrt, 4sqrt or a number; default 1.")] = None,
    rank: Annotated[int | None, Option(help="Size the state of this low rank.")] = None,
    width: Annotated[int, Option(help="Bits per stored number.")] = 16,
    vocabulary: Annotated[int | None, Option(help="Token ids; default: model's or 4096.")] = None,
    demo: Annotated[
        bool, Option("--demo", help="Write bits into a cache and read them back.")
    ] = False,
    total: Annotated[int, Option(help="Bits in the demo.")] = 100_000,
    seed: Annotated[int, Option(help="Of random keys and bits.")] = 0,
    sparsity: Annotated[int | None, Option(help="At most this many values nonzero a row.")] = None,
    atoms: Annotated[
        int | None, Option(help="With --sparsity: rows are sums of that many of these atoms.")
    ] = None,
    atom_bits: Annotated[int | None, Option(help="Bits per atom entry; default: --bits.")] = None,
    read_rows: Annotated[
        int | None, Option(help="With --sparsity: rows read, known when they are written.")
    ] = None,
    scale: Annotated[str | None, Option(help="With --sparsity: head scale of queries.")] = None,
    heads: Annotated[int | None, Option(help="With --sparsity: heads, all layers.")] = None,
    keeps: Annotated[
        str | None, Option(help="With --sparsity: bytes per token a compressor keeps, judged.")
    ] = None,
    evict: Annotated[
        str | None,
        Option(metavar="HEADS.npz", help="Judge what this cache may forget; run: of a VAR run."),
    ] = None,
    keep: Annotated[str | None, Option(help="With --evict: share of the rows kept; 0.5.")] = None,
    policy: Annotated[
        str | None, Option(help="With --evict: h2o, streaming, snapkv, random; h2o.")
    ] = None,
    merge: Annotated[
        int | None, Option(help="With --evict: merge the others into so many clusters.")
    ] = None,
    cut: Annotated[
        int | None, Option(help="With --evict: causal, the cache is the first so many rows.")
    ] = None,
    per_query: Annotated[
        Path | None, Option(metavar="FILE.npz", help="With --evict: write each query's numbers.")
    ] = None,
    plot: Annotated[
        Path | None, Option(help="With --evict: draw it to this .svg, .png or .pdf.")
    ] = None,
    random: Annotated[str | None, Option(help="With --evict run: weights of a preset.")] = None,
    var: Annotated[str | None, Option(help="With --evict run: the transformer's file.")] = None,
    vae: Annotated[str | None, Option(help="With --evict run: the VQVAE's file.")] = None,
    config: Annotated[str | None, Option(help="With --evict run: JSON file of sizes.")] = None,
    label: Annotated[int | None, Option(help="With --evict run: class of the image; 0.")] = None,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """How many bits a key/value cache must hold, what the alternatives need, what it may forget.

    --sparsity counts the bits of sparse values and judges a compressor's --keeps (--model all: for
    every released size). --evict takes heads from an .npz of arrays q_NAME, k_NAME, v_NAME (every
    query sees every key; --cut N or --schedule for causal ones) and certifies, per query, the mass
    that a policy drops and the error of dropping or merging.

    Exit code 1 if a bit of the demo goes wrong at the limit, or a claim of --keeps is impossible.

    Examples: varnum kv --model var-d16; varnum kv --demo --bits 1;
    varnum kv --model var-d16 --sparsity 8; varnum kv --evict heads.npz --keep 0.5 --merge 64
    """
    limit(timeout)
    with_evict = {"--keep": keep, "--policy": policy, "--merge": merge, "--cut": cut,
                  "--per-query": per_query, "--random": random, "--var": var, "--vae": vae,
                  "--config": config, "--label": label, "--plot": plot}  # fmt: skip
    with_sparsity = {"--atoms": atoms, "--atom-bits": atom_bits, "--read-rows": read_rows,
                     "--scale": scale, "--heads": heads, "--keeps": keeps}  # fmt: skip
    other = {"--rank": rank, "--vocabulary": vocabulary, "--demo": demo or None}
    if evict is not None:
        from varnum.cli.kv_evict import EvictQuestion
        from varnum.cli.kv_evict import evict as run_evict

        sizes = {"--sparsity": sparsity, "--model": model, "--rows": rows, "--dv": d_v, "--dk": d_k}
        _no_others("--evict", other | with_sparsity | sizes)
        return run_evict(
            EvictQuestion(evict, keep or "0.5", policy or "h2o", merge or 0, sigma, cut, schedule,
                          per_query, random, var, vae, config, label or 0, seed, plot), json
        )  # fmt: skip
    _no_others("kv without --evict", with_evict)
    if sparsity is not None:
        from varnum.cli.kv_sparsity import sparsity as run_sparsity
        from varnum.hardness.caches.sparsity_answer import SparsityQuestion

        _no_others("--sparsity", other | {"--sigma": sigma})
        return run_sparsity(
            SparsityQuestion(sparsity, model, schedule, rows, d_v, d_k, bits, heads, atoms,
                             atom_bits, read_rows, scale, keeps, seed), json
        )  # fmt: skip
    _no_others("kv without --sparsity", with_sparsity)
    from varnum.hardness.kv_report import KvQuestion, answer
    from varnum.hardness.kv_report import demo as run_demo

    if demo:
        _only_of_the_demo(model, schedule, rows, d_v, sigma, rank, vocabulary)
        with progress() as say:
            say(f"writing and reading {total} bits")
            runs = run_demo(total, bits, 64 if d_k is None else d_k, seed)
        wrong = any(run["wrong_bits"] and run["error_over_limit"] <= 1 for run in runs)
        return _show_demo(runs, json, int(wrong))
    result = answer(
        KvQuestion(model, schedule, rows, d_v, d_k, bits, sigma, rank, width, vocabulary, seed)
    )
    if json:
        print_envelope("varnum/kv/2", result, verdict="proved", assurance="proved", exit_code=0)
    else:
        _show(result, model)
    return 0


def _no_others(what: str, others: Mapping[str, object]) -> None:
    for name, value in others.items():
        if value is not None:
            raise InputError(f"{name}: not an option of {what}")


def _only_of_the_demo(*others: object) -> None:
    if any(other is not None for other in others):
        raise InputError("--demo: takes --bits, --dk, --total and --seed; no other sizes")


def _show(r: dict[str, Any], model: str | None) -> None:
    number = big
    rows = [
        ("lower bound, proved", f"{number(r['certified_bits'])} bits per head",
         f"{r['rows']} rows, N d_v b with d_v = {r['d_v']}, b = {r['bits_per_value']}: a cache "
         f"that answers attention within {r['error_allowed']} of V's range"),
        ("keys", f"{r['keys']}, d_k = {r['d_k']}", f"largest product {r['mu']}"),
        ("query norm", r["query_norm"], f"over sigma {r['query_over_sigma']}"),
    ]  # fmt: skip
    if "heads" in r:
        verdict = "within" if r["query_within_cap"] else "above"
        rows += [
            ("", f"{verdict} the cap {r['query_cap']}",
             f"the cap reads up to {r['largest_bits_per_value']} bits per value"),
            (f"all {r['heads']} heads", f"{number(r['certified_bits_all_heads'])} bits",
             f"{model}; each head its own oracle"),
            ("cached today", f"{number(r['cache_bits'])} bits per image",
             f"{r['width']}-bit keys and values"),
        ]  # fmt: skip
    if "recompute_bits" in r:
        rows.append(
            ("by recomputing", f"{number(r['recompute_bits'])} bits suffice",
             "token ids, fixed weights; so the lower bound is about a streaming attention oracle")
        )  # fmt: skip
    if "lowrank_bits" in r:
        text = f"{number(r['lowrank_numbers'])} numbers"
        rows.append(("low-rank state", text, f"{number(r['lowrank_bits'])} bits per head"))
    note = f"of a low-rank state that precise ({r['width']}-bit numbers)"
    rows.append(("rank, at least", str(r["rank_floor"]), note))
    width = max(len(name) for name, _, _ in rows)
    for name, value, note in rows:
        print(filled(f"{name:<{width}}  {value}   {note}", indent=" " * (width + 5)))


def _show_demo(runs: list[dict[str, Any]], json: bool, code: int) -> int:
    if json:
        return print_envelope(
            "varnum/kv-demo/2", {"runs": runs}, verdict="refuted" if code else "done",
            assurance="measured", exit_code=code,
        )  # fmt: skip
    head = ("data", "keys", "bits", "error/limit", "wrong", "fails at")
    print(f"{head[0]:30} {head[1]:11} {head[2]:>7} {head[3]:>13} {head[4]:>5} {head[5]:>9}")
    for run in runs:
        print(
            f"{run['data']:30} {run['keys']:11} {run['bits']:7} {run['error_over_limit']:13.11f} "
            f"{run['wrong_bits']:5} {run['first_failure_over_limit']:9.6f}"
        )
    return code
