"""Workers: order, deaths, errors; processes and a Dask cluster give the same bits."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
import warnings
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

import pytest

from varnum.audit.executor import Crew, Here, default_jobs, processes
from varnum.errors import InputError

PIECES = """
import os, sys, time
def twice(x):
    if x < 0:
        raise ValueError(f"piece {x}")
    return 2 * x
def die_once(piece):
    path, x = piece
    with open(f"{path}/{x}-{os.getpid()}-{time.time_ns()}", "w"):
        pass
    mine = [name for name in os.listdir(path) if name.startswith(f"{x}-")]
    if x == 3 and len(mine) == 1:
        os._exit(9)
    return 2 * x
def always_die(x):
    os._exit(9)
"""


@pytest.fixture
def pieces(tmp_path, monkeypatch):
    """A module of pieces that new processes can import."""
    (tmp_path / "audit_pieces.py").write_text(PIECES)
    monkeypatch.syspath_prepend(tmp_path)
    import audit_pieces

    return audit_pieces


def results(crew, pieces):
    for piece in pieces:
        crew.submit(piece)
    try:
        return [crew.next() for _ in pieces]
    finally:
        crew.close()


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_pieces(pieces, jobs):
    crew = Crew(pieces.twice, processes(jobs))
    assert results(crew, range(20)) == list(range(0, 40, 2))
    assert default_jobs() >= 1


def test_what_a_piece_raises_comes_out(pieces):
    with pytest.raises(ValueError, match="piece -1"):
        results(Crew(pieces.twice, processes(1)), [1, -1])


def test_a_dead_worker_costs_its_piece_only(pieces, tmp_path):
    """Each piece runs once, but for the one that killed its worker and its neighbours in flight."""
    seen = tmp_path / "seen"
    seen.mkdir()
    crew = Crew(pieces.die_once, processes(2))
    assert results(crew, [(str(seen), x) for x in range(12)]) == list(range(0, 24, 2))
    runs = [sum(f.name.startswith(f"{x}-") for f in seen.iterdir()) for x in range(12)]
    assert runs[3] >= 2
    assert runs[0] == 1  # done before the death, not done again
    assert max(runs[:3]) <= 2
    assert sum(runs) <= 12 + 6


def test_a_piece_that_always_kills_ends_in_an_error(pieces):
    with pytest.raises(MemoryError, match="workers died 4 times"):
        results(Crew(pieces.always_die, processes(2)), [1])


def test_an_executor_that_breaks_while_taking_work_is_replaced():
    class Broken(Here):
        def submit(self, fn, /, *args, **kwargs):
            raise BrokenExecutor

    opened = []

    def opener():
        opened.append(Here() if opened else Broken())
        return opened[-1]

    assert results(Crew(str, opener), [1, 2]) == ["1", "2"]
    assert len(opened) == 2


# --- the audit on different workers -------------------------------------------------------------

OPTIONS = ["audit", "--random", "var-tiny", "--output-error", "1e-1,1e-2"]


@pytest.fixture
def alone(varnum, tmp_path):
    """The file of rows that one process writes."""
    assert varnum(*OPTIONS, "--jobs", 1, "--out", tmp_path / "alone.jsonl")[0] == 0
    return (tmp_path / "alone.jsonl").read_bytes()


def test_processes_give_the_same_bits(varnum, tmp_path, alone):
    assert varnum(*OPTIONS, "--jobs", 2, "--out", tmp_path / "two.jsonl")[0] == 0
    assert (tmp_path / "two.jsonl").read_bytes() == alone


@contextmanager
def dask(workers):
    """A Dask cluster of processes on this machine, each with one thread."""
    distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # distributed's own
        options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
        with distributed.LocalCluster(n_workers=workers, **options) as cluster:
            yield cluster


def test_a_dask_cluster_gives_the_same_bits(varnum, tmp_path, alone):
    with dask(1) as cluster:
        options = ["--cluster", cluster.scheduler_address, "--out", tmp_path / "dask.jsonl"]
        code, _, err = varnum(*OPTIONS, *options)
    assert (code, err) == (0, "")
    assert (tmp_path / "dask.jsonl").read_bytes() == alone


def kill_one(cluster, path, killed):
    """Kill a worker as soon as there is a first row in `path`, with others still to come."""
    while not killed.is_set() and not (path.exists() and path.read_bytes().count(b"\n") > 1):
        time.sleep(0.01)
    worker = cluster.workers[0]
    killed.pid, killed.rows = worker.pid, path.read_bytes().count(b"\n")
    os.kill(worker.pid, signal.SIGKILL)


def test_a_dask_worker_killed_in_the_middle_changes_nothing(varnum, tmp_path, alone):
    path, killed = tmp_path / "dask.jsonl", threading.Event()
    with dask(2) as cluster:
        before = [worker.pid for worker in cluster.workers.values()]
        killer = threading.Thread(target=kill_one, args=(cluster, path, killed))
        killer.start()
        try:
            options = ["--cluster", cluster.scheduler_address, "--out", path]
            code, _, err = varnum(*OPTIONS, *options)
        finally:
            killed.set()
            killer.join()
    assert (code, err) == (0, "")
    assert killed.pid in before
    assert 1 < killed.rows < alone.count(b"\n")  # it died with work left
    assert path.read_bytes() == alone


def test_a_cluster_that_is_not_there(monkeypatch):
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    from varnum.audit import executor

    monkeypatch.setattr(executor, "PATIENCE", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://"):
        message = f"no Dask scheduler at '{re.escape(address)}'"
        with pytest.raises(InputError, match=message), executor.cluster(address):
            pass
