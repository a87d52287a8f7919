"""Split work over a `concurrent.futures` executor, and survive the death of workers.

Processes on this machine by default; a Dask cluster through `Client.get_executor`. A piece is a
pure function of its argument, so that it may be computed again, anywhere, with the same result.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar

from varnum.errors import InputError, MissingExtra

T = TypeVar("T")
A = TypeVar("A")
_DEATHS = 3  # without any piece finished in between
PATIENCE = 10  # seconds that a scheduler has to answer
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Here(Executor):
    """Computes at once, in this process."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """The finished future."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class _Ticket(Generic[A, T]):
    piece: A
    future: Future[T] | None = None


class Crew(Generic[A, T]):
    """Pieces in, results out in the same order; pieces of a broken executor go to a fresh one."""

    def __init__(self, work: Callable[[A], T], open_executor: Callable[[], Executor]) -> None:
        self._work, self._open = work, open_executor
        self._executor = open_executor()
        self._tickets: deque[_Ticket[A, T]] = deque()
        self._deaths = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def submit(self, piece: A) -> None:
        """Hand over a piece."""
        ticket: _Ticket[A, T] = _Ticket(piece)
        self._tickets.append(ticket)
        self._start(ticket)

    def _start(self, ticket: _Ticket[A, T]) -> None:
        try:
            ticket.future = self._executor.submit(self._work, ticket.piece)
        except BrokenExecutor:
            self._renew()

    def next(self) -> T:
        """The result of the oldest piece; raises what the piece raised."""
        while True:
            future = self._tickets[0].future
            assert future is not None
            try:
                result = future.result()
            except BrokenExecutor:
                self._renew()
                continue
            self._deaths = 0
            self._tickets.popleft()
            return result

    def _renew(self) -> None:
        """A worker died: a fresh executor, and everything that is not finished goes to it."""
        self._deaths += 1
        if self._deaths > _DEATHS:
            raise MemoryError(
                f"workers died {self._deaths} times in a row; out of memory? try fewer --jobs"
            )
        self._executor.shutdown(wait=False)
        self._executor = self._open()
        for ticket in self._tickets:
            if ticket.future is None or not _finished(ticket.future):
                ticket.future = self._executor.submit(self._work, ticket.piece)

    def close(self) -> None:
        """Drop what is not finished."""
        for ticket in self._tickets:
            if ticket.future is not None:
                ticket.future.cancel()
        self._executor.shutdown(wait=False)


def _finished(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def processes(jobs: int) -> Callable[[], Executor]:
    """Opens a pool of `jobs` processes, or computes here where one is enough."""
    if jobs == 1:
        return Here
    context = multiprocessing.get_context("spawn")  # fork is unsafe next to BLAS's threads
    return lambda: ProcessPoolExecutor(jobs, mp_context=context, initializer=_leave_with_parent)


def _leave_with_parent() -> None:
    """End this worker when the process that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        watch = threading.Thread(target=_wait_and_leave, args=(parent.sentinel,), daemon=True)
        watch.start()


def _wait_and_leave(sentinel: Any) -> None:
    wait([sentinel])
    os._exit(1)


def default_jobs() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_thread() -> None:
    """Let numerical libraries that are not loaded yet use one thread, here and in new processes.

    The last bits of a matrix product can depend on the number of threads.
    """
    for name in ONE_THREAD:
        os.environ[name] = "1"


@contextmanager
def cluster(address: str) -> Iterator[Callable[[], Executor]]:
    """Opens executors on the Dask scheduler at `address`.

    Raises MissingExtra without `distributed`, InputError where no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtra("distributed", "cluster") from error
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0][:120]
        raise InputError(f"cluster: no Dask scheduler at {address!r} ({reason})") from None
    try:
        yield lambda: client.get_executor(retries=3, pure=False)
    finally:
        client.close()
