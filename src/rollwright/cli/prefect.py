"""``rollwright prefect``: a Prefect server and a worker on this machine."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from rollwright.cli.options import COMMON, Common, Output, usage_error
from rollwright.cli.output import say, write_document, write_table

if TYPE_CHECKING:
    from rollwright.flows.local import LocalPrefect

app = App(name="prefect", help="Run a Prefect server and a worker on this machine.")


@app.command
def up(*, port: int = 4200, output: Output = "text", common: Common = COMMON) -> None:
    """Start server and worker in the background, and deploy the flows of the site.

    What runs already is found again. The history of runs stays until `down --forget`.

    Parameters
    ----------
    port
        Where the server listens on 127.0.0.1, if nobody else does.
    output
        How the result is printed.
    """
    from rollwright.flows import local

    if not 0 <= port <= 0xFFFF:
        raise usage_error(f"--port: expected 0 to 65535; got {port}")
    was = local.status()
    found = local.up(_root(common), port=port, tell=lambda text: say(f"prefect: {text}"))
    if output != "text":
        write_document(_form(found), output)
        return
    is_same = was is not None and was.worker == found.worker
    say(f"prefect {'runs already' if is_same else 'runs'}: its pages are at {found.ui_url}")
    sys.stdout.write(_next(found))
    sys.stdout.flush()


@app.command
def down(*, forget: bool = False, common: Common = COMMON) -> None:
    """Stop what `up` started; runs in flight close their journals first.

    Parameters
    ----------
    forget
        Remove the history of runs, too.
    """
    from rollwright.flows import local

    del common
    was_there = local.down(lambda text: say(f"prefect: {text}"), forget=forget)
    say(f"prefect: {'stopped' if was_there else 'was not there'}")


@app.command
def status(*, output: Output = "text", common: Common = COMMON) -> None:
    """Show what runs, and where.

    Parameters
    ----------
    output
        How it is printed.
    """
    from rollwright.flows import local
    from rollwright.rollouts.describe.lines import Tone
    from rollwright.rollouts.machine.values import instant

    del common
    found = local.status()
    if output != "text":
        write_document(_form(found), output)
        return
    if found is None:
        sys.stdout.write("no Prefect runs; start one: rollwright prefect up\n")
        return
    living = found.living()
    rows = [
        (one.name, "running" if one in living else "ended", str(one.pid), where)
        for one, where in ((found.server, found.ui_url), (found.worker, found.root))
    ]
    tones = [Tone.GOOD if row[1] == "running" else Tone.BAD for row in rows]
    write_table(("PROCESS", "STATE", "PID", "WHERE"), rows, tones)
    sys.stdout.write(f"since {instant(found.started_at)}; deployed: {_deployed(found)}\n")
    if not found.is_running:
        say("start what ended: rollwright prefect up")


def _root(common: Common) -> Path:
    """Return the top folder of the site that is meant; without one, the current folder."""
    from rollwright.engine.site_file import find_site

    place = common.site or Path.cwd()
    if place.is_file():
        found: Path | None = place.absolute()
    else:
        found = find_site(place, environ={} if common.site else None)
    if found is None:
        return place.absolute()
    folder = found.absolute().parent
    return folder.parent if folder.name == "deployments" else folder


def _deployed(found: LocalPrefect) -> str:
    return ", ".join(found.deployments) or "nothing"


def _next(found: LocalPrefect) -> str:
    """Return what to try."""
    lines = [f"export PREFECT_API_URL={shlex.quote(found.url)}"]
    if "rollout" in found.deployments:
        lines += [
            f"# Start a run on {found.ui_url}/deployments, or here:",
            "prefect deployment run rollout/rollout --param file=rollouts/NAME --watch",
        ]
    lines += ["# Is all well?  rollwright doctor", "# Stop it:      rollwright prefect down"]
    return "\n".join(lines) + "\n"


def _form(found: LocalPrefect | None) -> dict[str, Any]:
    from rollwright.rollouts.machine.values import API_VERSION, instant

    head: dict[str, Any] = {"apiVersion": API_VERSION, "kind": "LocalPrefect"}
    if found is None:
        return {**head, "state": "absent"}
    return {
        **head,
        "state": "running" if found.is_running else "broken",
        "api": found.url,
        "pages": found.ui_url,
        "site": found.root,
        "deployments": list(found.deployments),
        "startedAt": instant(found.started_at),
        "processes": [
            {"name": one.name, "pid": one.pid, "isAlive": one in found.living()}
            for one in (found.server, found.worker)
        ],
    }
