"""What others call: bring a sandbox up, find it again, take it down.

Everything here is synchronous and starts no thread; call it through ``asyncio.to_thread``
where an event loop runs.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO

from rollwright.errors import NotFound, SandboxError
from rollwright.sandbox import binaries as programs
from rollwright.sandbox import record as records
from rollwright.sandbox.binaries import Binaries
from rollwright.sandbox.builder import OnProgress, build_binaries, ignore_progress
from rollwright.sandbox.places import (
    Layout,
    locked,
    make_ephemeral_folder,
    make_private,
    state_folder,
    state_root,
)
from rollwright.sandbox.processes import stop_recorded
from rollwright.sandbox.protocol import DETACH, Request
from rollwright.sandbox.running import Sandbox
from rollwright.sandbox.versions import COMPONENTS, PINNED, minor

Supervisor = subprocess.Popen[bytes]

_STOP_TIMEOUT = timedelta(seconds=20)

_owned: dict[Path, Supervisor] = {}
"""Ephemeral sandboxes of this process; the open standard input of each keeps it alive."""


def up(  # noqa: PLR0913  (the options of one command)
    name: str = "default",
    *,
    nodes: int = 3,
    ephemeral: bool = False,
    assets: Path | None = None,
    version: str | None = None,
    extra_apiserver_args: Iterable[str] = (),
    on_progress: OnProgress = ignore_progress,
) -> Sandbox:
    """Bring a sandbox up, or return the one of that name if it runs already.

    What is left of a crashed or half-started one is ended and removed first.

    Args:
        name: Several sandboxes may run side by side; ephemeral ones may share a name.
        nodes: How many nodes, ``sandbox-0`` and so on.
        ephemeral: End it with this process, whatever ends this process, and keep nothing.
        assets: A folder with the programs.
        version: The version of Kubernetes; the pinned one by default.
        extra_apiserver_args: Flags that are added to the API server's.
        on_progress: Is told what happens, in a few words.

    Raises:
        SandboxError: It could not be built or started; no process is left.
    """
    folder = state_folder(name)

    def start() -> _Start:
        found = _binaries(assets, version, on_progress)
        return _Start(nodes, found, tuple(extra_apiserver_args), on_progress)

    if ephemeral:
        return _up_ephemeral(name, start())
    with _lock(name):
        existing = records.read(Layout(folder).record)
        if existing and existing.is_running():
            return _named(folder, existing)
        prepared = start()
        _clean(folder, existing)
        return _start_named(name, folder, prepared)


def down(name: str = "default") -> bool:
    """Stop one sandbox and remove its folder; say whether there was anything to stop.

    Only the processes that its record names are stopped, and only if each is still the one
    that was started.
    """
    folder = state_folder(name)
    with _lock(name):
        existing = records.read(Layout(folder).record)
        was_there = folder.exists()
        _clean(folder, existing)
        return was_there


def status() -> tuple[Sandbox, ...]:
    """Return every named sandbox, running or not, by name."""
    found = (
        (folder, records.read(Layout(folder).record)) for folder in sorted(state_root().glob("*/"))
    )
    return tuple(_named(folder, record) for folder, record in found if record)


def get(name: str = "default") -> Sandbox:
    """Return one named sandbox that runs.

    Raises:
        NotFound: There is none of that name, or parts of it have ended.
    """
    return get_at(state_folder(name), name)


def get_at(folder: Path, name: str) -> Sandbox:
    """Return the sandbox of a folder, such as an ephemeral one of another process.

    Raises:
        NotFound: There is none, or parts of it have ended.
    """
    existing = records.read(Layout(folder).record)
    if existing is None:
        raise NotFound(f"sandbox {name!r}: not there", hint=_up_hint(name))
    if not existing.is_running():
        dead = ", ".join(process.name for process in existing.dead()) or "not started fully"
        raise NotFound(f"sandbox {name!r}: does not run ({dead})", hint=_up_hint(name))
    return _named(folder, existing)


def kubeconfig(name: str = "default") -> Path:
    """Return the kubeconfig of a running sandbox.

    Raises:
        NotFound: It does not run.
    """
    return get(name).kubeconfig


def build(on_progress: OnProgress = ignore_progress) -> Binaries:
    """Build the programs into the cache, unless they are there.

    Raises:
        SandboxError: There is no Go, or the build failed.
    """
    return build_binaries(on_progress)


class _Start:
    """What is to be started, apart from where."""

    def __init__(
        self, nodes: int, found: Binaries, extra: tuple[str, ...], on_progress: OnProgress
    ) -> None:
        self.nodes, self.binaries, self.extra = nodes, found, extra
        self.on_progress = on_progress

    def request(self, name: str, folder: Path, *, is_ephemeral: bool) -> Request:
        """Say it to the supervisor."""
        return Request(
            name=name,
            folder=str(folder),
            is_ephemeral=is_ephemeral,
            node_count=self.nodes,
            version=self.binaries.version,
            binaries={component: str(self.binaries[component]) for component in COMPONENTS},
            extra_apiserver_args=self.extra,
            owner=os.getpid(),
        )


def _binaries(assets: Path | None, version: str | None, on_progress: OnProgress) -> Binaries:
    found = programs.find(assets, version)
    if found:
        return found
    if version and minor(version) != PINNED.kubernetes_minor:
        raise SandboxError(
            f"sandbox: no Kubernetes {version} on PATH, and only {PINNED.kubernetes} can be built",
            hint="pass a folder that holds that version with --assets",
        )
    return build_binaries(on_progress)


def _up_ephemeral(name: str, start: _Start) -> Sandbox:
    folder = make_ephemeral_folder()
    try:
        request = start.request(name, folder, is_ephemeral=True)
        supervisor, record = _launch(request, start.on_progress)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _owned[folder] = supervisor
    return Sandbox(folder=folder, record=record, end=partial(_end_owned, folder))


def _start_named(name: str, folder: Path, start: _Start) -> Sandbox:
    make_private(folder)
    request = start.request(name, folder, is_ephemeral=False)
    supervisor, record = _launch(request, start.on_progress)
    if supervisor.stdin:
        with supervisor.stdin as lifeline:
            lifeline.write(DETACH)
    return _named(folder, record)


def _launch(request: Request, on_progress: OnProgress) -> tuple[Supervisor, records.Record]:
    layout = Layout(Path(request.folder))
    make_private(layout.logs)
    with layout.log("supervisor").open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-P", "-m", "rollwright.sandbox.supervisor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
            cwd=request.folder,
            start_new_session=True,  # Ctrl-C in the terminal is ours to answer
        )
    try:
        return supervisor, _await_ready(supervisor, request, on_progress)
    except BaseException:
        _abandon(supervisor)
        raise


def _await_ready(
    supervisor: Supervisor, request: Request, on_progress: OnProgress
) -> records.Record:
    if not (supervisor.stdin and supervisor.stdout):
        raise AssertionError  # both are pipes
    supervisor.stdin.write(request.to_line())
    for line in supervisor.stdout:
        answer = json.loads(line)
        if "progress" in answer:
            on_progress(answer["progress"])
        elif "error" in answer:
            raise SandboxError(answer["error"], hint=answer["hint"])
        else:
            supervisor.stdout.close()
            if not request.is_ephemeral:
                supervisor.wait()  # the one that forked: the sandbox's own is init's child
            return records.Record.from_json(answer["ready"])
    log = Layout(Path(request.folder)).log("supervisor")
    raise SandboxError(
        f"sandbox {request.name!r}: its supervisor ended without a word", hint=f"see {log}"
    )


def _abandon(supervisor: Supervisor) -> None:
    # Closing the lifeline makes it stop everything; its end of the pipe closes when it is done.
    if supervisor.stdin:
        supervisor.stdin.close()
    if supervisor.stdout:
        with supervisor.stdout as answers:
            _drain(answers)
    supervisor.wait()


def _drain(stream: IO[bytes]) -> None:
    while not stream.closed and stream.read(4096):
        pass


def _end_owned(folder: Path) -> None:
    supervisor = _owned.pop(folder, None)
    if supervisor is None or supervisor.stdin is None:
        return
    supervisor.stdin.close()
    try:
        supervisor.wait(_STOP_TIMEOUT.total_seconds())
    except subprocess.TimeoutExpired:
        supervisor.kill()  # its components die with it
        supervisor.wait()
    shutil.rmtree(folder, ignore_errors=True)


@atexit.register
def _end_all_owned() -> None:
    for folder in tuple(_owned):
        _end_owned(folder)


def _clean(folder: Path, existing: records.Record | None) -> None:
    if existing is not None:
        stop_recorded(existing, _STOP_TIMEOUT)
    shutil.rmtree(folder, ignore_errors=True)


def _named(folder: Path, record: records.Record) -> Sandbox:
    return Sandbox(folder=folder, record=record, end=partial(down, record.name))


def _lock(name: str) -> AbstractContextManager[None]:
    return locked(state_root() / f".{name}.lock")


def _up_hint(name: str) -> str:
    option = "" if name == "default" else f" --name {name}"
    return f"rollwright sandbox up{option}"
