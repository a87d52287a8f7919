"""`varnum hardness`: satisfiability, closest pairs and a wrapped instance, by softmax heads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.envelope import print_envelope
from varnum.lowrank.method import METHODS
from varnum.text import filled

if TYPE_CHECKING:
    from varnum.hardness.head import Head

app = typer.Typer(
    help="Lower bounds that run: decide SAT and closest pairs with one softmax head.",
    epilog="Example: varnum hardness sat formula.cnf --error 0.1249",
    no_args_is_help=True,
)

ErrorOption = Annotated[
    str, typer.Option("--error", help="Error added to every output, towards the threshold; < 1/8.")
]
SigmaOption = Annotated[str | None, typer.Option(help="Logits are q.k/sigma; default: dimension.")]
AttentionOption = Annotated[
    str,
    typer.Option(
        help="How the head is evaluated: exact, lowrank (varnum.attention), one of its methods "
        f"({', '.join(name for name in METHODS if name != 'exact')}), "
        "var-wrap, flowar-wrap or flowar-flow."
    ),
]


@app.command(short_help="Decide a formula with one softmax head.")
def sat(
    file: Annotated[Path, typer.Argument(help="A formula in DIMACS CNF.")],
    error: ErrorOption = "0",
    via: Annotated[str, typer.Option(help="ov, or hamming: one more reduction.")] = "ov",
    sigma: SigmaOption = None,
    attention: AttentionOption = "exact",
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """Decide a formula in one evaluation of a softmax head; print an assignment if there is one.

    Exit code 0: decided, whichever way.

    Example: varnum hardness sat formula.cnf --error 0.1249
    """
    limit(timeout)
    from varnum.balls import parse
    from varnum.hardness.cnf import read_cnf
    from varnum.hardness.evaluators import evaluator
    from varnum.hardness.hardness_steps import steps_of
    from varnum.hardness.solve import solve_sat
    from varnum.outward import float_up

    cnf = read_cnf(file)
    with progress() as say:
        say(f"deciding {cnf.variables} variables, {len(cnf.clauses)} clauses")
        answer = solve_sat(cnf, parse(error, "error"), via, _sigma(sigma), evaluator(attention))
    head = answer.head
    result: dict[str, Any] = {
        "satisfiable": answer.satisfiable,
        "assignment": list(answer.assignment) if answer.assignment is not None else None,
        "variables": cnf.variables,
        "clauses": answer.clauses,
        "queries": len(head.queries),
        "error_injected": str(error),
    }
    result |= _run(head, float_up(answer.outputs.error), answer.outputs.method)
    result["steps"] = steps_of(head.claim, from_sat=True)
    if json:
        _decided("varnum/hardness-sat/2", result)
        return
    if answer.assignment is None:
        print("UNSATISFIABLE (every output at most 1/4 + error)")
    else:
        print("SATISFIABLE (checked against every clause)")
        print("v " + " ".join(map(str, answer.assignment)) + " 0")
    _explain(result)


@app.command(short_help="Find the closest pair of words.")
def closest(
    file: Annotated[Path, typer.Argument(help="Words of 0 and 1, a blank line between the sides.")],
    error: ErrorOption = "0",
    sigma: SigmaOption = None,
    attention: AttentionOption = "exact",
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """Find the closest pair in Hamming distance between two sides, by bisection over heads.

    Example: varnum hardness closest words.txt
    """
    limit(timeout)
    from varnum.balls import parse
    from varnum.hardness.evaluators import evaluator
    from varnum.hardness.solve import closest as find
    from varnum.hardness.words import read_words
    from varnum.outward import float_up

    x, y = read_words(file)
    with progress() as say:
        say(f"comparing {len(x)} words with {len(y)}")
        answer = find(x, y, parse(error, "error"), _sigma(sigma), evaluator(attention))
    result: dict[str, Any] = {
        "distance": answer.distance,
        "pair": [index + 1 for index in answer.pair],
        "queries": len(x),
        "bits": x.shape[1],
        "heads": len(answer.heads),
        "error_injected": str(error),
        "steps": ["seth-head"],
    }
    if answer.heads:
        widest = max(answer.heads, key=lambda head: head.M)
        result |= _run(widest, float_up(answer.error), attention)
    if json:
        _decided("varnum/hardness-closest/2", result)
        return
    i, j = result["pair"]
    print(f"distance {answer.distance}: word {i} of the first side, {j} of the second")
    if answer.heads:
        _explain(result)


@app.command(short_help="Decide a formula inside a VAR or FlowAR pyramid.")
def wrap(
    file: Annotated[Path, typer.Argument(help="A formula of few variables in DIMACS CNF.")],
    error: ErrorOption = "0",
    model: Annotated[Literal["var", "flowar"], typer.Option(help="Whose layers.")] = "var",
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """Decide a formula inside the last scale of a pyramid, on the model's own layers.

    Example: varnum hardness wrap formula.cnf --error 0.1 --model flowar
    """
    limit(timeout)
    from varnum.balls import parse
    from varnum.hardness.cnf import read_cnf
    from varnum.hardness.evaluators import evaluator
    from varnum.hardness.flowar_wrap import HYPOTHESES as FLOWAR_HYPOTHESES
    from varnum.hardness.flowar_wrap import FlowWrapped, flowar_wrap
    from varnum.hardness.flowar_wrong import wrong_flowar_versions
    from varnum.hardness.solve import solve_sat
    from varnum.hardness.wrap import HYPOTHESES as VAR_HYPOTHESES
    from varnum.hardness.wrap import wrap
    from varnum.hardness.wrong import wrong_versions
    from varnum.outward import float_up

    cnf = read_cnf(file)
    with progress() as say:
        say("running the last scale")
        answer = solve_sat(cnf, parse(error, "error"), evaluate=evaluator(f"{model}-wrap"))
        say("running the wrong versions")
        wrong = wrong_versions() if model == "var" else wrong_flowar_versions()
    inside = wrap(answer.head) if model == "var" else flowar_wrap(answer.head)
    if isinstance(inside, FlowWrapped):
        sides, width = inside.config.scales, inside.config.model_width
    else:
        sides, width = inside.config.patch_nums, inside.config.embed_dim
    hypotheses = VAR_HYPOTHESES if model == "var" else FLOWAR_HYPOTHESES
    result: dict[str, Any] = {
        "model": model,
        "satisfiable": answer.satisfiable,
        "assignment": list(answer.assignment) if answer.assignment is not None else None,
        "n": answer.head.n,
        "side": sides[-1],
        "tokens": inside.config.length,
        "width": width,
        "gates": inside.gates,
        "M_head": float_up(inside.head.M),
        "M": float_up(inside.M),
        "error_injected": error,
        "error_bound": float_up(answer.outputs.error),
        "error_allowed": str(answer.outputs.allowed),
        "hypotheses": list(hypotheses),
        "wrong_versions": [
            {"version": w.version, "why": w.why, "measured": w.measured} for w in wrong
        ],
    }
    if json:
        _decided("varnum/hardness-wrap/2", result)
        return
    print("SATISFIABLE" if answer.satisfiable else "UNSATISFIABLE")
    _line(
        f"pyramid {sides}: {result['tokens']} tokens, width {result['width']}, "
        f"{result['gates']} gate coordinates"
    )
    from varnum.outward import at_most

    M = at_most(result["M"], 4)
    print(f"M: {at_most(result['M_head'], 4)} for the head, raised to {M} by the gates")
    error_bound = at_most(result["error_bound"], 6)
    print(f"error: at most {error_bound}, allowed {result['error_allowed']}")
    for text in hypotheses:
        _line(f"hypothesis  {text}")
    for w in wrong:
        _line(f"not claimed {w.version}: {w.why} ({w.measured})")


def _sigma(text: str | None) -> Any:
    from varnum.balls import parse

    return None if text is None else parse(text, "sigma")


def _run(head: Head, error: float, method: str) -> dict[str, Any]:
    from varnum.hardness.hardness_steps import regime_of

    return {**regime_of(head), "error_bound": error, "attention": method}


STARTS = ("proved", "hypothesis", "not")  # of statements in a column of twelve


def _line(text: str) -> None:
    """One statement to stdout, continued under its beginning."""
    print(filled(text, indent=" " * 12 if text.split(" ")[0] in STARTS else "  "))


def _explain(result: dict[str, Any]) -> None:
    """Sizes, regime, assurance: one statement each."""
    from varnum.hardness.hardness_steps import HYPOTHESES, PROVED
    from varnum.outward import at_most

    _line(
        f"head: {result['queries']} queries, {result['n']} keys and a dummy, d = {result['d']}, "
        f"R = s = {at_most(result['R'], 6)}, sigma = {result['sigma']}, M <= {result['M']}"
    )
    _line(
        f"evaluated: {result['attention']}; injected {result['error_injected']}, with rounding at "
        f"most {at_most(result['error_bound'], 9)} < 1/8, so the threshold 3/8 decides"
    )
    _line(
        f"low rank at this M: degree {result['degree']}, rank 10^{result['rank_log10']:.1f}: "
        + ("below n" if result["rank_below_n"] else "above n, nothing saved")
    )
    if "estimate_rho" in result:
        rho, star = result["estimate_rho"], result["estimate_b_star"]
        _line(
            f"regime: b = {result['estimate_b']:.4g}, c = {result['estimate_c']:.4g}, "
            f"p = {result['estimate_p']:.4g}: rho = {rho[0]:.4g} (Taylor), {rho[1]:.4g} (minimax); "
            f"below quadratic needs b < {star[0]:.4g} or {star[1]:.4g}"
        )
    for step in result["steps"]:
        _line(f"proved      {step}: {PROVED[step]}")
    for name, text in HYPOTHESES.items():
        _line(f"hypothesis  {name}: {text}")


def _decided(schema: str, result: dict[str, Any]) -> None:
    print_envelope(schema, result, verdict="proved", assurance="proved for this run", exit_code=0)
