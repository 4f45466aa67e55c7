"""Runs that triggers ask for as flow runs of a deployment: workers make them, this process waits.

Before: the queue says whose turn it is. After: the queue knows how the flow run ended.

A flow run is found again by its key, which is made of the id of the request: a listener that starts anew
waits for the run that its predecessor started. Parameters are names; what a trigger brought along
stays in the notes, where the flow reads it (``dispatched``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx

from rollwright.engine.documents import LoadedRollout
from rollwright.engine.listening.pending import Pending
from rollwright.engine.listening.running import Ended, Idle, of_error
from rollwright.engine.listening.service import Service
from rollwright.engine.progress import Listener, Note, both, ignore
from rollwright.engine.site import Site
from rollwright.errors import Held, LockHeld, NotFound, Refused, RolloutError, Unreachable, excerpt
from rollwright.flows.connection import server_url
from rollwright.flows.untaken import why_untaken

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, State

FIRST_LOOK, LONGEST_LOOK = 0.5, 3.0
"""Seconds between two looks at a flow run, longer and longer."""
LATER_SHARE = 0.1
"""Of the time that it has taken so far: what is known so much later costs the server little."""
PATIENCE_SECONDS = 60.0
"""How long Prefect may be away in the middle of a run before the queue is told."""
WORKER_SECONDS = 60.0
"""After which it is told that no worker takes a run."""
CROWDED = "Deployment concurrency limit reached."
"""What Prefect says of a run that it cancelled because of a limit that cancels new runs."""
TOLD_TAG = "subject:told"
"""Of a flow run that told the object that set it off how it ended (``dispatched``)."""
BUSY, HELD = "Busy", "Held"
"""Names of states of runs that others kept from their work, and that somebody holds: both are
made again, the second once nobody does any more."""
_REFUSALS = {"Refused": Refused, HELD: Held}
"""Names of states of flow runs that were refused."""
CLIENT_RETRIES = 1
"""Prefect's client would try for minutes; the queue knows better when it is worth it."""


def prefect_runner(service: Service, deployment: str) -> PrefectRunner:
    """Return the runner of a service.

    Args:
        service: The site that listens.
        deployment: Name of flow and deployment, such as ``rollout/rollout``.

    Raises:
        NotFound: No Prefect server is configured, or the name is not one of a deployment.
    """
    if not server_url():
        raise NotFound(
            "no Prefect server is configured, so nobody could make the runs",
            hint="set PREFECT_API_URL, or leave --runner prefect out",
        )
    if len(parts := deployment.split("/")) != 2 or not all(parts):
        raise NotFound(f"{deployment!r} names no deployment; expected flow/deployment")
    return PrefectRunner(service.site, service.declared.rollouts, deployment)


@dataclass(slots=True)
class PrefectRunner:
    """Makes each run a flow run.

    Attributes:
        site: Its ``stop`` ends the waiting; flow runs go on, and the next listener finds them.
        rollouts: Where each declared rollout is written.
        deployment: Name of flow and deployment.
    """

    site: Site
    rollouts: Mapping[str, LoadedRollout]
    deployment: str
    _tries: dict[str, tuple[str, int]] = field(default_factory=dict)

    async def run(self, pending: Pending, *, at: str, idle: Idle, tell: Listener = ignore) -> Ended:
        """Run it; whatever goes wrong is a value."""
        if pending.rollout not in self.rollouts:
            message = f"rollout {pending.rollout!r} is not declared any more"
            return Ended(outcome="gone", message=message, again=False)
        try:
            async with connected() as client:
                run, number = await self._begun(client, pending, at)
                over = await self._end_of(client, run, idle, tell)
        except RolloutError as error:
            return of_error(error)
        except Exception as error:  # noqa: BLE001  (whatever Prefect raises; the queue tries again)
            return of_error(Unreachable(f"Prefect: {_words(error)}"))
        if over is None or over.state is None:
            message = "left to the workers; whoever listens next waits for it"
            return Ended(outcome="cancelled", message=message, again=False, is_settled=False)
        self._tries[pending.instance] = (pending.id, number + 1)
        return replace(of_state(over.state), is_told=TOLD_TAG in over.tags)

    async def _begun(self, client: PrefectClient, pending: Pending, at: str) -> tuple[FlowRun, int]:
        """Start the flow run, or find the one that was started; give its number, too.

        A run that ended badly is over: the next try is another one, under a key of its own.
        """
        deployment = await self._deployment(client)
        id_, number = self._tries.get(pending.instance, ("", 0))
        number = number if id_ == pending.id else 0
        while True:
            run = await client.create_flow_run_from_deployment(
                deployment,
                parameters=self._parameters(pending, at),
                # NB: keys are unique in a flow, and the sites of a server share its flows.
                idempotency_key=f"{deployment}:{pending.id}" + (f":{number}" if number else ""),
                tags=[f"trigger:{pending.trigger}"],
            )
            if run.state is None or not run.state.is_final() or _is_answer(run.state):
                return run, number
            number += 1

    async def _deployment(self, client: PrefectClient) -> Any:
        from prefect.exceptions import ObjectNotFound  # noqa: PLC0415  (0.9 s)

        try:
            return (await client.read_deployment_by_name(self.deployment)).id
        except ObjectNotFound as error:
            raise NotFound(
                f"the Prefect server has no deployment {self.deployment!r}",
                hint="deploy the site: `prefect deploy --all`, or `rollwright prefect up`",
            ) from error

    def _parameters(self, pending: Pending, at: str) -> dict[str, Any]:
        path, root = self.rollouts[pending.rollout].path.resolve(), self.site.loaded.root.resolve()
        # Workers have the site at a place of their own.
        file = path.relative_to(root) if path.is_relative_to(root) else path
        return {
            "file": str(file),
            "pending": pending.instance,
            "trigger": pending.id,
            "at": at,
        }

    async def _end_of(
        self, client: PrefectClient, run: FlowRun, idle: Idle, tell: Listener
    ) -> FlowRun | None:
        """Wait until the flow run has ended; ``None`` if we are to stop before."""
        from prefect.exceptions import ObjectNotFound  # noqa: PLC0415  (0.9 s)

        looks = _Looks(both(tell, self.site.tell))
        while not (run.state is not None and run.state.is_final()):
            await looks.at(client, run, idle)
            if await self._is_stopped_in(looks.pause()):
                return None
            try:
                run = await client.read_flow_run(run.id)
                looks.answered_at = monotonic()
            except ObjectNotFound as error:
                message = f"the flow run {run.name} was deleted before it ended"
                raise RolloutError(message, retryable=True) from error
            except httpx.HTTPError:
                if monotonic() - looks.answered_at > PATIENCE_SECONDS:
                    raise
        return run

    async def _is_stopped_in(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.site.stop.wait(), seconds)
        except TimeoutError:
            return False
        return True


@dataclass(slots=True)
class _Looks:
    """What was seen of a flow run while it was waited for."""

    tell: Listener
    began_at: float = field(default_factory=monotonic)
    answered_at: float = field(default_factory=monotonic)
    is_idle: bool = False
    is_told: bool = False

    def pause(self) -> float:
        """Return the seconds until the next look."""
        taken = monotonic() - self.began_at
        return min(max(FIRST_LOOK, taken * LATER_SHARE), LONGEST_LOOK)

    async def at(self, client: PrefectClient, run: FlowRun, idle: Idle) -> None:
        """Say when it begins or ceases to wait for a person, once if nobody takes it."""
        state = run.state
        waits = state is not None and state.is_paused()
        if waits != self.is_idle:
            self.is_idle = waits
            idle(waits)
        is_new = state is None or state.is_scheduled()
        if is_new and not self.is_told and monotonic() - self.began_at > WORKER_SECONDS:
            self.is_told = True
            why = await why_untaken(client, run)
            self.tell(Note(f"no worker has taken the flow run {run.name} yet: {why}"))


def _is_answer(state: State[Any]) -> bool:
    """Whether a flow run that ended needs no other: it went well, or nobody wants another one."""
    how = of_state(state)
    return how.is_good or not (how.again or how.is_held)


def of_state(state: State[Any]) -> Ended:
    """Return what the queue makes of a flow run that ended."""
    words = excerpt(state.message or "") or (state.name or "").lower()
    if state.is_completed():
        outcome = "superseded" if state.name == "Superseded" else "succeeded"
        return Ended(outcome=outcome, message=words, is_good=True, exit_code=0)
    if state.is_cancelled() and state.message == CROWDED:
        # Nobody cancelled it: the deployment lets the server do so, and what was asked for stays.
        return Ended(outcome="failed", message=CROWDED)
    if state.is_cancelled():
        return Ended(outcome="cancelled", message=words, again=False)
    if error := _REFUSALS.get(state.name or ""):
        return Ended(
            outcome="refused",
            message=words,
            again=False,
            exit_code=error.exit_code,
            cause=error.__name__,
            is_held=error is Held,
        )
    outcome = "timed-out" if state.name == "NotReady" else "failed"
    cause = LockHeld.__name__ if state.name == BUSY else ""
    return Ended(outcome=outcome, message=words, cause=cause)


@asynccontextmanager
async def connected() -> AsyncIterator[PrefectClient]:
    """Connect to the configured server; none is started where it is away."""
    from prefect import get_client  # noqa: PLC0415  (0.9 s)
    from prefect.settings import (  # noqa: PLC0415  (0.9 s)
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
        temporary_settings,
    )

    url = PREFECT_API_URL.value() or server_url()
    with temporary_settings(
        {
            PREFECT_API_URL: url,
            PREFECT_CLIENT_MAX_RETRIES: CLIENT_RETRIES,
            PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
        }
    ):
        async with get_client() as client:
            yield client


def _words(error: Exception) -> str:
    words = excerpt(str(error))
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
