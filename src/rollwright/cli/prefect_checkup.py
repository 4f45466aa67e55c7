"""What ``doctor`` says of the Prefect server that is configured here, if one is.

Before: ``PREFECT_API_URL``, a profile or ``rollwright prefect up`` names a server.
After: ``doctor`` prints the findings.

Asked over HTTP, because importing Prefect costs a second.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from rollwright.cli.diagnosis import Finding, Level
from rollwright.errors import excerpt
from rollwright.flows.connection import server_url

if TYPE_CHECKING:
    from aiohttp import ClientSession

OLDEST, TOO_NEW = (3, 8, 8), (3, 9)
"""Versions of the server that work together with the client we pin."""

TIMEOUT_SECONDS = 10
SUBJECT = "prefect server"

_WANTED: Mapping[str, tuple[object, str]] = {
    "server.analytics_enabled": (False, "PREFECT_SERVER_ANALYTICS_ENABLED=false"),
    "server.ui.v2_enabled": (False, "PREFECT_SERVER_UI_V2_ENABLED=false"),
    "server.services.task_run_recorder.batch_size": (
        100, "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE=100",
    ),
    "server.services.event_persister.batch_size": (
        500, "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE=500",
    ),
}  # fmt: skip
"""Settings, what they must be (numbers: at least), and how to say so."""

_LEASES = "server.concurrency.lease_storage"
_IN_MEMORY = "prefect.server.concurrency.lease_storage.memory"


async def prefect_findings() -> tuple[Finding, ...]:
    """Return what can be said of the configured server."""
    url = server_url() or _local_url()
    if not url:
        return (_ok(SUBJECT, "none is configured; runs go without it"),)
    import aiohttp

    try:
        async with _session() as session:
            return tuple([one async for one in _look(session, url.rstrip("/"))])
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return (_silent(url, error),)


def _local_url() -> str:
    from rollwright.flows import local

    found = local.status()
    return found.url if found is not None and found.living() else ""


@asynccontextmanager
async def _session() -> AsyncIterator[ClientSession]:
    import aiohttp

    headers = {"Prefect-Csrf-Client": "rollwright-doctor"}
    if login := os.environ.get("PREFECT_API_AUTH_STRING", ""):
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        yield session


async def _look(session: ClientSession, url: str) -> AsyncIterator[Finding]:
    async with session.get(f"{url}/health") as answer:
        answer.raise_for_status()
    async with session.get(f"{url}/admin/version") as answer:
        if answer.status in {401, 403}:
            yield _refused(url)
            return
        answer.raise_for_status()
        yield _version(url, str(await answer.json()))
    await _take_token(session, url)
    yield await _settings(session, url)
    yield await _workers(session, url)
    yield await _automation(session, url)


def _version(url: str, version: str) -> Finding:
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if OLDEST <= numbers < TOO_NEW:
        return _ok(SUBJECT, f"{version} at {url}")
    text = f"{version} at {url}, which nobody has tried with this version of Rollwright"
    return _warn(SUBJECT, text, "run a server of prefect>=3.8.8,<3.9")


async def _take_token(session: ClientSession, url: str) -> None:
    """Get what a server that guards against forged requests wants to see with each."""
    client = session.headers["Prefect-Csrf-Client"]
    async with session.get(f"{url}/csrf-token", params={"client": client}) as answer:
        if answer.status == 200:
            session.headers["Prefect-Csrf-Token"] = str((await answer.json())["token"])


async def _settings(session: ClientSession, url: str) -> Finding:
    subject = "prefect settings"
    async with session.get(f"{url}/admin/settings") as answer:
        answer.raise_for_status()
        found = await answer.json()
    wrong = [how for path, (value, how) in _WANTED.items() if not _is_good(_at(found, path), value)]
    if _at(found, _LEASES) == _IN_MEMORY:
        wrong.append(f"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE={_IN_MEMORY[:-6]}filesystem")
    if "flow_runs" not in (_at(found, "server.services.db_vacuum.enabled") or ()):
        wrong.append("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED=events,flow_runs")
    if wrong:
        advice = f"set for the server (deployments/server.env): {' '.join(wrong)}"
        return _warn(subject, f"{len(wrong)} of the server are not as they should be", advice)
    return _ok(subject, "as they should be")


def _is_good(found: Any, wanted: object) -> bool:
    if isinstance(wanted, bool):
        return found is wanted
    return not isinstance(wanted, int) or (isinstance(found, int) and found >= wanted)


def _at(found: Any, path: str) -> Any:
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


async def _workers(session: ClientSession, url: str) -> Finding:
    subject = "prefect worker"
    pools = await _ask(session, f"{url}/work_pools/filter")
    online: list[str] = []
    for pool in (one["name"] for one in pools):
        workers = await _ask(session, f"{url}/work_pools/{pool}/workers/filter")
        count = sum(one.get("status") == "ONLINE" for one in workers)
        online += [f"{count} in {pool}"] if count else []
    if online:
        return _ok(subject, f"online: {', '.join(online)}")
    names = ", ".join(sorted(one["name"] for one in pools)) or "there is no work pool"
    advice = "rollwright prefect up, or: prefect worker start --pool rollwright --type process"
    return _warn(subject, f"none is online ({names}); runs stay Late", advice)


async def _automation(session: ClientSession, url: str) -> Finding:
    subject = "prefect automation"
    found = await _ask(session, f"{url}/automations/filter")
    if any(one.get("enabled") and _tells_crashes(one) for one in found):
        return _ok(subject, "runs whose process is gone become Crashed")
    text = "nothing tells a run whose process was killed: it stays Running for ever"
    return _warn(subject, text, "python deployments/automations.py")


def _tells_crashes(automation: Mapping[str, Any]) -> bool:
    trigger = automation.get("trigger") or {}
    waits = "prefect.flow-run.heartbeat" in (trigger.get("after") or ())
    acts = {one.get("state") for one in automation.get("actions") or ()}
    return waits and trigger.get("posture") == "Proactive" and "CRASHED" in acts


async def _ask(session: ClientSession, url: str) -> list[dict[str, Any]]:
    async with session.post(url, json={}) as answer:
        answer.raise_for_status()
        found = await answer.json()
    return found if isinstance(found, list) else []


def _silent(url: str, error: Exception) -> Finding:
    why = excerpt(str(error)) or type(error).__name__
    return Finding(
        level=Level.FAIL,
        subject=SUBJECT,
        text=f"{url} does not answer: {why}",
        advice="start it, or unset PREFECT_API_URL; `rollwright rollout` needs no server",
        is_unreachable=True,
    )


def _refused(url: str) -> Finding:
    return Finding(
        level=Level.FAIL,
        subject=SUBJECT,
        text=f"{url} does not know us",
        advice="set PREFECT_API_AUTH_STRING to user:password of the server",
        is_unreachable=True,
    )


def _ok(subject: str, text: str) -> Finding:
    return Finding(level=Level.OK, subject=subject, text=text)


def _warn(subject: str, text: str, advice: str) -> Finding:
    return Finding(level=Level.WARN, subject=subject, text=text, advice=advice)
