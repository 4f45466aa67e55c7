"""What an installation adds to a Prefect server: a work pool, deployments, an automation.

Before: a server runs, here or elsewhere.
After: a worker of the pool carries out what people, schedules and webhooks start.

Everything may be done again: what is there already is brought up to date.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollwright.documents import load
from rollwright.errors import InvalidSpec, Problem, Unreachable, excerpt
from rollwright.flows.server import QUIET, without_prefect

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

POOL = "rollwright"
"""The work pool whose runs are processes beside their worker."""

AUTOMATION = "rollwright: a run whose process is gone has crashed"
HEARTBEAT_SECONDS = 30
SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
"""How long a run may be silent; after that its process is taken for dead."""

ROOT_VARIABLE = "ROLLWRIGHT_ROOT"
"""Top folder of the site, as its ``prefect.yaml`` names it."""

ENGINE = (sys.executable, "-m", "prefect.engine")
ENGINE_VARIABLE = "ROLLWRIGHT_ENGINE"
"""The command of a run's process, as the standard deployments name it."""

SITE_FILES = ("deployments/prefect.yaml", "prefect.yaml")
STANDARD_FILE = Path(__file__).with_name("standard.yaml")
DEPLOY_TIMEOUT_SECONDS = 300

_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def crash_automation() -> dict[str, Any]:
    """Return the automation that tells runs whose process is gone, as the server takes it.

    A process that was killed says nothing more, and its run would be Running for ever. Whoever
    is silent for three heartbeats, after one, has crashed; any other word of the run counts.
    """
    return {
        "name": AUTOMATION,
        "description": f"No heartbeat and no other event for {SILENCE_SECONDS} s: the process was "
        "killed, or its machine. The next run of the rollout finds the journal and goes on.",
        "enabled": True,
        "trigger": {
            "type": "event",
            "posture": "Proactive",
            "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "after": ["prefect.flow-run.heartbeat"],
            "expect": ["prefect.flow-run.*"],
            "for_each": ["prefect.resource.id"],
            "threshold": 1,
            "within": SILENCE_SECONDS,
        },
        "actions": [
            {
                "type": "change-flow-run-state",
                "state": "CRASHED",
                "name": "Crashed",
                "message": f"no heartbeat for {SILENCE_SECONDS} s: its process is gone",
            }
        ],
    }


async def ensure_automation(client: PrefectClient) -> None:
    """Create the automation, or bring the one of that name up to date."""
    from prefect.events.schemas.automations import AutomationCore  # noqa: PLC0415  (0.9 s)

    wanted = AutomationCore.model_validate(crash_automation())
    known = await client.read_automations_by_name(AUTOMATION)
    if not known:
        await client.create_automation(wanted)
        return
    # NB: an update forgets which runs are being waited for.
    if _bare(known[0].model_dump(mode="json")) != _bare(wanted.model_dump(mode="json")):
        await client.update_automation(known[0].id, wanted)
    for double in known[1:]:
        await client.delete_automation(double.id)


def _bare(value: Any) -> Any:
    """Return an automation without what the server added to it."""
    if isinstance(value, Mapping):
        return {key: _bare(one) for key, one in value.items() if key not in _SERVERS_OWN}
    return [_bare(one) for one in value] if isinstance(value, list) else value


_SERVERS_OWN = {"id", "created", "updated"}


async def ensure_pool(client: PrefectClient, name: str = POOL) -> None:
    """Create a work pool for processes; one that is there keeps the settings somebody gave it."""
    from prefect.client.schemas.actions import WorkPoolCreate  # noqa: PLC0415  (0.9 s)
    from prefect.exceptions import ObjectAlreadyExists  # noqa: PLC0415  (0.9 s)
    from prefect.workers.process import ProcessWorker  # noqa: PLC0415  (0.9 s)

    # NB: without a template the server would ask for one on the internet.
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(
        name=name, type="process", base_job_template=template,
        description="Runs of Rollwright as processes beside their worker",
    )  # fmt: skip
    try:
        await client.create_work_pool(pool)
    except ObjectAlreadyExists:
        return


async def install(url: str) -> None:
    """Create work pool and automation on a server.

    Args:
        url: Of its API; credentials are those of Prefect's settings.

    Raises:
        Unreachable: It does not answer, or does not let us.
    """
    from prefect import get_client  # noqa: PLC0415  (0.9 s)
    from prefect.settings import (  # noqa: PLC0415  (0.9 s)
        PREFECT_API_URL,
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
        temporary_settings,
    )

    with temporary_settings({PREFECT_API_URL: url, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}):
        try:
            async with get_client() as client:
                await ensure_pool(client)
                await ensure_automation(client)
        except Exception as error:
            why = excerpt(str(error)) or type(error).__name__
            raise Unreachable(
                f"the Prefect server at {url} was not set up: {why}",
                hint="see `rollwright doctor`",
            ) from error


def deployments_file(root: Path) -> Path:
    """Return the site's own ``prefect.yaml``, or the standard one."""
    places = (root / name for name in SITE_FILES)
    return next((place for place in places if place.is_file()), STANDARD_FILE)


def deployments_for(file: Path, pool: str = POOL) -> tuple[str, ...]:
    """Return the names of a file's deployments that a worker of the pool carries out.

    Raises:
        InvalidSpec: It is no ``prefect.yaml``.
    """
    document = load(file.read_text(encoding="utf-8"), name=str(file))
    found = document.get("deployments") if isinstance(document, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        problem = Problem(where=str(file), path="deployments", message="expected a list of them")
        raise InvalidSpec([problem])
    named = ((one, (one.get("work_pool") or {}).get("name", pool)) for one in found)
    return tuple(str(one["name"]) for one, its_pool in named if "name" in one and its_pool == pool)


def deploy(root: Path, url: str, home: Path) -> tuple[str, ...]:
    """Create or update the site's deployments; return their names.

    Args:
        root: Top folder of the site.
        url: Of the server's API.
        home: Folder for what Prefect keeps of its own.

    Raises:
        InvalidSpec: Prefect refuses one; what it said is in the message.
    """
    file = deployments_file(root)
    names = deployments_for(file)
    if not names:
        return ()
    chosen = [word for name in names for word in ("--name", name)]
    _run_prefect(["deploy", *chosen, "--prefect-file", str(file)], root, client_settings(url, home))
    return names


def client_settings(url: str, home: Path) -> dict[str, str]:
    """Return the settings of a worker or client of a local server."""
    return {
        **QUIET,
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(home),
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_DEFAULT_WORK_POOL_NAME": POOL,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }


def environment(root: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process of ours: nobody's settings of Prefect but these."""
    ours = {ROOT_VARIABLE: str(root), ENGINE_VARIABLE: shlex.join(ENGINE)}
    return {**without_prefect(os.environ), **settings, **ours}


def _run_prefect(words: Sequence[str], root: Path, settings: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603  (our own interpreter, no shell)
        [sys.executable, "-m", "prefect", "--no-prompt", *words],
        cwd=root, env={**environment(root, settings), "NO_COLOR": "1", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=DEPLOY_TIMEOUT_SECONDS,
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in _TERMINAL.sub("", done.stdout + done.stderr).splitlines() if line]
        why = next((line for line in reversed(lines) if "Error" in line), "")
        message = excerpt(why or " ".join(lines[-3:])) or f"exit code {done.returncode}"
        problem = Problem(where=words[-1], path="", message=f"prefect {words[0]}: {message}")
        raise InvalidSpec([problem], hint="correct the file, then `rollwright prefect up` again")


def install_now(url: str) -> None:
    """Do what ``install`` does, where no event loop runs."""
    asyncio.run(install(url))
