"""`varnum check FILE --inputs .. --output ..`: an attention certificate, recomputed."""

from __future__ import annotations

from typing import Any

from varnum.cli.envelope import print_envelope
from varnum.errors import InputError


def check_attention(
    data: bytes, inputs: str | None, output: str | None, coq: bool, as_json: bool
) -> int:
    """Print whether the certificate agrees with the arrays; the exit code."""
    from varnum import recheck

    if not recheck.is_attention(data):
        raise InputError("--inputs, --output: are for certificates of varnum attention")
    if coq:
        raise InputError("--coq: is for certificates of degrees, not of attention")
    if inputs is None or output is None:
        raise InputError("--inputs, --output: an attention certificate is about arrays; give both")
    arrays = [*_inputs(inputs), _array(output, "--output")]
    try:
        found = recheck.check(data, *arrays)
    except recheck.Disagrees as reason:
        return _say(as_json, f"refuted: {reason}", {"reason": str(reason)}, "refuted", 1)
    except recheck.Malformed as reason:
        raise InputError(f"no attention certificate that can be checked: {reason}") from None
    text = found.claimed.text
    content = {
        "statement": str(found),
        **{key: text[key] for key in ("kind", "target", "output_bound", "sigma", "scales")},
        "bound": text["bound"],
        "rows": found.rows,
        "rows_open": found.open,
        "largest_error": found.largest,
        "methods": sorted({head["method"] for head in text["heads"]}),
        "covers": "every entry of the output, against attention computed again; not by which "
        "method it was made, nor what is said of kernel entries, ranks, rows run exactly",
        "rests_on": f"proof in words (attention-recheck), {found.arithmetic}",
        "digest": text["digest"],
    }
    verdict, code = ("unknown", 3) if found.open else ("proved", 0)
    return _say(as_json, str(found), content, verdict, code)


def _say(as_json: bool, text: str, content: dict[str, Any], verdict: str, code: int) -> int:
    if as_json:
        word = "estimated" if verdict == "unknown" else "proved for this run"
        print_envelope(
            "varnum/check-attention/1", content, verdict=verdict, assurance=word, exit_code=code
        )
    else:
        print(text)
    return code


def _inputs(names: str) -> list[Any]:
    parts = names.split(",")
    if len(parts) == 3:
        return [_array(part, "--inputs") for part in parts]
    found = _read(names, "--inputs")
    if not (isinstance(found, dict) and {"q", "k", "v"} <= set(found)):
        raise InputError(f"--inputs: {names!r} must hold arrays q, k and v, or be three .npy")
    return [_checked(found[name], "--inputs", names) for name in "qkv"]


def _array(path: str, option: str) -> Any:
    return _checked(_read(path, option), option, path)


def _checked(array: Any, option: str, path: str) -> Any:
    import numpy as np

    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.itemsize > 8:
        raise InputError(f"{option}: {path!r} must hold arrays of float16, float32 or float64")
    return array


def _read(path: str, option: str) -> Any:
    from varnum.model.npfile import Damaged, read_arrays, readable_file

    readable_file(path, f"{option}: cannot read ")
    try:
        return read_arrays(path)
    except OSError as error:
        raise InputError(f"{option}: cannot read {path!r}: {error.strerror or error}") from None
    except Damaged as error:
        raise InputError(f"{option}: {path!r} is no file of arrays ({str(error)[:120]})") from None
