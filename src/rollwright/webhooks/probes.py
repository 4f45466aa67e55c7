"""What others may look at: the metrics, whether we live, whether we are ready.

Before: ``rollwright listen`` made the service of a site.
After: Prometheus scrapes ``/metrics``; Kubernetes asks ``/healthz`` and ``/readyz``.

The routes are for a server of their own, because what they show is for us and not for senders of
deliveries; the receiver of deliveries may take them too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import orjson

from rollwright.engine.listening.readiness import Readiness, Verdict
from rollwright.engine.listening.service import Service
from rollwright.engine.telling.metrics import Metrics
from rollwright.webhooks.quiet_server import quiet_config, quiet_server, until_started
from rollwright.webhooks.sockets import bound

if TYPE_CHECKING:
    import uvicorn
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from rollwright.engine.telling.metering import Meter
    from rollwright.webhooks.audit import Entry
    from rollwright.webhooks.intake import Intake

HOST = "127.0.0.1"
"""Nobody else is asked to look, unless somebody says so."""
_HINT = "choose another --metrics-port, or [metrics] in site.toml"
_GRACE_SECONDS = 5


def probe_routes(service: Service, metrics: Metrics) -> list[Route]:
    """Return the routes ``/metrics``, ``/healthz`` and ``/readyz``."""
    from starlette.responses import Response  # noqa: PLC0415  (only who serves needs it)
    from starlette.routing import Route  # noqa: PLC0415  (as above)

    readiness = Readiness(service=service)

    async def shown(request: Request) -> Response:
        text, kind = metrics.shown(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": kind})

    async def lives(_request: Request) -> Response:
        is_alive = service.dispatcher.is_working
        words = b"ok" if is_alive else b"no runs are made"
        return Response(words, 200 if is_alive else 503, media_type="text/plain")

    async def is_ready(_request: Request) -> Response:
        return _answer(await readiness.verdicts(), is_stopping=service.site.stop.is_set())

    return [
        Route("/metrics", shown, methods=["GET"]),
        Route("/healthz", lives, methods=["GET"]),
        Route("/readyz", is_ready, methods=["GET"]),
    ]


def count_deliveries(intake: Intake, meter: Meter) -> None:
    """Count what becomes of each delivery; whoever was told so far still is."""
    tell = intake.tell
    kinds = {name: one.use.name for name, one in intake.listening.readers().items()}

    def take(entry: Entry) -> None:
        meter.delivery(kinds.get(entry.receiver, ""), entry.outcome)
        tell(entry)

    intake.tell = take


def _answer(verdicts: tuple[Verdict, ...], *, is_stopping: bool) -> Response:
    from starlette.responses import Response  # noqa: PLC0415  (as above)

    is_ready = not is_stopping and all(one.is_good for one in verdicts)
    reasons = [f"{one.subject}: {one.words}" for one in verdicts if not one.is_good]
    form = {
        "ready": is_ready,
        "reasons": [*(["stopping"] if is_stopping else []), *reasons],
        "checks": [
            {"subject": one.subject, "ready": one.is_good, "message": one.words} for one in verdicts
        ],
    }
    status = 200 if is_ready else 503
    return Response(orjson.dumps(form), status, media_type="application/json")


@asynccontextmanager
async def probed(
    service: Service, metrics: Metrics, *, port: int, host: str = HOST
) -> AsyncIterator[str]:
    """Let others look as long as the context lasts; give the address.

    Args:
        service: The site that listens.
        metrics: What is shown.
        port: Where; 0 for any free one.
        host: Loopback unless somebody says otherwise.

    Raises:
        Unreachable: Nobody can listen there.
    """
    opened = bound(host, port, what="show metrics", hint=_HINT)
    try:
        server = _make_server(service, metrics)
    except BaseException:
        opened.close()
        raise
    serving = asyncio.create_task(server.serve([opened]))
    try:
        await until_started(server, serving, what="the server of the metrics")
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{opened.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        opened.close()


def _make_server(service: Service, metrics: Metrics) -> uvicorn.Server:
    from starlette.applications import Starlette  # noqa: PLC0415  (as above)

    app = Starlette(routes=probe_routes(service, metrics))
    return quiet_server()(quiet_config(app, timeout_graceful_shutdown=_GRACE_SECONDS))
