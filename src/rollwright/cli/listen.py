"""``rollwright listen``: the triggers of a site at work."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import record_text, write_line

if TYPE_CHECKING:
    from rollwright.engine.listening.pending import Pending
    from rollwright.engine.listening.running import Ended
    from rollwright.engine.listening.service import Service
    from rollwright.engine.progress import Progress
    from rollwright.engine.site import Site
    from rollwright.engine.telling.metering import Meter

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NAMED = 10
"""Triggers that are named at the start."""


def listen(  # noqa: PLR0913  (the options of one command)
    *,
    host: str | None = None,
    port: int | None = None,
    metrics_port: int | None = None,
    runner: Literal["local", "prefect"] = "local",
    deployment: str = "rollout/rollout",
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Start rollouts as the site's triggers say.

    A line is printed for each run that ended. Ctrl-C starts no more, stops those at work after
    the write in flight, and leaves what is pending to whoever listens next. With one-off triggers
    alone it ends when all of their runs have. Where triggers read deliveries, their addresses are
    printed, and what becomes of each delivery is logged.

    Parameters
    ----------
    host
        Address at which deliveries are received; by default as site.toml says.
    port
        Port at which they are; 0 for any.
    metrics_port
        Port of /metrics, /healthz and /readyz; by default as site.toml says, 0 for any.
    runner
        Who makes the runs: this process, or workers of the Prefect server.
    deployment
        The deployment whose flow runs they are then.
    output
        How each run is printed; json gives a line of JSON each, yaml a document.
    """
    given = {"host": host, "port": port}
    place = {name: value for name, value in given.items() if value is not None}
    means = _Means(place, metrics_port, deployment if runner == "prefect" else "")
    return asyncio.run(_listen(output, common, means))


@dataclass(frozen=True, slots=True)
class _Means:
    """How it is listened: where deliveries come in, where metrics are, whose runs they are."""

    place: dict[str, Any]
    metrics_port: int | None
    deployment: str


async def _listen(output: Output, common: Common, means: _Means) -> int:
    from rollwright.cli.output import say
    from rollwright.cli.session import opened
    from rollwright.engine.listening.service import make_service

    worst = 0

    def ended(pending: Pending, how: Ended, seconds: float) -> None:
        nonlocal worst
        worst = max(worst, how.exit_code)
        write_line(run_line(pending, how, seconds, output))

    async with opened(common) as site:
        site.tell = tell_notes
        service = make_service(site, ended=ended)
        if means.deployment:
            from rollwright.flows.dispatching import prefect_runner

            service.dispatcher.runner = prefect_runner(service, means.deployment)
        for fault in (*service.declared.faults, *sink_faults(site)):
            say(f"Warning: {fault}")
        _need_triggers(service)
        with stopped_by_signal() as stop:
            async with (
                _looked_at(service, means.metrics_port) as meter,
                _received(service, stop, means.place, meter),
                _said_when_stopping(service, stop),
            ):
                say(_beginning(service))
                await service.serve(stop)
    return worst if not stop.is_set() else 0


def _need_triggers(service: Service) -> None:
    """Tell which triggers are left out; refuse to listen to none.

    Raises:
        NotFound: The site declares none.
        InvalidSpec: Every one of them is wrong.
    """
    from rollwright.cli.output import say
    from rollwright.engine.listening.leaving_out import in_a_line
    from rollwright.errors import InvalidSpec, NotFound

    if not service.declared.triggers:
        raise NotFound(
            "the site declares no trigger, so there is nothing to listen to",
            hint="add triggers to a Rollout, or a file trigger.yaml of kind Trigger",
        )
    left_out = service.listening.left_out
    if not service.listening.all():
        raise InvalidSpec(problem for error in left_out.values() for problem in error.problems)
    for name, error in left_out.items():
        say(f"Warning: trigger {name} is left out: {in_a_line(error)}")


def _beginning(service: Service) -> str:
    """Return the line that says what is listened to."""
    found = service.listening.all()
    names = [
        f"{one.name} ({one.use.name}{', suspended' if one.trigger.suspend else ''})"
        for one in found
    ]
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    count = "1 trigger" if len(found) == 1 else f"{len(found)} triggers"
    site = service.site.loaded.file.name
    return f"listening to {count} of site {site}: {', '.join((*names[:_NAMED], *more))}"


@asynccontextmanager
async def _said_when_stopping(service: Service, stop: asyncio.Event) -> AsyncIterator[None]:
    """Say what is still waited for when somebody wants an end."""
    from rollwright.cli.output import say

    async def told() -> None:
        await stop.wait()
        count = len(service.dispatcher.queue.running())
        runs = (
            "1 run comes to its end first"
            if count == 1
            else f"{count} runs come to their end first"
        )
        say(f"stopping: {runs}" if count else "stopping")

    task = asyncio.create_task(told())
    try:
        yield
        if stop.is_set():
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def sink_faults(site: Site) -> Iterator[str]:
    """Yield what is wrong with the sinks of a site, which would be told of no run."""
    from rollwright.errors import RolloutError

    where = str(site.loaded.path or "site.toml")
    for name, entry in site.loaded.file.feedback.items():
        try:
            site.registry.build("feedback", entry.name, entry.options, path="with")
        except RolloutError as error:
            yield f"{where}: feedback.{name}: {error.message}"


@asynccontextmanager
async def _received(
    service: Service, stop: asyncio.Event, place: dict[str, Any], meter: Meter | None
) -> AsyncIterator[None]:
    """Receive deliveries meanwhile, if a trigger reads any."""
    from rollwright.cli.output import say

    if not service.listening.readers():
        yield
        return
    from rollwright.webhooks.server import receiving

    settings = service.site.loaded.file.webhooks.model_copy(update=place)
    async with receiving(service, settings, stop=stop) as receiver:
        for name, address in receiver.hooks:
            say(f"trigger {name}: {address}")
        for fault in receiver.faults:
            say(f"Warning: trigger {fault}")
        if meter is not None:
            from rollwright.webhooks.probes import count_deliveries

            count_deliveries(receiver.intake, meter)
        yield


@asynccontextmanager
async def _looked_at(service: Service, port: int | None) -> AsyncIterator[Meter | None]:
    """Show metrics meanwhile, where site.toml or the person names a port."""
    settings = service.site.loaded.file.metrics
    port = settings.port if port is None else port
    if port is None:
        yield None
        return
    from rollwright.cli.output import say
    from rollwright.engine.listening.gauges import measured
    from rollwright.engine.telling.metrics import Metrics
    from rollwright.webhooks.probes import probed

    metrics = Metrics()
    meter = measured(service, metrics)
    async with probed(service, metrics, port=port, host=settings.host) as address:
        say(f"metrics: {address}/metrics")
        yield meter


def tell_notes(progress: Progress) -> None:
    """Tell what concerns no single run: a trigger that broke off, a store that is away."""
    from rollwright.cli.output import say
    from rollwright.engine.progress import Note

    if isinstance(progress, Note):
        say(progress.text)


@contextmanager
def stopped_by_signal() -> Iterator[asyncio.Event]:
    """Give an event that Ctrl-C or SIGTERM sets."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def run_line(pending: Pending, how: Ended, seconds: float, output: Output) -> str:
    """Return the line of a run that ended."""
    if output == "text":
        at = datetime.now(UTC).strftime("%H:%M:%SZ")
        what = f"{pending.instance} ({pending.trigger}, {pending.kind})"
        # Some messages say the outcome themselves: once is enough.
        is_said = how.message.startswith(how.outcome)
        words = how.message if is_said else f"{how.outcome}: {how.message}"
        again = f"; again in {how.after:.0f} s" if _is_again(how) else ""
        return f"{at} {what}: {words} ({seconds:.1f} s){again}"
    form: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(),
        "rollout": pending.rollout,
        "instance": pending.instance,
        "trigger": pending.trigger,
        "kind": pending.kind,
        "outcome": how.outcome,
        "message": how.message,
        "seconds": round(seconds, 3),
    }
    if how.after is not None and _is_again(how):
        form["againIn"] = round(how.after, 3)
    return record_text(form, output)


def _is_again(how: Ended) -> bool:
    return not how.is_good and how.again and how.after is not None
