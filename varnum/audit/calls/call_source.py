"""Where heads of attention calls come from: a torch model while it runs, or arrays from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.audit.calls.call_task import CallTask, checksum
from varnum.audit.calls.logit_bound import Norms
from varnum.audit.calls.view import kept, view_of
from varnum.audit.run import Asked, Say, Take
from varnum.errors import InputError, MissingExtra
from varnum.integrations.call import Call

_SCALES = (1e-12, 1e12)  # of logits, outside which there are no ranks, or no numbers at all
_SEPARABLE = 1e-6  # of the largest |bias|: what a_i + b_j may miss and still be folded


@dataclass
class TorchSource:
    """A model and its inputs. It runs once, watched, under no_grad; one call is in memory."""

    name: str
    model: Any
    inputs: Any  # a tuple of positional arguments, or a dict of keyword arguments
    batch: int | None = None  # so many entries of the batch of each call; None: all
    heads: int | None = None
    recorded: dict[str, Any] = field(default_factory=dict)
    unexplained: list[tuple[str, str]] = field(default_factory=list)
    calls: int = 0
    _own: Exception | None = None

    def question(self) -> dict[str, Any]:
        """What the rows depend on; the arrays themselves have a checksum in each row."""
        return {"torch": self.name, "batch": self.batch, "heads": self.heads, **self.recorded}

    def feed(self, asked: Asked, say: Say, take: Take) -> None:
        """Run the model; hand over every call's heads as they come."""
        import torch

        from varnum.integrations.capture import watch

        modules: dict[str, int] = {}
        norms = Norms(self.model)
        strange: list[tuple[str, str]] = []

        def look(call: Call) -> None:
            if call.verified is False:
                return
            if not abs(call.scale) <= _SCALES[1]:
                strange.append((call.module, f"a scale of {call.scale}, not audited"))
                return
            layer = modules.setdefault(call.module, len(modules))
            say(f"{self.name}, {call.module}")
            bound = norms.bound(call)
            try:
                take(list(tasks_of(call, self.name, layer, asked, self.batch, self.heads, bound)))
            except Exception as error:
                self._own = error
                raise

        with torch.no_grad(), watch(self.model, keep="none", on_call=look) as seen:
            self._run()
        self.calls = seen.count
        self.unexplained = [(u.module, u.what) for u in seen.unexplained] + strange
        if sum(call.verified is not False for call in seen.calls) == len(strange):
            said = "; ".join(f"{m}: {what}" for m, what in self.unexplained) or "nothing like it"
            raise InputError(f"{self.name}: no attention was captured in this run ({said[:300]})")

    def _run(self) -> None:
        """Whatever code of the user raises is one line."""
        try:
            if isinstance(self.inputs, dict):
                self.model(**self.inputs)
            else:
                self.model(*self.inputs)
        except (InputError, MissingExtra, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            if error is self._own:  # of the audit, which the forward pass called
                raise
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise InputError(f"{self.name}: the model raised {said}") from error


@dataclass
class FileSource:
    """q, k, v from a .npz: `q`, `k`, `v`, or `q_NAME`, `k_NAME`, `v_NAME`; (.., L, d)."""

    name: str
    arrays: dict[str, Any]
    recorded: dict[str, Any] = field(default_factory=dict)

    def question(self) -> dict[str, Any]:
        """What the rows depend on."""
        return {"arrays": self.name, **self.recorded}

    def feed(self, asked: Asked, say: Say, take: Take) -> None:
        """Every head, one set of arrays after the other."""
        for layer, (name, q, k, v) in enumerate(sets_of(self.arrays, self.name)):
            sizes = (int(q.shape[-2]), int(k.shape[-2]))
            call = Call(name, layer, "arrays", sizes, q, k, v, q.shape[-1] ** -0.5)
            say(f"{self.name}, {name}")
            take(list(tasks_of(call, self.name, layer, asked, None, None, None)))


def sets_of(arrays: dict[str, Any], name: str) -> Iterator[tuple[str, Any, Any, Any]]:
    """(name, q, k, v) of a file's arrays; raises InputError for what does not fit together."""
    names = [n[1:] for n in arrays if n == "q" or n.startswith("q_")]
    if not names:
        raise InputError(f"{name}: no arrays q, k, v (or q_NAME, k_NAME, v_NAME) in it")
    for suffix in names:
        if missing := [p + suffix for p in "kv" if p + suffix not in arrays]:
            raise InputError(f"{name}: q{suffix} is there, {missing[0]} is missing")
        q, k, v = (np.asarray(arrays[letter + suffix]) for letter in "qkv")
        for letter, x in zip("qkv", (q, k, v), strict=True):
            if x.dtype.kind != "f" or x.ndim < 2 or 0 in x.shape:
                found = f"{letter}{suffix}: {x.dtype} of shape {x.shape}"
                raise InputError(f"{name}: {found}; allowed: floats (.., L, d)")
        fits = q.shape[-1] == k.shape[-1] and k.shape[-2] == v.shape[-2]
        if not fits or k.shape[:-2] != v.shape[:-2] or q.ndim != k.ndim:
            raise InputError(
                f"{name}: q{suffix} {q.shape}, k{suffix} {k.shape}, v{suffix} {v.shape} do not fit"
            )
        yield (suffix.lstrip("_") or "arrays"), q, k, v


def tasks_of(
    call: Call, model: str, layer: int, asked: Asked, batch: int | None, heads: int | None,
    bound: tuple[Fraction, str] | None,
) -> Iterator[CallTask]:  # fmt: skip
    """The heads of a call, batch by batch."""
    q, k, v = (_deep(x) for x in (call.q, call.k, call.v))  # (batch, heads, L, d)
    for b in range(min(len(q), batch or len(q))):
        for h in range(min(q.shape[1], heads or q.shape[1])):
            group = h // (q.shape[1] // k.shape[1])
            one = [_wide(x[b, i]) for x, i in ((q, h), (k, group), (v, group))]
            mask = _of_head(call.mask, q.shape, call.q.ndim, b, h)
            sinks = _of_head(call.sinks, q.shape, call.q.ndim, b, h)
            names = {
                "kind": "call", "model": model, "module": call.module, "via": call.via,
                "layer": layer, "call": call.index, "batch": b, "head": h, "mask": call.mask_kind,
                "tokens": list(call.sizes), "verified": call.verified,
                "qkv_crc32": checksum(*one, *(x for x in (mask, sinks) if x is not None)),
                "bound_from": bound[1] if bound else None,
            }  # fmt: skip
            yield _task(call, names, one, mask, sinks, asked, bound)


def _deep(x: Any) -> Any:
    """(batch, heads, L, d); a call without heads has one."""
    while x.ndim < 4:
        x = x[None]
    return x.reshape(-1, *x.shape[-3:]) if x.ndim > 4 else x


def _of_head(t: Any, shape: Any, dims: int, b: int, h: int) -> Any:
    """A mask or sinks of one head, (L, L) and the like, as an array."""
    if t is None:
        return None
    while t.ndim < dims:
        t = t[None]
    t = _deep(t)
    # lead axes that were broadcast have size 1; several of them are flattened together
    b = b if len(t) == shape[0] else b % len(t)
    return _array(t[b, h if t.shape[1] > 1 else 0])


def _array(t: Any) -> Any:
    if hasattr(t, "detach"):
        t = t.detach().cpu()
        t = (t.float() if str(t.dtype) in ("torch.bfloat16", "torch.float16") else t).numpy()
    return np.asarray(t)


def _wide(t: Any) -> Any:
    return np.ascontiguousarray(_array(t), dtype=np.float64)


def _task(
    call: Call, names: dict[str, Any], qkv: list[Any], mask: Any, sinks: Any, asked: Asked,
    bound: tuple[Fraction, str] | None,
) -> CallTask:  # fmt: skip
    q, k, v = qkv
    size, reason, scale = (len(q), len(k)), "", call.scale
    seen, bias = _seen(call, mask, size), None
    if mask is not None and mask.dtype.kind == "f":
        bias = np.where(np.isfinite(mask), mask, 0.0).astype(np.float64)
        bias = np.broadcast_to(bias, size)
    if not all(np.isfinite(x).all() for x in (q, k, v)):
        raise InputError(f"{call.module}, head {names['head']}: nan or inf in q, k or v")
    if scale < 0:
        q, scale = -q, -scale
    if scale < _SCALES[0]:
        reason = "a scale of 0" if scale == 0 else f"a scale of {scale:.1e}"
    rows, keys, seen = kept(seen)
    q, k, v = q[rows], k[keys], v[keys]
    if bias is not None:
        bias = np.ascontiguousarray(bias[rows][:, keys])
        if not reason and (folded := _folded(q, k, bias, seen, scale)) is not None:
            (q, k), bias = folded, None
        elif not reason:
            reason = "an additive mask that is no sum of a number per row and one per key"
    view = view_of(seen, len(q), len(k), call.mask_kind) if len(q) and len(k) else None
    if sinks is not None and not reason:
        if len(sinks) == 1 and view is not None and not seen_late(view):
            q, k, v, seen = _with_sinks(q, k, v, seen, sinks[0].astype(np.float64), scale)
            view = view_of(seen, len(q), len(k), call.mask_kind)
        else:
            reason = "sinks with one number per row, or beside a window"
    if view is None:
        reason = reason or "a mask that shows some row no interval of keys"
    if call.softcap is not None:
        reason = reason or "capped logits (softcap)"
    return CallTask(
        names, q, k, v, scale, view, asked.targets, seen if view is None else None, bias,
        call.softcap, bound[0] if bound else None, reason, asked.every_rank,
    )  # fmt: skip


def seen_late(view: Any) -> bool:
    """Does a row begin after the first key? Then a sink before it would leave a gap."""
    return bool((view.starts > 0).any())


def _seen(call: Call, mask: Any, size: tuple[int, int]) -> Any:
    """Which keys each row sees (Lq, Lk), None for all."""
    seen = None
    if mask is not None:
        boolean = mask if mask.dtype == bool else mask > -1e30
        seen = np.broadcast_to(boolean, size)
    if call.causal:
        triangle = np.tri(*size, dtype=bool)
        seen = triangle if seen is None else seen & triangle
    return seen


def _folded(q: Any, k: Any, bias: Any, seen: Any, scale: float) -> tuple[Any, Any] | None:
    """a_i + b_j is b_j for a softmax: one more coordinate of q and k; None where it is no sum."""
    columns = _column_terms(bias, seen)
    if columns is None:
        return None
    return _wider(q, np.full(len(q), 1 / scale)), _wider(k, columns - columns.mean())


def _column_terms(bias: Any, seen: Any) -> Any:
    """b_j of a_i + b_j where seen, None where it is no such sum: row by row, from the last one."""
    known = np.zeros(bias.shape[1], bool)
    columns = np.zeros(bias.shape[1])
    rows = np.zeros(len(bias))
    for i in range(len(bias))[::-1]:
        mine = slice(None) if seen is None else seen[i]
        both = known if seen is None else known & mine
        rows[i] = (bias[i, both] - columns[both]).mean() if both.any() else 0.0
        if not known.all():
            new = ~known if seen is None else mine & ~known
            columns[new], known = bias[i, new] - rows[i], known | new
    rest = bias - rows[:, None] - columns
    rest = rest if seen is None else np.where(seen, rest, 0.0)
    small = _SEPARABLE * max(1e-300, float(np.abs(bias).max()))
    return columns if np.abs(rest).max() <= small else None


def _wider(x: Any, column: Any) -> Any:
    return np.ascontiguousarray(np.column_stack([x, column]))


def _with_sinks(q: Any, k: Any, v: Any, seen: Any, sinks: Any, scale: float) -> tuple[Any, ...]:
    """Sinks as keys with value 0 before all others, seen by every row."""
    n = len(sinks)
    q = _wider(q, np.full(len(q), 1 / scale))
    k = np.concatenate([_wider(np.zeros((n, k.shape[1])), sinks), _wider(k, np.zeros(len(k)))])
    v = np.concatenate([np.zeros((n, v.shape[1])), v])
    if seen is not None:
        seen = np.concatenate([np.ones((len(q), n), bool), seen], axis=1)
    return q, k, v, seen


def collect(source: Any, asked: Asked, work: Callable[[CallTask], list[Any]]) -> list[Any]:
    """All rows of a source, computed here."""
    rows: list[Any] = []

    def take(tasks: Sequence[CallTask]) -> None:
        for task in tasks:
            rows.extend(work(task))

    source.feed(asked, lambda _: None, take)
    return rows
