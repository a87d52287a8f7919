"""Attention written out in torch operations, followed from q k^T to the product with v."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from varnum.integrations.mask_kinds import LOW
from varnum.integrations.provenance import (
    Lost,
    Noise,
    Opaque,
    Probs,
    Product,
    Scores,
    Term,
    meta,
)
from varnum.integrations.written import Written

_VIEWS = [
    "view", "_unsafe_view", "permute", "transpose", "t", "unsqueeze", "squeeze", "expand", "slice",
    "select", "alias", "detach", "_reshape_alias", "unbind", "split", "split_with_sizes", "chunk",
    "narrow", "reshape", "flatten", "unflatten",
]  # fmt: skip
_COPIES = ["clone", "_to_copy", "contiguous", "to", "lift_fresh", "copy"]
_SOFTMAX = ["_softmax", "_safe_softmax", "softmax"]
_ALSO = ("addmm", "addbmm", "mv", "addmv", "dot")  # products that no rule follows
_BEGIN = ("bmm", "mm", "baddbmm", "baddbmm_", "bernoulli_")
_EXP = ["exp", "exp2", "exp_", "exp2_"]


class Eager:
    """Follows tensors; hands over every product of a softmax with values as `Written`."""

    def __init__(
        self, emit: Callable[[Written], None], report: Callable[[str, str], None],
        here: Callable[[], str], is_parameter: Callable[[Any], bool],
    ) -> None:  # fmt: skip
        self.nodes: dict[int, Any] = {}  # by id; a tensor that dies takes its node along
        self._alive: dict[int, Any] = {}
        self._known: dict[Any, tuple[str, Any]] = {}
        self.pending: list[Probs] = []
        self._emit, self._report = emit, report
        self._here, self._is_parameter = here, is_parameter
        self._rules = self._table()

    def _table(self) -> dict[str, Callable[..., Any]]:
        rules: dict[str, Callable[..., Any]] = dict.fromkeys(_VIEWS, self._view)
        rules |= dict.fromkeys(_COPIES, self._same)
        rules |= dict.fromkeys(_SOFTMAX, self._softmax)
        rules |= dict.fromkeys(_EXP, self._exp)
        rules |= {"bmm": self._bmm, "mm": self._bmm, "baddbmm": self._baddbmm}
        for name, rule in {
            "mul": self._mul, "div": self._div, "add": self._add, "sub": self._sub,
            "masked_fill": self._fill, "tanh": self._tanh, "dropout": self._same,
        }.items():  # fmt: skip
            rules |= {name: rule, f"{name}_": rule}
        return rules | {
            "where": self._where, "cat": self._cat, "native_dropout": self._dropout,
            "bernoulli_": self._noise, "baddbmm_": self._baddbmm,
        }  # fmt: skip

    def after(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """See one operation that has run."""
        found = self._known.get(func)
        if found is None:
            name = func._schema.name[6:]  # without aten::
            found = self._known[func] = name, self._rules.get(name)
        name, rule = found
        if rule is not None and name in _BEGIN:
            rule(func, args, kwargs, out)
            return
        if not self.nodes and name not in _SOFTMAX:
            return
        node = self._node(args[0]) if args else None
        if node is None and name in ("add", "mul") and self._node(args[1]) is not None:
            args = (args[1], args[0], *args[2:])
            node = self._node(args[0])
        if rule is not None and (node is not None or name in ("where", "cat", *_SOFTMAX)):
            try:
                rule(func, args, kwargs, out, node)
            except Lost as lost:  # a product may be anything; what was a softmax stays noticed
                if isinstance(node, Probs):
                    for one in out if isinstance(out, list | tuple) else [out]:
                        self._put(one, Opaque(str(lost), node.module))
            return
        self._other(name, args, out)

    def finish(self) -> None:
        """Forget everything."""
        self.nodes.clear()
        self._alive.clear()
        self.pending.clear()

    def _node(self, t: Any) -> Any:
        return self.nodes.get(id(t))

    def _put(self, out: Any, node: Any) -> None:
        if not hasattr(out, "data_ptr"):
            return
        key = id(out)
        self.nodes[key] = node
        if key not in self._alive:
            self._alive[key] = weakref.ref(out, lambda _: self._gone(key))

    def _gone(self, key: int) -> None:
        self.nodes.pop(key, None)
        self._alive.pop(key, None)

    # products

    def _bmm(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        a, b = args[:2]
        if b.ndim != a.ndim or not a.dtype.is_floating_point:
            return
        self._product(a, b, out)

    def _baddbmm(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        added, a, b = args[:3]
        alpha, beta = kwargs.get("alpha", 1), kwargs.get("beta", 1)
        if isinstance(self._node(a), Probs) or isinstance(self._node(b), Probs):
            self._meets(a, b, None if float(beta) else out)
            return
        self._product(a, b, out)
        made = self._node(out)
        if isinstance(made, Scores):
            made = made.scaled(float(alpha))
            if beta:
                made = made.with_term("add", added if beta == 1 else added * beta)
            self._put(out, made)

    def _product(self, a: Any, b: Any, out: Any) -> None:
        if any(isinstance(self._node(t), Probs | Opaque) for t in (a, b)):
            self._meets(a, b, out)
            return
        weight = self._is_parameter(a) or self._is_parameter(b)
        if a.ndim == 2:
            product = Product(a[None], b[None], self._here(), weight)
        else:
            product = Product(a, b, self._here(), weight)
        self._put(out, Scores(product, meta(tuple(out.shape))))

    def _meets(self, a: Any, b: Any, out: Any) -> None:
        """Weights (as a or as b) meet values; out None: something was added to the product."""
        left = isinstance(self._node(a), Probs | Opaque)
        weights, v = (a, b) if left else (b, a)
        node = self._node(weights)
        if isinstance(node, Opaque):
            self._report(node.module, node.why)
            return
        node.reached.append(True)
        place = node.place if weights.ndim == 3 else node.place[None]
        if not left:
            place, v = place.transpose(-1, -2), v.transpose(-1, -2)
            out = None if out is None else out.transpose(-1, -2)
        if weights.ndim == 2:
            v, out = v[None], None if out is None else out[None]
        if node.why or node.scores is None:
            self._report(node.module, node.why or "a softmax of logits that are no known product")
            return
        if out is None:
            self._report(node.module, "something was added to the output in the same operation")
            return
        self._emit(Written(node, place, v, out))

    # what keeps a node

    def _view(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        if isinstance(node, Noise):
            return
        if isinstance(node, Opaque):
            for one in out if isinstance(out, list | tuple) else [out]:
                self._put(one, node)
            return
        try:
            place = func(node.place, *args[1:], **kwargs)
        except RuntimeError:
            raise Lost("its axes are mixed by a view that cannot be followed") from None
        several = isinstance(out, list | tuple)
        pairs = zip(out, place, strict=True) if several else [(out, place)]
        for part, (one, at) in enumerate(pairs):
            if isinstance(node, Scores):
                replay = (func, tuple(args[1:]), kwargs, part if several else None)
                self._put(one, node.viewed(at, replay))
            else:
                self._put(one, node.viewed(at))

    def _same(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        self._put(out, node.copied() if isinstance(node, Probs) else node)

    def _noise(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any = None) -> None:
        keep = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
        if isinstance(keep, float):
            self._put(out, Noise(keep))

    def _dropout(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        on = args[2] if len(args) > 2 else kwargs.get("train")
        if isinstance(node, Probs):
            node = replace(node, dropout=float(args[1]) if on is not False else 0.0)
        elif isinstance(node, Scores):
            raise Lost("dropout of the logits")
        self._put(out[0], node)

    # arithmetic on logits and weights

    def _mul(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        self._times(node, args[1], out, 1)

    def _div(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        if kwargs.get("rounding_mode"):
            raise Lost("logits are rounded")
        self._times(node, args[1], out, -1)

    def _times(self, node: Any, other: Any, out: Any, power: int) -> None:
        number = _number(other)
        if isinstance(node, Noise | Opaque):
            self._put(out, node)
        elif isinstance(node, Probs):
            known = node.scores is not None and not node.scores.product.weight
            if known and out.numel() > node.place.numel():  # spread over the values
                self._report(node.module, "the softmax's weights meet values entry by entry")
            self._put(out, self._weights_times(node, number, other, power))
        elif number is not None and number != 0 and math.isfinite(number):
            self._put(out, node.scaled(number if power > 0 else 1 / number))
        elif number is None and not any(t.kind != "times" for t in node.terms) and node.cap is None:
            self._put(out, node.with_term("times", other if power > 0 else 1 / other))
        else:
            self._put(out, replace(node, unknown="logits times a tensor"))

    def _weights_times(self, node: Probs, number: float | None, other: Any, power: int) -> Probs:
        noise = self._node(other)
        if isinstance(noise, Noise):
            return replace(node, dropout=round(1 - noise.keep, 12))
        if number == 1:
            return node
        return replace(node, why="the softmax's weights are multiplied before they meet values")

    def _add(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        self._plus(node, args[1], float(kwargs.get("alpha", 1)), out)

    def _sub(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        self._plus(node, args[1], -float(kwargs.get("alpha", 1)), out)

    def _plus(self, node: Any, other: Any, sign: float, out: Any) -> None:
        number = _number(other)
        if isinstance(node, Opaque):
            self._put(out, node)
        elif isinstance(node, Probs):
            self._put(out, replace(node, why="something is added to the softmax's weights"))
        elif not isinstance(node, Scores) or tuple(out.shape) != tuple(node.place.shape):
            if isinstance(node, Scores):
                raise Lost("logits are broadcast")
        elif number is not None:
            self._put(out, replace(node, shifted=True))
        else:
            node = node.with_term("add", other)
            last = replace(node.terms[-1], factor=sign)
            self._put(out, replace(node, terms=(*node.terms[:-1], last)))

    def _fill(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        value = _number(args[2])
        if isinstance(node, Probs):
            self._put(out, replace(node, why="the softmax's weights are masked after it"))
        elif isinstance(node, Scores) and value is not None and value <= LOW:
            self._put(out, node.with_term("keep", ~args[1]))
        elif isinstance(node, Scores):
            self._put(out, replace(node, unknown="logits are filled with a number that is not low"))
        else:
            self._put(out, node)

    def _where(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        if len(args) < 3:
            return
        for logits, other, keep in ((args[1], args[2], True), (args[2], args[1], False)):
            found = self._node(logits)
            if isinstance(found, Scores) and tuple(out.shape) == tuple(found.place.shape):
                low = _all_low(other)
                mask = args[0] if keep else ~args[0]
                unknown = replace(found, unknown="where() with values that are not low")
                self._put(out, found.with_term("keep", mask) if low else unknown)
            elif isinstance(found, Probs):
                why = "the softmax's weights are masked after it"
                self._put(out, replace(found, why=found.why if _all_zero(other) else why))
            elif isinstance(found, Opaque):
                self._put(out, found)

    def _tanh(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        if isinstance(node, Scores):
            plain = not node.shifted and node.cap is None and not node.terms and not node.unknown
            self._put(out, replace(node, cap=1.0) if plain else replace(node, unknown="tanh"))

    def _exp(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        if isinstance(node, Scores) and not node.product.weight:
            self._put(out, Opaque("exp of a product, divided by hand or not", node.product.module))
        elif isinstance(node, Opaque):
            self._put(out, node)

    def _cat(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        parts = list(args[0])
        found = [n for n in map(self._node, parts) if isinstance(n, Scores | Probs | Opaque)]
        if not found:
            return
        axis = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % out.ndim
        first = self._node(parts[0])
        true = [n for n in found if isinstance(n, Scores) and not n.product.weight]
        if len(found) > 1 or len(parts) != 2 or not isinstance(first, Scores):
            if true:
                module = true[0].product.module
                self._put(out, Opaque("logits of several products are joined", module))
            return
        if axis != out.ndim - 1 or first.sinks is not None:
            return
        sinks = Term("sinks", parts[1], tuple(parts[1].shape))
        self._put(out, replace(first, inner=first.place, place=meta(tuple(out.shape)), sinks=sinks))

    # the softmax

    def _softmax(self, func: Any, args: Any, kwargs: Any, out: Any, node: Any) -> None:
        x = args[0]
        if isinstance(node, Opaque):
            self._put(out, node)
            return
        dim = int(args[1] if len(args) > 1 else kwargs["dim"]) % max(1, x.ndim)
        scores = node if isinstance(node, Scores) else None
        module = self._here() if scores is None else scores.product.module
        bias = None
        if scores is not None and scores.unknown:
            bias = "difference"
        place = meta(tuple(x.shape))
        probs = Probs(scores, tuple(x.shape), dim, place, module, tuple(range(x.ndim)))
        if bias is not None and scores is not None:
            probs = replace(probs, bias=x.detach().clone())
        self._put(out, probs)

    def _other(self, name: str, args: tuple[Any, ...], out: Any) -> None:
        """An operation without a rule: what keeps the shape keeps a node, as unknown."""
        met = [n for n in map(self._node, args) if isinstance(n, Probs | Opaque)]
        if met and name.rstrip("_") in _ALSO:
            self._report(met[0].module, f"the softmax's weights meet values in {name}")
            return
        if not hasattr(out, "data_ptr") or getattr(out, "is_nested", False):
            return
        for t in args:
            node = self._node(t)
            if node is None or tuple(t.shape) != tuple(out.shape):
                continue
            if isinstance(node, Scores) and not node.product.weight:
                self._put(out, replace(node, unknown=f"logits pass through {name}"))
            elif isinstance(node, Probs):
                self._put(out, replace(node, why=f"the softmax's weights pass through {name}"))
            elif isinstance(node, Opaque):
                self._put(out, node)
            return


def _number(x: Any) -> float | None:
    if isinstance(x, int | float):
        return float(x)
    if hasattr(x, "numel") and x.numel() == 1 and x.ndim == 0:
        return float(x)
    return None


def _all_low(x: Any) -> bool:
    number = _number(x)
    return number <= LOW if number is not None else bool((x <= LOW).all())


def _all_zero(x: Any) -> bool:
    number = _number(x)
    return number == 0 if number is not None else not bool((x != 0).any())
