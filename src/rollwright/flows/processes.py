"""The processes of a local Prefect: the runs of a worker found, and everything ended in order.

Before: ``rollwright prefect down``, or an ``up`` that finds half of what it started.
After: runs closed their journals, and nothing is left.
"""

from __future__ import annotations

import signal
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from rollwright.sandbox.processes import wait_until
from rollwright.sandbox.record import PROC, Process

STOP_TIMEOUT = timedelta(seconds=30)
"""A run in flight stops after its write and closes its journal."""
WORKER_STOP_TIMEOUT = timedelta(seconds=10)
"""An idle worker may ignore the first SIGTERM."""


def end(living: Collection[Process], home: Path) -> None:
    """End what runs: first the worker and its runs, then the server.

    Args:
        living: The server and the worker, if they still run.
        home: The worker's folder; runs that outlived it are known by that.
    """
    worker = next((one for one in living if one.name == "worker"), None)
    started = children(worker.pid) if worker is not None else ()
    ours = {one.pid: one for one in (*started, *runs_of(home))}
    runs = tuple(one for pid, one in ours.items() if worker is None or pid != worker.pid)
    for run in runs:
        run.send(signal.SIGTERM)
    wait_until(lambda: not any(run.is_alive() for run in runs), STOP_TIMEOUT)
    if worker is not None:
        _end_process(worker, WORKER_STOP_TIMEOUT)
    for run in runs:
        run.send(signal.SIGKILL)
    for server in (one for one in living if one.name == "server"):
        _end_process(server, STOP_TIMEOUT)


def _end_process(process: Process, patience: timedelta) -> None:
    process.send(signal.SIGTERM)
    if not wait_until(lambda: not process.is_alive(), patience):
        process.send(signal.SIGKILL)
        wait_until(lambda: not process.is_alive(), patience)


def children(pid: int) -> tuple[Process, ...]:
    """Return the processes that a process started, those of these included."""
    parents: dict[int, list[int]] = {}
    for place in PROC.glob("[0-9]*"):
        try:
            stat = (place / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # gone meanwhile
        # NB: the second field is the program's name in parentheses and may hold anything.
        parent = int(stat.rpartition(")")[2].split()[1])
        parents.setdefault(parent, []).append(int(place.name))
    found, waiting = [], list(parents.get(pid, ()))
    while waiting:
        child = waiting.pop()
        found.append(Process.of("run", child))
        waiting += parents.get(child, ())
    return tuple(found)


def runs_of(home: Path) -> tuple[Process, ...]:
    """Return the processes of a worker with this folder and of its runs, dead though it may be.

    A run outlives a worker that was killed, and is nobody's child then; its environment tells.
    """
    mark = f"PREFECT_HOME={home}".encode()
    found = []
    for place in PROC.glob("[0-9]*"):
        try:
            said = (place / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # gone meanwhile, or somebody else's
        if mark in said:
            found.append(Process.of("run", int(place.name)))
    return tuple(found)
