"""`varnum attention --against`: what random rows say about an output from anywhere."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from varnum.cli.envelope import print_envelope
from varnum.envelope import plain
from varnum.text import filled

if TYPE_CHECKING:
    from varnum.sampled.row_sample import SampleCheck


def against(
    arrays: list[Any], output: Any, output_error: str | None, rows: int, confidence: str,
    options: dict[str, Any], as_json: bool,
) -> int:  # fmt: skip
    """Check the output by random rows and print what they say; the exit code."""
    from varnum.errors import InputError
    from varnum.sampled.row_sample import sample_check

    if output_error is None:
        raise InputError("--against: says something about --output-error; give that one")
    q, k, v = arrays
    found = sample_check(
        q, k, v, output, output_error=output_error, rows=rows, confidence=confidence, **options
    )
    if as_json:
        content = {"target": found.target, "sampled": _content(found)}
        return print_envelope(
            "varnum/attention-sampled/1", content, verdict=found.verdict, assurance=found.word,
            exit_code=found.exit_code,
        )  # fmt: skip
    _print(found)
    return found.exit_code


def of_output(
    arrays: list[Any], output: Any, output_error: str | None, rows: int, confidence: str,
    options: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The same of an output that was made here: the field `sampled`, with its own word."""
    from varnum.errors import InputError
    from varnum.sampled.row_sample import sample_check

    if output_error is None:
        raise InputError("--rows: says something about --output-error; give that one")
    q, k, v = arrays
    found = sample_check(
        q, k, v, output, output_error=output_error, rows=rows, confidence=confidence, **options
    )
    return {"assurance": found.word} | _content(found)


def in_short(sampled: dict[str, Any], target: float) -> str:
    """One line for the terminal."""
    from varnum.outward import at_most

    share, above = at_most(sampled["share_above"]), f"{target:.3g}"
    if Fraction(above) < Fraction(target):
        above = at_most(target)  # fewer rows are above a larger number, not a smaller one
    return f"at most {share} of the rows above {above}, {sampled['assurance']}"


def _content(found: SampleCheck) -> dict[str, Any]:
    """Without the target, which stands above; the witness by name."""
    content = {name: part for name, part in found.to_dict().items() if name != "target"}
    if found.witness is not None:
        content["witness"] = dict(zip(("head", "row", "error"), plain(found.witness), strict=True))
    return content


def _print(found: SampleCheck) -> None:
    from varnum.outward import at_least, at_most

    def row(name: str, text: str) -> None:
        print(filled(f"{name:22}{text}", " " * 22))

    kind = "every row" if found.all_rows else "random rows, run exactly"
    chance = "" if found.all_rows else f", wrong with chance {found.confidence} at most"
    row("rows", f"{found.rows} of {found.total} ({kind})")
    row(f"above {found.target}", f"{found.above} of them")
    row("share of all rows", f"at most {at_most(found.share_above)} above the target{chance}")
    row("mean error", f"at most {at_most(found.mean_error)} of V's range{chance}")
    row("largest error seen", at_most(found.largest_seen))
    if found.witness is not None:
        head, number, error = found.witness
        row("worst row", f"head {head}, row {number}: error at least {at_least(error)}")
    row("rests on", found.word)
    row("seconds", f"{found.seconds:.4f}")
