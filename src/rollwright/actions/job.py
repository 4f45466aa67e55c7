"""``Job``: run Jobs and Pods to their end, once per run.

Before: the plan shows which rendered Jobs the step runs, and under which names.
After: the report has their verdicts and their logs. ``job_body`` names and marks what is created,
``job_wait`` waits, ``job_logs`` reads.

A resumed run finds its own Job again by its name: one that still runs is waited for, one that has
ended counts, and nothing runs twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, Field

from rollwright.actions.job_body import (
    RUN_OF,
    RUNNABLE,
    body_in,
    is_former,
    is_of_this_run,
    is_ours,
    is_runnable,
)
from rollwright.actions.job_logs import last_words, read_logs, with_last_words
from rollwright.actions.job_wait import Ended, wait_until_ended, wait_until_gone
from rollwright.errors import LockLost, RolloutError
from rollwright.plugins.contracts import (
    ActionRequest,
    DeleteRequest,
    GetRequest,
    ListRequest,
    Propagation,
)
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.change import Operation
from rollwright.rollouts.container_logs import KEPT_LINES
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef, ref_of
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult, step_outcome
from rollwright.rollouts.spec.durations import PositiveDuration
from rollwright.rollouts.status import ObjectStatus

_STOPPED = "the run was cancelled"


class RunName(StrEnum):
    """What the Job of a run is called."""

    UNIQUE = "unique"
    SAME = "same"


class DeletePolicy(StrEnum):
    """When Jobs of the step are deleted."""

    BEFORE_CREATION = "beforeCreation"
    ON_SUCCESS = "onSuccess"
    ON_FAILURE = "onFailure"


class KeepLogs(StrEnum):
    """Whose logs the report keeps."""

    ON_FAILURE = "onFailure"
    ALWAYS = "always"
    NEVER = "never"


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True)
class _Fate:
    """What became of one Job, with its logs."""

    result: ChangeResult
    logs: dict[str, str] = field(default_factory=dict)


class Job(BaseModel):
    """Runs each Job or Pod that the step names to its end."""

    model_config = OPTIONS
    kinds: ClassVar = RUNNABLE

    name: RunName = Field(
        default=RunName.UNIQUE,
        description="unique: the name with the run's id, one Job for each run; same: the name as"
        " it is written.",
    )
    delete_policy: Annotated[tuple[DeletePolicy, ...], BeforeValidator(_one_or_many)] = Field(
        default=(DeletePolicy.BEFORE_CREATION,),
        description="beforeCreation: Jobs of former runs of the step go first. onSuccess and"
        " onFailure: it goes once it has ended so; a run that is killed just then runs it again.",
    )
    keep_logs: KeepLogs = Field(
        default=KeepLogs.ON_FAILURE,
        description="Whose logs the report keeps; with never, none are read.",
    )
    tail: int = Field(
        default=KEPT_LINES,
        ge=1,
        le=KEPT_LINES,
        strict=True,
        description="Lines of each container's log that are kept, the last ones.",
    )
    timeout: PositiveDuration | None = Field(
        default=None, description="How long it may take; without it, as long as any action may."
    )

    def __str__(self) -> str:
        name = "<name>-<run id>" if self.name is RunName.UNIQUE else "<name>"
        return f"run to its end as {name}{self._before}; keep its log {self._keeping}"

    @property
    def _before(self) -> str:
        goes_first = DeletePolicy.BEFORE_CREATION in self.delete_policy
        return ", after Jobs of former runs are deleted" if goes_first else ""

    @property
    def _keeping(self) -> str:
        return "if it fails" if self.keep_logs is KeepLogs.ON_FAILURE else self.keep_logs.value

    def _limit(self, request: ActionRequest) -> timedelta:
        return min(self.timeout or request.timeout, request.timeout)

    async def run(self, request: ActionRequest) -> StepResult:
        """Run them together; every one comes to its end, whatever becomes of the others."""
        started_at = datetime.now(UTC)
        if refusal := _refusal(request):
            return StepResult(
                step=request.step.name, outcome=Outcome.FAILED, message=refusal,
                hint="name Jobs or Pods in the step", started_at=started_at,
                ended_at=datetime.now(UTC),
            )  # fmt: skip
        fates = await self._fates(request)
        results = tuple(fate.result for fate in fates)
        bad = next((one for one in results if one.outcome is not Outcome.SUCCEEDED), None)
        told = bad or results[0]
        return StepResult(
            step=request.step.name,
            outcome=step_outcome(results),
            changes=results,
            message=f"{told.ref}: {told.message}",
            hint=bad.hint if bad else "",
            started_at=started_at,
            ended_at=datetime.now(UTC),
            logs={name: text for fate in fates for name, text in fate.logs.items()},
        )

    async def _fates(self, request: ActionRequest) -> list[_Fate]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._fate(request, one)) for one in request.manifests]
        except ExceptionGroup as broken:
            raise broken.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _fate(self, request: ActionRequest, manifest: Manifest) -> _Fate:
        """Run one; refusals and silence of the cluster are values, a lost lock is not."""
        started_at = datetime.now(UTC)
        body = body_in(manifest, request, is_unique=self.name is RunName.UNIQUE)
        logs: dict[str, str] = {}
        try:
            ended = await self._run_one(request, manifest, body, logs)
        except LockLost:
            raise
        except RolloutError as error:
            ended = Ended(outcome=Outcome.FAILED, message=error.message, hint=error.hint or "")
        ref = ref_of(body)
        name = ref.name
        words = ended.message if name == manifest.ref.name else f"{ended.message} (as {name})"
        result = ChangeResult(
            ref=manifest.ref,
            operation=Operation.CREATE,
            outcome=ended.outcome,
            message=words,
            status=ended.status,
            hint=ended.hint or _hint(ref, ended),
            started_at=started_at,
            ended_at=datetime.now(UTC),
        )
        return _Fate(result=result, logs=logs)

    async def _run_one(
        self, request: ActionRequest, manifest: Manifest, body: Body, logs: dict[str, str]
    ) -> Ended:
        limit = self._limit(request)
        live = await _find(request, body)
        if live is not None and is_of_this_run(live, request):
            request.tell(f"{live.ref} was begun before; going on from there")
        else:
            made = await self._create(request, manifest, body, live)
            if isinstance(made, Ended):
                return made
            live = made
        ended = await wait_until_ended(request, manifest.ref, live, limit)
        ended = await self._with_logs(request, ended, logs)
        await self._clean_up(request, live, ended)
        return ended

    async def _create(
        self, request: ActionRequest, manifest: Manifest, body: Body, there: LiveObject | None
    ) -> LiveObject | Ended:
        """Make room and create it; or say why not."""
        goes_first = DeletePolicy.BEFORE_CREATION in self.delete_policy
        if there is not None and (refusal := _in_the_way(there, request, goes_first=goes_first)):
            return refusal
        former = await _former(request, manifest) if goes_first else ()
        others = (there,) if there is not None else ()
        for one in {one.uid: one for one in (*others, *former)}.values():
            if refusal := await _remove(request, one, self._limit(request)):
                return refusal
        if request.must_stop():
            return Ended(outcome=Outcome.CANCELLED, message=_STOPPED)
        created = await request.cluster.create(body)
        request.tell(f"{created.ref} runs")
        return created

    async def _with_logs(self, request: ActionRequest, ended: Ended, logs: dict[str, str]) -> Ended:
        is_good = ended.outcome is Outcome.SUCCEEDED
        wanted = {KeepLogs.ALWAYS: True, KeepLogs.NEVER: False}.get(self.keep_logs, not is_good)
        if not wanted:
            return ended
        logs.update(await read_logs(request, ended.pods, self.tail))
        words = last_words(ended.pods, logs, request.hidden)
        if is_good or not words:
            return ended
        status: ObjectStatus | None = with_last_words(ended.status, words)
        message = f'{ended.message}; its log ends: "{words[-1].text}"'
        return replace(ended, message=message, status=status)

    async def _clean_up(self, request: ActionRequest, live: LiveObject, ended: Ended) -> None:
        """Delete what has ended, if that is asked for; what cannot go is told, and no failure."""
        policy = {
            Outcome.SUCCEEDED: DeletePolicy.ON_SUCCESS,
            Outcome.FAILED: DeletePolicy.ON_FAILURE,
            Outcome.TIMED_OUT: DeletePolicy.ON_FAILURE,
        }.get(ended.outcome)
        if policy not in self.delete_policy or request.must_stop():
            return
        try:
            await request.cluster.delete(_deletion(live, Propagation.BACKGROUND))
        except RolloutError as error:
            request.tell(f"{live.ref} stays: {error.message}")


def _refusal(request: ActionRequest) -> str:
    if not request.manifests:
        return "the step names no Job"
    others = [str(one.ref) for one in request.manifests if not is_runnable(one.ref)]
    return f"{', '.join(others)}: neither a Job nor a Pod" if others else ""


def _hint(ref: ObjectRef, ended: Ended) -> str:
    if ended.outcome is not Outcome.FAILED or ended.status is None:
        return ""
    return f"look at its log: kubectl -n {ref.namespace} logs {ref.kind.lower()}/{ref.name}"


async def _find(request: ActionRequest, body: Body) -> LiveObject | None:
    wanted = GetRequest(ref=ref_of(body), api_version=str(body["apiVersion"]))
    return await request.cluster.get(wanted)


def _in_the_way(live: LiveObject, request: ActionRequest, *, goes_first: bool) -> Ended | None:
    """Return why something of that name keeps the Job from being created."""
    if not is_ours(live, request):
        message = f"{live.ref} exists, and no run of this rollout made it"
        hint = "delete it, or give the Job another name"
    elif not goes_first:
        message = f"{live.ref} of a former run is still there"
        hint = "add beforeCreation to deletePolicy, or leave name: same out"
    else:
        return None
    return Ended(outcome=Outcome.FAILED, message=message, hint=hint)


async def _former(request: ActionRequest, manifest: Manifest) -> tuple[LiveObject, ...]:
    wanted = ListRequest(
        api_version=manifest.api_version, kind=manifest.ref.kind,
        namespace=manifest.ref.namespace, label_selector=f"{RUN_OF}={request.rollout}",
    )  # fmt: skip
    found = await request.cluster.list(wanted)
    return tuple(one for one in found if is_former(one, manifest, request))


async def _remove(request: ActionRequest, live: LiveObject, limit: timedelta) -> Ended | None:
    """Delete what a former run left, and wait until its pods are gone too."""
    if request.must_stop():
        return Ended(outcome=Outcome.CANCELLED, message=_STOPPED)
    left = await request.cluster.delete(_deletion(live, Propagation.FOREGROUND))
    if left is None or await wait_until_gone(request, live, limit):
        return None
    if request.must_stop():
        return Ended(outcome=Outcome.CANCELLED, message=_STOPPED)
    return Ended(
        outcome=Outcome.TIMED_OUT,
        message=f"{live.ref} of a former run is still being deleted",
        hint="look at its finalizers and at its pods",
    )


def _deletion(live: LiveObject, propagation: Propagation) -> DeleteRequest:
    return DeleteRequest(
        ref=live.ref, api_version=live.api_version, uid=live.uid, propagation=propagation
    )
