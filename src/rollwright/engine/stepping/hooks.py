"""Carrying out hooks: rendered objects that run at a moment of a rollout.

Before: the plan has a step for each hook of the run; ``steps`` began one.
After: the report has its outcome and its log; the state knows what it left in the cluster.

Jobs and Pods are run to their end by the very action ``Job``; other kinds are applied and waited
for like any object. What a delete policy lets go after a hook has ended goes when its whole phase
has: an account may be needed by the Job that comes after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from rollwright.actions.job import DeletePolicy as JobPolicy
from rollwright.actions.job import Job, KeepLogs, RunName
from rollwright.actions.job_body import RUN_ID, RUN_OF, body_in, is_of_this_run
from rollwright.actions.job_wait import wait_until_gone
from rollwright.engine.progress import Note
from rollwright.engine.run import Run
from rollwright.errors import ClusterError, LockLost, RolloutError
from rollwright.plugins.contracts import ActionRequest, DeleteRequest, GetRequest, Propagation
from rollwright.rollouts.change import Change, Operation, Prediction
from rollwright.rollouts.hiding import hidden_texts
from rollwright.rollouts.hooks.hooks import DEFAULT_TIMEOUT, Ending, Hook
from rollwright.rollouts.hooks.left import LeftHook, is_stale, left_hooks
from rollwright.rollouts.hooks.places import is_hooks
from rollwright.rollouts.hooks.steps import hooks_of_run, is_runnable
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.plan import Step, Wave
from rollwright.rollouts.report import Outcome, StepResult, is_good, must_stop

LEFT = "left hooks"
"""The step by which a report says that something of a hook could not be deleted."""

_LAST_WORD = timedelta(seconds=3)
"""How much longer a Job with a deadline of its own is waited for: it says itself that it is over."""

_NOT_FOUND = 404
_ENDINGS = {
    Outcome.SUCCEEDED: Ending.SUCCEEDED,
    Outcome.FAILED: Ending.FAILED,
    Outcome.TIMED_OUT: Ending.FAILED,
}
_BAD = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})


@dataclass(frozen=True, kw_only=True)
class HookAction:
    """Carries out the step of one hook, as an action does.

    ``by_objects`` carries out a step that applies its objects and waits for them.
    """

    owner: Run
    by_objects: Callable[[Step], Awaitable[StepResult]]

    async def run(self, request: ActionRequest) -> StepResult:
        """Make room, then run the hook to its end.

        Raises:
            LockLost: Our lease may be gone.
            RolloutError: The server refuses, or does not answer.
        """
        run, step = self.owner, request.step
        hook = hooks_of_run(run.plan, request.run_id)[step.name]
        run.observer.hide(one.body for one in run.plan.hooks)
        hidden = request.hidden | hidden_texts(one.body for one in run.plan.hooks)
        limit = hook.timeout if hook.timeout == DEFAULT_TIMEOUT else hook.timeout + _LAST_WORD
        request = replace(request, manifests=(hook.manifest,), hidden=hidden, timeout=limit)
        if refusal := await _make_room(run, hook, request):
            outcome = Outcome.CANCELLED if request.must_stop() else Outcome.FAILED
            return StepResult(step=step.name, outcome=outcome, message=refusal)
        run.hooks_gone.discard(hook.manifest.ref)
        if is_runnable(hook.manifest.ref):
            return await _job(hook).run(request)
        return await self.by_objects(_applying(step, hook, request))


def _job(hook: Hook) -> Job:
    return Job(
        name=RunName.SAME,
        delete_policy=(JobPolicy.BEFORE_CREATION,) if hook.is_deleted_before() else (),
        keep_logs=KeepLogs.ALWAYS if hook.keeps_log else KeepLogs.ON_FAILURE,
    )


def _applying(step: Step, hook: Hook, request: ActionRequest) -> Step:
    """Return the step as one that applies an object and waits until it is Current."""
    manifest = hook.manifest.with_body(body_in(hook.manifest, request, is_unique=False))
    change = Change(
        ref=manifest.ref,
        api_version=manifest.api_version,
        operation=Operation.CREATE,
        why="is a hook",
        wanted=manifest,
        prediction=Prediction.NONE,
        is_owned=False,
    )
    return replace(step, action="Apply", hook=None, changes=(change,))


# ------------------------------------------------------------------ room for it


async def _make_room(run: Run, hook: Hook, request: ActionRequest) -> str:
    """Delete what former runs left of the hook, if its policy says so; or say what is in the way."""
    manifest = hook.manifest
    there = await _find(run, manifest.ref, manifest.api_version)
    if there is not None and is_of_this_run(there, request):
        return ""
    if there is not None and not _is_ours(run, there):
        return f"{there.ref} exists, and no run of this rollout made it"
    if not hook.is_deleted_before():
        return ""
    former = [there] if there is not None else []
    former += [live async for live in _former(run, hook, request)]
    for live in former:
        if request.must_stop():
            return "the run was cancelled"
        left = await _delete(run, live, Propagation.FOREGROUND)
        if left is not None and not await wait_until_gone(request, live, hook.timeout):
            return f"{live.ref} of a former run is still being deleted"
        run.hooks_gone.add(live.ref)
    return ""


async def _former(run: Run, hook: Hook, request: ActionRequest) -> AsyncIterator[LiveObject]:
    """Yield what former runs left of this hook under other names."""
    for one in left_hooks(run.state.extra):
        if one.step != request.step.name or one.ref == hook.manifest.ref:
            continue
        live = await _find(run, one.ref, one.api_version)
        if live is None:
            run.hooks_gone.add(one.ref)
        elif _is_runs(run, live) and not is_of_this_run(live, request):
            yield live


async def _find(run: Run, ref: ObjectRef, api_version: str) -> LiveObject | None:
    return await run.cluster.get(GetRequest(ref=ref, api_version=api_version))


def _is_runs(run: Run, live: LiveObject) -> bool:
    """Whether a run of this rollout made it as a hook."""
    return live.labels.get(RUN_OF) == run.spec.name


def _is_ours(run: Run, live: LiveObject) -> bool:
    """Whether it is a hook's, or was an ordinary object of the rollout before it became one."""
    was_ordinary = live.ref in run.state.by_ref
    return _is_runs(run, live) or (was_ordinary and live.labels.get(ROLLOUT_LABEL) == run.spec.name)


async def _delete(run: Run, live: LiveObject, propagation: Propagation) -> LiveObject | None:
    run.lock.check()
    return await run.cluster.delete(
        DeleteRequest(
            ref=live.ref, api_version=live.api_version, uid=live.uid, propagation=propagation
        )
    )


# ------------------------------------------------------------------ after a phase


async def tidy_hooks(run: Run, wave: Wave, results: Sequence[StepResult]) -> None:
    """Delete what the policies let go, once a phase has ended, well or badly (HK-04).

    Raises:
        LockLost: Our lease may be gone.
    """
    if not is_hooks(wave):
        return
    run.hooks_ended.update((one.step, one.outcome) for one in results)
    waves = [one for one in (*run.plan.waves, *run.plan.on_failure) if is_hooks(one)]
    phase = [one for one in waves if one.steps[0].group == wave.steps[0].group]
    is_over = phase[-1].name == wave.name or not all(map(is_good, results))
    if not is_over or run.stop.is_set():
        return
    hooks = hooks_of_run(run.plan, _run_id(run))
    for step in reversed([step for one in phase for step in one.steps]):
        ending = _ENDINGS.get(run.hooks_ended.get(step.name, Outcome.NOT_STARTED))
        if ending is not None and hooks[step.name].is_deleted_after(ending):
            await _let_go(run, hooks[step.name])


async def _let_go(run: Run, hook: Hook) -> None:
    """Delete what a hook of this run left; what cannot go is told, and no failure."""
    manifest = hook.manifest
    try:
        live = await _find(run, manifest.ref, manifest.api_version)
        if live is not None:
            if not _is_runs(run, live) or live.annotations.get(RUN_ID) != _run_id(run):
                return
            await _delete(run, live, Propagation.BACKGROUND)
        run.hooks_gone.add(manifest.ref)
    except LockLost:
        raise
    except RolloutError as error:
        run.tell(Note(f"{manifest.ref} stays: {error.message}"))


def _run_id(run: Run) -> str:
    return run.goes_on_from or run.id


# ------------------------------------------------------------------ after a failure


async def run_failure_hooks(
    run: Run,
    results: Sequence[StepResult],
    execute: Callable[[Wave], Awaitable[tuple[StepResult, ...]]],
) -> tuple[StepResult, ...]:
    """Run the hooks for failures, if the run has failed (HK-06); theirs changes nothing more.

    Args:
        run: The run.
        results: What became of its steps.
        execute: Carries out a wave.
    """
    if not run.plan.on_failure or not _has_failed(run, results):
        return ()
    if run.is_overdue and not run.lock.lost.is_set():
        run.stop.clear()  # the time is over for going forward only
    done: tuple[StepResult, ...] = ()
    for wave in run.plan.on_failure:
        if run.stop.is_set() or not all(map(is_good, done)):
            break
        done += await execute(wave)
    return done


def _has_failed(run: Run, results: Sequence[StepResult]) -> bool:
    """Whether something failed that counts: a prune is tried again, and others are forgiven."""
    passed = {
        step.name for step in run.plan.steps if step.continue_on_error or step.action == "Prune"
    }
    return run.is_overdue or any(one.outcome in _BAD and one.step not in passed for one in results)


# ------------------------------------------------------------------ nothing is left


async def remove_left(run: Run, results: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """Delete what hooks left that are no longer declared; all of it if the rollout is removed.

    Returns:
        What could not be deleted, as a step that failed, of a removal only.

    Raises:
        LockLost: Our lease may be gone.
    """
    left = list(_stale(run))
    if not left or run.stop.is_set() or must_stop(run.plan, results):
        return ()
    if run.plan.is_removal and run.plan.kept:
        return ()
    refusals = [why for one in left if (why := await _remove(run, one))]
    if not refusals or not run.plan.is_removal:
        for why in refusals:
            run.tell(Note(why))
        return ()
    return (StepResult(step=LEFT, outcome=Outcome.FAILED, message="; ".join(refusals)),)


def _stale(run: Run) -> Iterator[LeftHook]:
    entries: Iterable[LeftHook] = left_hooks(run.state.extra)
    return (one for one in entries if one.ref not in run.hooks_gone and is_stale(one, run.plan))


async def _remove(run: Run, left: LeftHook) -> str:
    """Delete what a hook left; return why it stays, empty if it does not."""
    try:
        live = await _find(run, left.ref, left.api_version)
        if live is not None and _is_runs(run, live):
            await _delete(run, live, Propagation.BACKGROUND)
    except LockLost:
        raise
    except ClusterError as error:
        if error.status != _NOT_FOUND:
            return f"{left.ref} stays: {error.message}"
    except RolloutError as error:
        return f"{left.ref} stays: {error.message}"
    run.hooks_gone.add(left.ref)
    return ""
