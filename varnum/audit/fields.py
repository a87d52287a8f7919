"""Every figure of the audit, once: one entry of FIELDS is all that the rest knows of a figure.

The table of heads, that of scales, the summary, the page, `assurance_of`, the rows that may be read
back, the schema and the reference are made from here; who computes a figure adds its name to the
row (`varnum.audit.head_audit`, `varnum.audit.options`), and `python -m varnum.audit.schema` writes
the schema anew. A place in a table is a number: equal ones stand in the order of FIELDS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from varnum.audit.kinds import EXACT, FLAG, NONE, NUMBER, PAIR, TEXT, TWO, WHOLE, Kind, maybe

Row = dict[str, Any]
"""One line of the file of rows, one of its scales or steps, or one summary: field -> value."""

PROVED, RUN, MEASURED, ESTIMATED = "proved", "proved for this run", "measured", "estimated"
CHANCED = "with high probability"  # over draws of the tool; a row says the chance
LOGITS, RANKS, OPERATIONS, KEPT, ERRORS, SIZES, CHANGES = range(1, 8)  # of the table of heads


class Place(NamedTuple):
    """Where a figure stands in a table, under a shorter title if there is one.

    note: what a terminal says after its assurance; {tokens} and {cache} are those of the model.
    """

    at: int
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Field:
    """A figure, or what says which head, scale or step a row is about (then without assurance).

    scope: in which rows it stands: head, scale, summary, budget, step. bound: the side of a number
    that is one, "upper" or "lower". down: what may be, so shown rounded down.
    """

    name: str
    kind: Kind
    assurance: str | None
    text: str  # one line of the reference
    title: str = ""
    scope: str = "head"
    bound: str = ""
    down: bool = False
    heads: int | None = None  # place in the page's table of heads
    scales: Place | None = None  # in its table of the scales of a head
    ranged: int | None = None  # among the [least, median, largest] of the summary
    counted: bool = False  # the summary says for how many heads it is true
    line: Place | None = None  # among the lines that a terminal shows
    asked: bool = False  # stands only where it was asked for: of a summary, a budget
    map: str = ""  # title of its heat map; a whole number is drawn as a share of the tokens


def _named(names: str, kind: Kind, text: str, scope: str = "head") -> list[Field]:
    return [Field(name, kind, None, text, scope=scope) for name in names.split()]


BOTH, ONE = "head scale", "summary"
FIELDS: tuple[Field, ...] = (
    # what a row is about
    Field("kind", TEXT, None, "head or budget", scope="head budget"),
    Field("model", TEXT, None, "file or preset", scope="head budget summary"),
    *_named("layer head", WHOLE, "from 0"),
    *_named("layer head", NONE, "from 0; null for a budget, which is about all", "budget"),
    *_named("prompt", WHOLE, "from 0", "head budget"),
    *_named("label", WHOLE, "class label of the prompt", "head budget"),
    Field("output_error", EXACT, None, "target, in units of the range of each column of V",
          scope="head summary"),
    Field("eps", NUMBER, None, "kernel error that keeps the target (claim softmax-relative), to "
          "nearest", scope="head summary", down=True),
    Field("d", WHOLE, None, "dimension of the head"),
    Field("M_rounded", EXACT, None, "M_apriori rounded up: degree_apriori is proved for it"),
    Field("centred", FLAG, None, "the queries are centred before the spread is taken"),
    Field("side", WHOLE, None, "of the map of this scale", "side", "scale", scales=Place(0)),
    Field("tokens", WHOLE, None, "of this scale: its queries", "tokens", "scale", scales=Place(0)),
    Field("prefix", WHOLE, None, "tokens up to and with it: its keys", "keys", "scale",
          scales=Place(0)),
    # what a row of a call is about
    Field("kind", TEXT, None, "call", scope="call"),
    Field("module", TEXT, None, "path of the module that made the call", scope="call"),
    Field("via", TEXT, None, "what ran: a fused kernel, eager operations, arrays of a file",
          scope="call"),
    *_named("call batch", WHOLE, "from 0", "call"),
    Field("mask", TEXT, None, "full, padding, causal, block-causal, window, boolean or additive",
          scope="call"),
    Field("tokens", TWO, None, "queries and keys of the call", scope="call"),
    Field("verified", maybe(FLAG), None, "sampled rows of the output were recomputed from q, k, v",
          scope="call"),
    Field("qkv_crc32", WHOLE, None, "CRC-32 of q, k, v and the mask", scope="call"),
    Field("bound_from", maybe(TEXT), None, "what M_apriori rests on", scope="call"),
    Field("reason", maybe(TEXT), None, "why figures are missing", scope="call"),
    Field("triage", maybe(TEXT), ESTIMATED, "does low rank pay, guessed from a sample",
          scope="call"),
    # logits, and the rank that a bound of them proves
    Field("M_apriori", NUMBER, PROVED, "largest possible |logit|, for all tokens", "M a priori",
          bound="upper", heads=LOGITS, ranged=1, line=Place(1, note=", from the weights")),
    Field("M", PAIR, RUN, "largest |logit|", "M measured", BOTH, heads=LOGITS, scales=Place(1),
          ranged=0, line=Place(1), map="M measured"),
    Field("spread", PAIR, RUN, "half the range of a row of logits, at most over rows; queries "
          "centred if `centred`", "centred spread", BOTH, heads=LOGITS, scales=Place(1), ranged=0,
          line=Place(1)),
    Field("dimension", NUMBER, ESTIMATED, "effective dimension: participation ratio of the squared "
          "singular values of the centred logits", "effective d", heads=LOGITS, ranged=1,
          line=Place(1, "effective dimension")),
    Field("degree_apriori", WHOLE, PROVED, "least degree for `M_rounded`", "degree", heads=RANKS,
          ranged=1, line=Place(1, "degree a priori")),
    Field("degree_minimal", FLAG, PROVED, "degree_apriori is proved least"),
    Field("rank_apriori", WHOLE, PROVED, "C(d + g, g) for degree_apriori", "rank a priori",
          heads=RANKS, ranged=1, line=Place(2)),
    Field("degree_spread", WHOLE, RUN, "least degree for the measured spread", "degree at spread",
          BOTH, heads=RANKS, scales=Place(2), ranged=1, line=Place(1)),
    Field("rank_spread", WHOLE, RUN, "its rank", "rank at spread", BOTH, heads=RANKS, ranged=1),
    # a kernel certified entry by entry
    Field("rank_certified", WHOLE, RUN, "features certified for these tokens, one set for all "
          "scales; the number of tokens where none are: exact attention", "rank, kernel certified",
          BOTH, heads=RANKS, scales=Place(2, "rank, kernel"), ranged=1,
          line=Place(2, "rank, kernel", "; {tokens} = exact"), map="certified kernel rank"),
    Field("rank_lower", WHOLE, RUN, "no single matrix of lower rank is within the kernel error at "
          "the worst scale", "lower bound of it", BOTH, "lower", True, heads=RANKS,
          scales=Place(4, "lower bound"), ranged=1,
          line=Place(2, "  lower bound of it", ", 1 scale"), map="its lower bound"),
    Field("rank_reference", WHOLE, ESTIMATED, "rank of a truncated SVD at the worst scale: the "
          "optimum, about", "reference", BOTH, heads=RANKS, scales=Place(4), ranged=1,
          line=Place(2, "  reference", ", 1 scale")),
    Field("pivots", WHOLE, MEASURED, "pivots behind rank_certified; 0 where it is exact attention",
          "pivots", BOTH, scales=Place(3)),
    Field("eps_certified", maybe(NUMBER), RUN, "kernel error that they keep", bound="upper",
          ranged=5),
    Field("ops_exact", WHOLE, PROVED, "multiply-adds, multiplications and exps of exact attention",
          "ops exact", "head scale summary", heads=OPERATIONS, scales=Place(6)),
    Field("ops_apriori", WHOLE, PROVED, "at rank_apriori", "ops a priori", heads=OPERATIONS,
          ranged=3),
    Field("ops_certified", WHOLE, RUN, "with the certified kernel", "ops, kernel", BOTH,
          heads=OPERATIONS, scales=Place(6), ranged=3),
    Field("cache", WHOLE, PROVED, "numbers that keys and values are", "cache",
          "head scale summary", heads=KEPT, scales=Place(7)),
    Field("state_apriori", WHOLE, PROVED, "numbers in the state of rank_apriori", "state a priori",
          heads=KEPT, ranged=2),
    Field("state_certified", WHOLE, RUN, "of rank_certified", "state, kernel", BOTH, heads=KEPT,
          scales=Place(7), ranged=2, line=Place(4, "numbers kept, kernel", "; cache {cache}")),
    Field("error_exact", maybe(NUMBER), RUN, "rounding of exact attention, in units of V's range",
          "error, exact", bound="upper", heads=ERRORS, ranged=5),
    Field("error_apriori", maybe(NUMBER), PROVED, "what rank_apriori keeps in exact numbers: the "
          "target", "error, a priori", heads=ERRORS),
    Field("error_certified", maybe(NUMBER), RUN, "with the certified kernel, rounding included",
          "error, kernel", bound="upper", heads=ERRORS, ranged=5, line=Place(3)),
    Field("pays_apriori", FLAG, PROVED, "ops_apriori < ops_exact", counted=True),
    Field("pays_certified", FLAG, RUN, "ops_certified < ops_exact", "kernel pays", BOTH,
          scales=Place(8), counted=True),
    Field("n_apriori", maybe(WHOLE), PROVED, "side of the last map from which on rank_apriori pays "
          "on a pyramid of ratio 2", "a priori pays from n", bound="upper", heads=SIZES, ranged=4,
          line=Place(5, note=", same d, M, error")),
    Field("n_certified", maybe(WHOLE), ESTIMATED, "the same if rank_certified did not grow",
          "from n, kernel, rank fixed", heads=SIZES, ranged=4),
    # leading monomials, their output compared with exact attention
    Field("rank_output", WHOLE, RUN, "leading monomials whose output was compared; the number of "
          "tokens where nothing tried pays", "rank, output compared", BOTH, heads=RANKS,
          scales=Place(5, "rank, output"), ranged=7, line=Place(2, "rank, output"),
          map="rank, output compared"),
    Field("coordinates", WHOLE, MEASURED, "coordinates that they use"),
    Field("degree_output", WHOLE, MEASURED, "their largest degree"),
    Field("rows_exact", WHOLE, MEASURED, "tokens of the scales that run exactly",
          "rows run exactly", BOTH, heads=RANKS, scales=Place(5, "rows exact"), ranged=7,
          line=Place(2, "  rows run exactly", ", of {tokens}")),
    Field("error_output", maybe(NUMBER), RUN, "error of the compared output, rounding included",
          "error, output", BOTH, "upper", heads=ERRORS, scales=Place(5), ranged=7, line=Place(3)),
    Field("ops_output", WHOLE, RUN, "with it, exact scales included", "ops, output", BOTH,
          heads=OPERATIONS, scales=Place(6), ranged=7),
    Field("state_output", WHOLE, RUN, "its state, and keys and values up to the last scale that "
          "runs exactly", "numbers kept, output", heads=KEPT, ranged=7, line=Place(4)),
    Field("pays_output", FLAG, RUN, "ops_output < ops_exact", counted=True),
    Field("n_output", maybe(WHOLE), ESTIMATED, "as n_certified, for rank_output",
          "from n, output, rank fixed", heads=SIZES, ranged=7),
    # what varnum attention does by itself
    Field("rank_attention", WHOLE, MEASURED, "largest rank that `varnum attention` takes by "
          "itself; the number of tokens: exact", "rank, varnum attention", heads=RANKS, ranged=8),
    Field("rows_attention", WHOLE, MEASURED, "rows that it runs exactly", "its exact rows",
          heads=RANKS, ranged=8),
    Field("error_attention", maybe(NUMBER), RUN, "error that it certifies", "its error",
          bound="upper", heads=RANKS, ranged=8),
    # of a model at one target
    *_named("heads layers prompts", WHOLE, "how many", ONE),
    *_named("tokens", WHOLE, "of one prompt", ONE),
    *_named("low_attention", WHOLE, "heads in which `varnum attention` takes low rank", ONE),
    *_named("pays_somewhere", WHOLE, "heads whose kernel pays at some scale taken alone", ONE),
    *_named("needs_all", WHOLE, "heads whose rank_certified is the number of tokens", ONE),
    *_named("ops_all", WHOLE, "ops_exact over all heads", ONE),
    Field("best_apriori", WHOLE, PROVED, "over all heads, the cheaper of exact and a priori",
          scope=ONE),
    Field("best_certified", WHOLE, RUN, "of exact and kernel", scope=ONE),
    Field("best_output", WHOLE, RUN, "of exact and output compared", scope=ONE),
    Field("budget_eps", maybe(NUMBER), ESTIMATED, "least `eps` of the budgets of the model",
          scope=ONE, down=True),
    Field("cap", maybe(EXACT), PROVED, "largest bound of |logit| at which rank_apriori pays, "
          "rounded down", "cap |logit|", "head summary", down=True, heads=CHANGES),
    Field("d_max", maybe(WHOLE), PROVED, "largest head dimension at which it pays; 0: none",
          "d at most", bound="lower", down=True, heads=CHANGES, ranged=6),
    # how large the kernel error of every layer may be
    *_named("assurance", TEXT, "what the budget rests on", "budget"),
    *_named("model_error", EXACT, "how far the logits of the model may move", "budget summary"),
    *_named("eps", maybe(NUMBER), "kernel error of every layer; null: none, see reason", "budget"),
    *_named("domain", maybe(NUMBER), "half width on which kernels must keep it; null past 1e300",
            "budget"),
    *_named("reason", TEXT, "why there is no budget", "budget"),
    Field("kernel_error", maybe(NUMBER), CHANCED, "kernel error of every layer verified for this "
          "run by ensembles to keep every logit within `model_error`; null: refused; of a summary "
          "the least", scope="budget summary", bound="lower", down=True, asked=True),
    Field("kernel_error_assurance", TEXT, None, "of all of them together, and its chance",
          scope="budget summary", asked=True),
    Field("kernel_error_reason", TEXT, None, "why none is verified", scope="budget", asked=True),
    Field("layer", TEXT, None, "after which the numbers hold", scope="step"),
    Field("error", maybe(NUMBER), None, "of the residual stream there", scope="step"),
    Field("amplification", maybe(NUMBER), None, "of the error by this layer", scope="step"),
    Field("zeta", maybe(NUMBER), None, "how far its logits move", scope="step"),
    Field("domain", maybe(NUMBER), None, "half width on which its kernel must keep the error",
          scope="step"),
)  # fmt: skip


_LIKE = {"call": "head", "part": "scale"}  # rows of calls have the figures of heads, or None
_VAR = ("prompt", "label", "side")


def of(scope: str) -> dict[str, Field]:
    """The fields of rows of one scope, by name."""
    found = {field.name: field for field in FIELDS if scope in field.scope.split()}
    if scope not in _LIKE:
        return found
    like = {n: f for n, f in of(_LIKE[scope]).items() if n not in _VAR}
    return found | {n: _open(f) for n, f in like.items() if n not in found}


def _open(field: Field) -> Field:
    """A figure that may be missing."""
    figure = field.assurance or field.name == "M_rounded"
    return replace(field, kind=maybe(field.kind)) if figure else field


def _placed(place: str) -> tuple[Field, ...]:
    """The fields that have this place, in its order."""

    def at(field: Field) -> int:
        found = getattr(field, place)
        return int(found.at if isinstance(found, Place) else found)

    return tuple(sorted((f for f in FIELDS if getattr(f, place) is not None), key=at))


HEADS, SCALES, RANGED, LINES = map(_placed, ("heads", "scales", "ranged", "line"))
COUNTED = tuple(field for field in FIELDS if field.counted)
MAPS = tuple(field for field in FIELDS if field.map)
ASSURANCE = {field.name: field.assurance for field in FIELDS if field.assurance}
"""What each figure rests on."""
DOWN = {field.name for field in FIELDS if field.down}
