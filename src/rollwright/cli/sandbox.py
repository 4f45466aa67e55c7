"""``rollwright sandbox``: a real control plane on this machine."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from rollwright.cli.options import COMMON, Common, Output, usage_error
from rollwright.cli.output import is_terminal, printable, say, write_document, write_table

if TYPE_CHECKING:
    from rollwright.sandbox import Sandbox

app = App(name="sandbox", help="Run a real Kubernetes control plane on this machine.")

Name = Annotated[str, Parameter(name="--name")]
_CLEAR = "\r\x1b[K"


class _Steps:
    """Progress in place on a terminal, as lines elsewhere."""

    def __init__(self) -> None:
        self._is_live = is_terminal(sys.stderr)
        self._last = ""

    def tell(self, text: str) -> None:
        if text == self._last:
            return
        self._last = text
        lead, end = (_CLEAR, "") if self._is_live else ("", "\n")
        sys.stderr.write(f"{lead}sandbox: {printable(text)}{end}")
        sys.stderr.flush()

    def end(self) -> None:
        if self._is_live and self._last:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


@app.command
def up(  # noqa: PLR0913  (the options of one command)
    *,
    name: Name = "default",
    nodes: int = 3,
    ephemeral: bool = False,
    assets: Path | None = None,
    version: str | None = None,
    output: Output = "text",
    common: Common = COMMON,
) -> None:
    """Start a sandbox, or find the one that runs.

    Parameters
    ----------
    name
        Several sandboxes may run side by side.
    nodes
        How many nodes it has.
    ephemeral
        Stay in the foreground; Ctrl-C ends it and nothing of it is kept.
    assets
        A folder with etcd, kube-apiserver and the other programs.
    version
        The version of Kubernetes, if it is there.
    output
        How the result is printed.
    """
    from rollwright import sandbox as library

    del common
    if nodes < 1:
        raise usage_error(f"--nodes: expected 1 or more; got {nodes}")
    steps = _Steps()
    try:
        started = library.up(
            name,
            nodes=nodes,
            ephemeral=ephemeral,
            assets=assets,
            version=version,
            on_progress=steps.tell,
        )
    finally:
        steps.end()
    _print_started(started, output)
    if ephemeral:
        _stay(started)


def _print_started(started: Sandbox, output: Output) -> None:
    if output != "text":
        write_document(_form(started), output)
        return
    say(f"sandbox {started.name}: Kubernetes {started.version} at {started.server}")
    sys.stdout.write(f"export KUBECONFIG={shlex.quote(str(started.kubeconfig))}\n")
    sys.stdout.flush()


def _stay(started: Sandbox) -> None:
    """Wait for Ctrl-C or SIGTERM, then end the sandbox."""
    say("Ctrl-C ends it")
    ending = {signal.SIGINT, signal.SIGTERM}
    # Blocked and waited for: no signal can come between looking and sleeping.
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        signal.sigwait(ending)
        say(f"ending sandbox {started.name}")
        started.stop()
        while signal.sigpending() & ending:
            signal.sigwait(ending)  # somebody was impatient; there is nothing left to end
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)


@app.command
def down(*, name: Name = "default", common: Common = COMMON) -> None:
    """Stop a sandbox and remove what it kept.

    Parameters
    ----------
    name
        Which one.
    """
    from rollwright import sandbox as library

    del common
    was_there = library.down(name)
    say(f"sandbox {name}: {'stopped' if was_there else 'was not there'}")


@app.command
def status(*, output: Output = "text", common: Common = COMMON) -> None:
    """Show what runs where.

    Parameters
    ----------
    output
        How it is printed.
    """
    from rollwright import sandbox as library
    from rollwright.rollouts.describe.lines import Tone
    from rollwright.rollouts.machine.values import list_form

    del common
    found = library.status()
    if output != "text":
        write_document(list_form("SandboxList", [_form(one) for one in found]), output)
    elif found:
        headers = ("NAME", "STATE", "VERSION", "SERVER", "SINCE", "KUBECONFIG")
        tones = [Tone.GOOD if one.is_running else Tone.BAD for one in found]
        write_table(headers, [_row(one) for one in found], tones)
    else:
        sys.stdout.write("no sandbox runs; start one: rollwright sandbox up\n")


@app.command
def kubeconfig(*, name: Name = "default", common: Common = COMMON) -> None:
    """Print the path of a sandbox's kubeconfig.

    Use it like this: KUBECONFIG=$(rollwright sandbox kubeconfig)

    Parameters
    ----------
    name
        Which one.
    """
    from rollwright import sandbox as library

    del common
    sys.stdout.write(f"{library.kubeconfig(name)}\n")


@app.command
def build(*, common: Common = COMMON) -> None:
    """Build the programs of the sandbox, unless they are there."""
    from rollwright import sandbox as library

    del common
    steps = _Steps()
    try:
        built = library.build(steps.tell)
    finally:
        steps.end()
    say(f"Kubernetes {built.version} is built")


def _state(one: Sandbox) -> str:
    if one.is_running:
        return "running"
    dead = ", ".join(one.dead)
    return f"broken ({dead})" if dead else "starting"


def _row(one: Sandbox) -> tuple[str, ...]:
    from rollwright.rollouts.machine.values import instant

    since = instant(one.started_at)
    return one.name, _state(one), one.version, one.server, since, str(one.kubeconfig)


def _form(one: Sandbox) -> dict[str, Any]:
    from rollwright.rollouts.machine.values import instant

    return {
        "name": one.name,
        "state": "running" if one.is_running else "broken",
        "isEphemeral": one.is_ephemeral,
        "version": one.version,
        "server": one.server,
        "startedAt": instant(one.started_at),
        "kubeconfig": str(one.kubeconfig),
        "context": one.context,
        "etcd": one.etcd.endpoint,
        "processes": [
            {"name": process.name, "pid": process.pid, "isAlive": process.is_alive()}
            for process in one.processes
        ],
    }
