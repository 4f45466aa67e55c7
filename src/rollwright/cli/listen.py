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
from rollwright.cli.output import write_line

if TYPE_CHECKING:
    from rollwright.engine.listening.pending import Pending
    from rollwright.engine.listening.running import Ended
    from rollwright.engine.listening.service import Service
    from rollwright.engine.progress import Progress
    from rollwright.engine.telling.metering import Meter

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
        How each run is printed; json gives a line of JSON each.
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
    from rollwright.errors import NotFound

    worst = 0

    def ended(pending: Pending, how: Ended, seconds: float) -> None:
        nonlocal worst
        worst = max(worst, how.exit_code)
        write_line(run_line(pending, how, seconds, output))

    async with opened(common) as site:
        site.tell = _tell
        service = make_service(site, ended=ended)
        if means.deployment:
            from rollwright.flows.dispatching import prefect_runner

            service.dispatcher.runner = prefect_runner(service, means.deployment)
        for fault in service.declared.faults:
            say(f"Warning: {fault}")
        if not service.declared.triggers:
            raise NotFound(
                "the site declares no trigger, so there is nothing to listen to",
                hint="add triggers to a Rollout, or a file trigger.yaml of kind Trigger",
            )
        with stopped_by_signal() as stop:
            async with (
                _looked_at(service, means.metrics_port) as meter,
                _received(service, stop, means.place, meter),
            ):
                await service.serve(stop)
    return worst if not stop.is_set() else 0


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


def _tell(progress: Progress) -> None:
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
        return f"{at} {what}: {how.outcome}: {how.message} ({seconds:.1f} s)"
    import orjson

    form = {
        "at": datetime.now(UTC).isoformat(),
        "rollout": pending.rollout,
        "instance": pending.instance,
        "trigger": pending.trigger,
        "kind": pending.kind,
        "outcome": how.outcome,
        "message": how.message,
        "seconds": round(seconds, 3),
    }
    return orjson.dumps(form).decode()
