"""One stage as one Prefect task run.

The stage is called inside a closure: Prefect sees neither its arguments nor its value, because
it would walk through every object of them and might show or keep them. For the same reason a
failed stage ends with a state that has its message, not with an exception: the traceback that
Prefect writes to its API would quote the causes of the error with their input.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from prefect.tasks import Task

from rollwright.errors import RolloutError
from rollwright.tasks.counting import may_be_task

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stage that returned is shown: its line, and the state's name if it did not succeed.

    Attributes:
        line: What was done, in a few words; for the log and for the state.
        failed_as: Name of the failed state; empty for a stage that succeeded.
    """

    line: str
    failed_as: str = ""


@dataclass(slots=True)
class _Kept(Generic[T]):
    """What a stage left behind, out of Prefect's sight."""

    values: tuple[T, ...] = ()
    error: Exception | None = None


async def run_stage(
    name: str,
    call: Callable[[], Awaitable[T]],
    ending: Callable[[T], Ending],
    *,
    delays: Sequence[float] = (),
    is_wave: bool = False,
) -> T:
    """Run a stage as a task run and return its value; without one where there were too many.

    Args:
        name: Of the task and of the task run.
        call: The stage with its arguments.
        ending: Tells how the value is shown.
        delays: Seconds before each further attempt, if the error says that one may succeed.
        is_wave: Whether it is one of many, and leaves room for those that come once.

    Raises:
        Exception: What the stage raised, as it was.
    """
    if not may_be_task(is_wave=is_wave):
        return await call()
    kept: _Kept[T] = _Kept()

    def may_try_again(_task: Task[..., Any], _run: TaskRun, _state: State[Any]) -> bool:
        return isinstance(kept.error, RolloutError) and kept.error.retryable

    @task(
        name=name,
        task_run_name=name,
        retries=len(delays),
        retry_delay_seconds=list(delays),
        retry_condition_fn=may_try_again,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    async def stage() -> State[None]:
        return await _attempt(name, call, ending, kept)

    await stage()
    if kept.error is not None:
        raise kept.error
    return kept.values[0]


async def _attempt(
    name: str,
    call: Callable[[], Awaitable[T]],
    ending: Callable[[T], Ending],
    kept: _Kept[T],
) -> State[None]:
    kept.error = None
    began = perf_counter()
    try:
        value = await call()
    except Exception as error:  # noqa: BLE001  (it is raised again outside of Prefect's sight)
        kept.error = error
        log_defect(error)
        return Failed(message=told(error))
    kept.values = (value,)
    end = ending(value)
    line = f"{end.line} ({perf_counter() - began:.1f} s)"
    get_run_logger().info("%s: %s", name, line)
    if end.failed_as:
        return Failed(name=end.failed_as, message=line)
    return Completed(message=line)


def told(error: Exception) -> str:
    """Return an error for Prefect's record: what a person may know, and nothing that it quotes.

    A defect's own text may hold anything, so only its type and its place are told.
    """
    if isinstance(error, RolloutError):
        return f"{error.message}; hint: {error.hint}" if error.hint else error.message
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{place}"


def log_defect(error: Exception) -> None:
    """Log where an unexpected error came from; its lines of code, not its values."""
    if isinstance(error, RolloutError):
        return
    frames = "".join(traceback.format_tb(error.__traceback__))
    get_run_logger().error("unexpected %s at\n%s", type(error).__name__, frames)
