"""A step that a plugin carries out, in its time.

Before: ``steps`` found that no object is ours to write.
After: the plugin's result goes into the report; whatever it does, the run has one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from rollwright.engine.progress import Note
from rollwright.engine.run import Run
from rollwright.engine.stepping.answers import StepAnswers
from rollwright.engine.stepping.endings import broken, idle
from rollwright.engine.stepping.step_journal import begun_at, note_begun
from rollwright.engine.writing.again import Again
from rollwright.errors import LockLost, RolloutError
from rollwright.plugins.contracts import Action, ActionRequest, time_limit
from rollwright.rollouts.hiding import hidden_texts
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import Outcome, StepResult

_PAUSE = "Pause"


_GRACE = timedelta(seconds=5)
"""How much longer than its time an action may take before it is cut off."""


def builder(run: Run) -> Callable[[str, str, Mapping[str, Any]], Any]:
    """Return what makes plugins in a run: by their group, their name and their options."""
    site = run.site

    def build(group: str, name: str, options: Mapping[str, Any]) -> Any:
        if site is None:
            raise RolloutError(f"no {group.removesuffix('s')} {name!r}: the run has no site")
        return site.registry.build(group, name, options)

    return build


async def by_plugin(run: Run, step: Step, action: Action | None = None) -> StepResult:
    """Let a plugin carry the step out, in its time; the one that the step names by default."""
    try:
        options = orjson.loads(step.plugin.options) if step.plugin and step.plugin.options else {}
        mine: Action = action or builder(run)("actions", step.action, options)
    except RolloutError as error:
        return broken(step, error)
    if run.stop.is_set():
        return idle(step, Outcome.CANCELLED, "the run was cancelled")
    limit = step.timeout or time_limit(mine, run.spec.health.timeout)
    await note_begun(run, step)
    request = _request(run, step, limit)
    again = Again(run, step.retry_count, _ends(run.now(), limit))
    try:
        result: StepResult = await again.until_done(
            lambda: _in_time(_acting(run, mine, request), limit)
        )
    except TimeoutError:
        return idle(step, Outcome.TIMED_OUT, f"not within {limit.total_seconds():g} s")
    except LockLost:
        run.stop.set()
        raise
    except RolloutError as error:
        return broken(step, error)
    except Exception as error:  # noqa: BLE001  (whatever a plugin does, the run has a report)
        # NB: its words may hold anything, values of Secrets too.
        return idle(step, Outcome.FAILED, f"action {step.action} broke: {type(error).__name__}")
    return result


async def _acting(run: Run, action: Action, request: ActionRequest) -> StepResult:
    """Let a plugin act; while it only lets time pass, a newer run may cancel this one (TR-10)."""
    is_pause = request.step.action == _PAUSE
    run.pausing += is_pause
    run.acting += not is_pause
    try:
        return await action.run(request)
    finally:
        run.pausing -= is_pause
        run.acting -= not is_pause


def _ends(now: datetime, limit: timedelta) -> datetime | None:
    try:
        return now + limit
    except OverflowError:
        return None  # as long as it likes


async def _in_time(running: Awaitable[StepResult], limit: timedelta) -> StepResult:
    seconds = min((limit + _GRACE).total_seconds() if limit < timedelta.max - _GRACE else 0, 1e9)
    async with asyncio.timeout(seconds or None):
        return await running


def _request(run: Run, step: Step, limit: timedelta) -> ActionRequest:
    site = run.site
    manifests = tuple(change.wanted for change in step.changes if change.wanted)
    every = (change.wanted for change in run.plan.changes if change.wanted)

    def must_stop() -> bool:
        if not run.stop.is_set():
            run.lock.check()
        return run.stop.is_set()

    return ActionRequest(
        step=step,
        cluster=run.cluster,
        rollout=run.spec.name,
        run_id=run.goes_on_from or run.id,
        manifests=manifests,
        must_stop=must_stop,
        tell=lambda line: run.tell(Note(f"{step.name}: {line}")),
        timeout=limit,
        begun_at=begun_at(run, step),
        ask=site.ask if site else None,
        answers=StepAnswers(owner=run, site=site, step=step) if site else None,
        hidden=hidden_texts(one.body for one in every),
        site=site.loaded.root if site else None,
        commands=site.loaded.file.plugins.commands if site else (),
    )
