"""`varnum kv --sparsity`: what sparse values save, and claims of compressors judged."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from varnum.cli.common import progress
from varnum.cli.envelope import print_envelope
from varnum.envelope import plain
from varnum.text import aligned, filled

if TYPE_CHECKING:
    from varnum.hardness.caches.sparsity_answer import SparsityQuestion


def sparsity(question: SparsityQuestion, json: bool) -> int:
    """Answer for one size, or a row for every released one; 1 where a claim is below the bound."""
    from varnum.hardness.caches.sparsity_answer import every_size, sparsity_answer

    with progress() as say:
        say("counting bits")
        if question.model == "all":
            sizes = every_size(question)
            content: dict[str, Any] = {"sizes": sizes}
        else:
            content = sparsity_answer(question)
            sizes = [content]
    code = int(any(size.get("judged", {}).get("below") for size in sizes))
    if json:
        name = "kv-sparsity-all" if question.model == "all" else "kv-sparsity"
        verdict = "refuted" if code else "proved"
        return print_envelope(
            f"varnum/{name}/1", plain(content), verdict=verdict, assurance="proved", exit_code=code
        )
    if question.model == "all":
        _show_sizes(sizes)
    else:
        _show(content)
    return code


def _show(r: dict[str, Any]) -> None:
    from varnum.outward import at_least, at_most
    from varnum.text import big

    times = "" if r["factor"] is None else f": {at_least(r['factor'])} times fewer than dense"
    least = f"{big(r['bits_sparse'])} bits are needed and suffice{times}"
    size = f"{r['rows']} rows, d_v = {r['d_v']}, b = {r['bits_per_value']}"
    rows = [("dense", f"{big(r['bits_dense'])} bits per head",
             f"{size}; attention within {r['error_allowed']} of V's range")]  # fmt: skip
    if "atoms" in r:
        pays = r["dictionary_pays_from"]
        when = "never pays" if pays is None else f"pays from {big(pays)} rows on"
        rows += [
            ("dictionary known", least, f"{r['sparsity']} of {r['atoms']} atoms a row"),
            ("kept as well", f"{big(r['bits_with_dictionary'])} bits", when),
        ]
    else:
        rows.append(
            ("row sparsity", least, f"{min(r['sparsity'], r['d_v'])} of {r['d_v']} values nonzero")
        )
    rows.append(
        ("attention sparsity", "no saving",
         "unless it is known when a row is written who will read it: the queries of the bound read "
         "one row each")
    )  # fmt: skip
    if "bits_rows_known" in r:
        note = f"where the {r['read_rows']} rows that are read are known when written"
        rows.append(("", f"{big(r['bits_rows_known'])} bits", note))
    if "last_scales_rows" in r:
        first = ", ".join(map(str, r["last_scales_rows"][:4]))
        note = "stay if the last map reads the last 1, 2, .. scales before it"
        rows.append(("last scales only", f"{first}, ..", f"of {r['rows']} rows {note}; a spatial "
                     "window frees none"))  # fmt: skip
    if "at_scale" in r:
        rows += _scale_rows(r["at_scale"], r)
    rows.append(
        (
            "per token",
            f"{at_most(r['bytes_per_token'], 5)} bytes",
            f"{r['heads']} head" + "s" * (r["heads"] > 1),
        )
    )
    if "judged" in r:
        rows += _judged_rows(r["judged"])
    width = max(len(name) for name, _, _ in rows)
    for name, value, note in rows:
        print(filled(f"{name:<{width}}  {value}   {note}", indent=" " * (width + 5)))


def _scale_rows(found: dict[str, Any], r: dict[str, Any]) -> list[tuple[str, str, str]]:
    from varnum.outward import at_least, at_most

    rows = []
    scale = found["scale"] if len(found["scale"]) <= 16 else at_most(Fraction(found["scale"]), 4)
    place = f"at scale {scale}"
    note = f"forces the dense {r['rows']} x {r['d_v']} x {r['bits_per_value']} bits"
    if "error_forcing" in found:
        error = f"an error below {at_least(found['error_forcing'])}"
        rows.append((place, error, f"{note} (orthonormal keys)"))
    value = found["random_keys_error_forcing"]
    kappa = "no inverse verified" if not value else f"kappa {found['random_keys_kappa']:.4g}"
    rows.append((place, f"an error below {at_least(value)}",
                 f"{note} (random unit keys, d_k = {found['d_k']}: {kappa})"))  # fmt: skip
    rows.append(("evict floor", f"{at_least(found['evict_floor_one_row'])} for one row dropped, "
                 f"{at_least(found['evict_floor_half'])} for half",
                 "of V's range: a policy that does not read values (these keys)"))  # fmt: skip
    return rows


def _judged_rows(judged: dict[str, Any]) -> list[tuple[str, str, str]]:
    from varnum.text import big

    held = f"{judged['keeps_bytes_per_token']} bytes per token"
    numbers = f"{big(judged['kept_bits'])} of {big(judged['needed_bits'])} bits"
    verdict = "BELOW what must be kept: impossible" if judged["below"] else "not excluded"
    rows = [("judged", f"{held}: {verdict}", numbers)]
    if judged["bits_excluded"] is not None:
        rows.append(("", f"an error below {judged['error_excluded']} is impossible",
                     f"{judged['bits_excluded']} bits per value do not fit"))  # fmt: skip
    return rows


def _show_sizes(sizes: list[dict[str, Any]]) -> None:
    from varnum.outward import at_least, at_most
    from varnum.text import big

    judged = "judged" in sizes[0]
    table = [["model", "rows", "heads", "bits a head", "factor", "bytes/token",
              *(["kept", "error >="] if judged else [])]]  # fmt: skip
    for r in sizes:
        row = [str(r["model"]), str(r["rows"]), str(r["heads"]), big(r["bits_sparse"]),
               at_least(r["factor"]) if r["factor"] else "-",
               at_most(r["bytes_per_token"], 5)]  # fmt: skip
        if judged:
            claim = r["judged"]
            error = claim["error_excluded"]
            row += ["below" if claim["below"] else "not", (error and at_least(error)) or "-"]
        table.append(row)
    print(aligned(table))
    b, error = sizes[0]["bits_per_value"], sizes[0]["error_allowed"]
    text = (f"Needed and enough at b = {b}, for attention within {error} of V's range; rows before "
            "the last scale, bytes per token over all heads.")  # fmt: skip
    if judged:
        keeps = sizes[0]["judged"]["keeps_bytes_per_token"]
        text += (f" Kept: {keeps} bytes per token, below that or not; whatever a cache of "
                 "this size does, its error is not smaller than the last column.")  # fmt: skip
    print(filled(text))
