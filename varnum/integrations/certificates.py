"""Every guaranteed call inside a block leaves its certificate: `with vn.certificates() as made`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from varnum._attention import Certificate

_open: ContextVar[tuple[list[Certificate], ...]] = ContextVar("varnum_certificates", default=())
L = TypeVar("L", bound=list[Certificate])


@contextmanager
def certificates() -> Iterator[list[Certificate]]:
    """The certificates of the calls of `varnum.sdpa` inside, in order, one per call (worst head).

    Blocks nest: each sees what happens inside it. Of this thread or task alone. A call that is
    refused leaves none.

    >>> import torch, varnum
    >>> x = torch.linspace(-1, 1, 24).reshape(1, 2, 4, 3)
    >>> with certificates() as made:
    ...     out = varnum.sdpa(x, x, x)
    ...     varnum.sdpa(x, x, x, dropout_p=0.1)
    Traceback (most recent call last):
    varnum.errors.InputError: dropout_p: 0.1 is not allowed; 0, nothing is certified at random
    >>> [certificate.reached for certificate in made]
    [True]
    """
    made: list[Certificate] = []
    with collected(made):
        yield made


@contextmanager
def collected(made: L) -> Iterator[L]:
    """`certificates`, into a list that is given."""
    token = _open.set((*_open.get(), made))
    try:
        yield made
    finally:
        _open.reset(token)


def record(certificate: Certificate) -> None:
    """Into every block that is open here."""
    for made in _open.get():
        made.append(certificate)
