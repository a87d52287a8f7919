"""Triton: float32 with explicit fused multiply-adds."""

from __future__ import annotations

from varnum.approx.ship.emit.notation import CUT, head, name
from varnum.approx.ship.kernel import Kernel
from varnum.errors import InputError


def source(kernel: Kernel, certificate: str) -> str:
    """A Triton file with one function of a block of float32 values.

    InputError without FMA (the compiler may fuse what is written apart), and for other formats
    (Triton computes 16-bit expressions in float32).
    """
    if kernel.form.name != "float32":
        raise InputError("emit: triton has float32 only: Triton computes other formats its own way")
    if not kernel.how.fma:
        raise InputError("emit: triton has FMA only: Triton may fuse a product and a sum itself")
    constants = {f"c{k}": repr(float(c)) for k, c in enumerate(kernel.polynomial.coefficients)}
    body = [_step(s.result, s.operation, [constants.get(a, a) for a in s.arguments])
            for s in kernel.how.steps]  # fmt: skip
    result = constants.get(kernel.how.result, kernel.how.result)
    before, after = ["    r = x"], [f"    return {result}"]
    if kernel.reduction is not None:
        before = _reduced(kernel)
        low, high = (float(x) for x in kernel.domain)
        after = [
            f"    y = ({result}.to(tl.int32, bitcast=True) + (n.to(tl.int32) << 23))",
            "    y = y.to(tl.float32, bitcast=True)",
            f'    y = tl.where(x > {high!r}, float("inf"), y)  # NaN stays',
            f"    return tl.where(x < {low!r}, 0.0, tl.where(x == x, y, x))",
        ]
    return (
        head(kernel, certificate, ("", "# ", "\n"), CUT)
        + "import triton\nimport triton.language as tl\n\n\n"
        + f"@triton.jit\ndef {name(kernel)}(x):\n"
        + "\n".join([*before, *body, *after]) + "\n"
    )  # fmt: skip


def _step(result: str, operation: str, arguments: list[str]) -> str:
    if operation == "fma":
        return f"    {result} = tl.fma({', '.join(arguments)})"
    return f"    {result} = {arguments[0]} {'*' if operation == 'mul' else '+'} {arguments[1]}"


def _reduced(kernel: Kernel) -> list[str]:
    how = kernel.reduction
    assert how is not None
    if how.kind == "floor":
        return ["    n = tl.floor(x)", "    r = x - n"]
    if how.kind == "nearest":  # the constant is 3 2^22: adding it rounds to an integer
        return ["    n = (x + 12582912.0) - 12582912.0", "    r = x - n"]
    scale, high, low = (repr(float(c)) for c in how.constants)
    return [
        f"    n = tl.fma(x, {scale}, 12582912.0) - 12582912.0",
        f"    s = tl.fma(-n, {high}, x)",
        f"    r = tl.fma(-n, {low}, s)",
    ]
