"""`varnum attention --triage`: would low rank pay? A guess from a sample of each head."""

from __future__ import annotations

from collections import Counter
from typing import Any

from varnum.cli.envelope import print_envelope
from varnum.errors import InputError


def print_triage(arrays: list[Any], sigma: str, output_error: str | None, scales: Any,
                 causal: bool, as_json: bool) -> int:  # fmt: skip
    """Look at every head and print what is guessed; the exit code, always 0."""
    from varnum._attention import resolve_sigma, view_of
    from varnum.floats.arrays import split_heads
    from varnum.integrations.triage import block_causal, triage

    q, k, v = arrays
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise InputError(f"--q, --k, --v: lead axes {q.shape[:-2]}, {k.shape[:-2]}, {v.shape[:-2]}")
    scale = 1 / float(resolve_sigma(sigma, int(q.shape[-1])))
    view = view_of(int(q.shape[-2]), int(k.shape[-2]), scales, causal)
    mask = None if view is None else block_causal(view, int(q.shape[-2]))
    given: dict[str, Any] = {"scale": scale, "output_error": output_error or "1e-2", "mask": mask}
    found = [triage(*head, **given) for head in split_heads(q, k, v)]
    if as_json:
        heads = [t.to_dict() for t in found]
        content = {"output_error": heads[0].pop("output_error"), "heads": heads}
        for head in heads[1:]:
            head.pop("output_error")
        return print_envelope(
            "varnum/attention-triage/1", content, verdict="done", assurance="estimated", exit_code=0
        )
    if len(found) == 1:
        print(found[0])
        return 0
    for number, t in enumerate(found):
        print(f"head {number:3}  {t.summary()}")
    count = Counter(t.verdict for t in found)
    print(", ".join(f"{word}: {count[word]}" for word in ("pays", "may pay", "cannot pay")))
    return 0
