"""The flow run that a flow's body runs in: its name, its tags, its page, who asked.

Before: a person, a schedule, a webhook or another flow started it.
After: its page says what it is about. That this cannot be said is no reason to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.runtime import flow_run as runtime
from prefect.utilities.urls import url_for

from rollwright.engine.documents import LoadedRollout, load_rollout
from rollwright.engine.site import Site, actor_here
from rollwright.engine.stages import Stages
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Checkout
from rollwright.rollouts.describe.lines import short
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.trigger import Trigger

TIMEOUT = timedelta(seconds=10)
"""How long a run waits for Prefect to take a name or tags."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a flow run was asked for, beside its rollout.

    Attributes:
        actor: Who asked; whoever runs this process if empty.
        revision: The source revision; empty for what the source has now.
        trigger: Id of the trigger that a receiver took in; the flow run's own if empty.
        sequence: Place in the order of what is desired, if the receiver moved the pointer.
    """

    actor: str = ""
    revision: str = ""
    trigger: str = ""
    sequence: int = 0


def current() -> FlowRun:
    """Return the flow run."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("a flow's body runs in a flow run")
    return context.flow_run


def load(file: str, cluster: str = "") -> LoadedRollout:
    """Read a rollout; in another cluster than its own if one is named."""
    loaded = load_rollout(file)
    if not cluster:
        return loaded
    target = loaded.spec.target.model_copy(update={"cluster": cluster})
    return replace(loaded, spec=loaded.spec.model_copy(update={"target": target}))


def naming(verb: str) -> Callable[[], str]:
    """Return what names a flow run when it begins: ``rollout shop -> production``."""

    def name() -> str:
        file, cluster = (str(runtime.parameters.get(one) or "") for one in ("file", "cluster"))
        try:
            return title(verb, load(file, cluster).spec)
        except RolloutError:
            return f"{verb} {file}"

    return name


def title(verb: str, spec: RolloutSpec, revision: str = "") -> str:
    """Return the name of a flow run; with the revision once it is known."""
    at = f" @ {short(revision)}" if revision else ""
    return f"{verb} {spec.name} -> {spec.target.cluster or 'current context'}{at}"


def telling_revision(stages: Stages, verb: str = "rollout") -> Stages:
    """Return the stages; the flow run is named after the revision as soon as that is known."""

    async def fetch(site: Site, spec: RolloutSpec, trigger: Trigger) -> Checkout:
        checkout = await stages.fetch(site, spec, trigger)
        await _update(name=title(verb, spec, checkout.revision))
        return checkout

    return replace(stages, fetch=fetch)


async def tag(spec: RolloutSpec) -> None:
    """Tag the flow run with rollout and cluster, so that Prefect's pages can filter by them."""
    tags = {*current().tags, f"rollout:{spec.name}"}
    if spec.target.cluster:
        tags.add(f"cluster:{spec.target.cluster}")
    await _update(tags=sorted(tags))


async def mark(word: str) -> None:
    """Give the flow run one more tag."""
    await _update(tags=sorted({*current().tags, word}))


def trigger_of(spec: RolloutSpec, asked: Asked) -> Trigger:
    """Return the trigger; a retry of the same flow run is the same trigger."""
    run = current()
    by_itself = "schedule" if run.auto_scheduled else "manual"
    return Trigger(
        id=asked.trigger or str(run.id),
        kind="webhook" if asked.trigger else by_itself,
        rollout=spec.name,
        actor=asked.actor or actor_here(),
        received_at=datetime.now(UTC),
        revision=asked.revision,
        sequence=asked.sequence,
        url=url_of(run),
    )


def url_of(run: FlowRun) -> str:
    """Return the page of a flow run; empty if the server has no pages that anybody knows."""
    return url_for("flow-run", obj_id=run.id) or ""


async def _update(**facts: Any) -> None:
    try:
        async with asyncio.timeout(TIMEOUT.total_seconds()), get_client() as client:
            await client.update_flow_run(current().id, **facts)
        for name, fact in facts.items():
            setattr(current(), name, fact)  # whoever speaks of the run later has it
    except Exception as error:  # noqa: BLE001  (a label is no reason to stop a rollout)
        what = " and ".join(facts)
        get_run_logger().warning("the flow run's %s was not set: %s", what, type(error).__name__)
