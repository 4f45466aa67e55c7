"""A warm process that forks a child for each command, so that a killed run costs no start.

Reads one JSON line a command: ``{"operation": "rollout" | "delete", "folder": …, "jump": seconds}``. Answers with
two lines: the child's process id, and, when the child has ended, how. It is no test itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from datetime import timedelta
from pathlib import Path

import pytest

from rollwright import library
from rollwright.engine import beginning, operations
from rollwright.engine.run import steady_clock
from rollwright.engine.site import open_site
from rollwright.engine.writing import objects
from rollwright.errors import RolloutError
from rollwright.kube import connect  # noqa: F401  (warms what every child needs)
from rollwright.locks import lease
from rollwright.locks.clock import Clock, utc_now
from rollwright.rollouts.machine.reports import report_form


class Notes:
    """Keeps what the run says in passing."""

    def __init__(self):
        self.texts = []

    def __call__(self, progress):
        if text := getattr(progress, "text", ""):
            self.texts.append(text)


async def rollout(folder, notes):
    return await library.rollout(folder, allow_prune=True, tell=notes)


async def delete(folder, notes):
    loaded = library.load(folder)
    cluster = loaded.spec.target.cluster
    async with open_site(loaded) as site:
        site.tell = notes
        removal = await operations.prepare_delete(site, loaded.spec.name, cluster=cluster)
        return await operations.delete(site, removal, cluster=cluster)


def jump(seconds):
    """Move the wall clock when the first object is written, as a corrected machine does."""
    moved: list[bool] = []
    write, patch = objects.write, pytest.MonkeyPatch()

    def now():
        return utc_now() + timedelta(seconds=seconds if moved else 0)

    async def write_later(*arguments):
        moved.append(True)
        return await write(*arguments)

    patch.setattr(lease, "Clock", lambda: Clock(now=now))
    patch.setattr(beginning, "steady_clock", lambda: steady_clock(now))
    patch.setattr(objects, "write", write_later)


def answer(command):
    notes = Notes()
    if command.get("jump"):
        jump(command["jump"])
    operation = {"rollout": rollout, "delete": delete}[command["operation"]]
    try:
        report = asyncio.run(operation(Path(command["folder"]), notes))
    except RolloutError as error:
        kind, message = type(error).__name__, error.message
        return {
            "error": kind,
            "message": message,
            "exitCode": error.exit_code,
            "notes": notes.texts,
        }
    return {"report": report_form(report), "notes": notes.texts}


def child(command, output):
    status = 1
    try:
        text = json.dumps(answer(command))
        Path(command["answer"]).write_text(text)
        status = 0
    except BaseException:  # noqa: BLE001  (the parent learns it from the status)
        traceback.print_exc()
    finally:
        output.flush()
        os._exit(status)


def main():
    output = sys.stdout
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(command, output)
        print(pid, file=output, flush=True)
        _, status = os.waitpid(pid, 0)
        print(status, file=output, flush=True)


if __name__ == "__main__":
    main()
