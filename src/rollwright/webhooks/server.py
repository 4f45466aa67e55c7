"""The port that deliveries come in at, open as long as the site listens.

Before: the service of a site has triggers that read deliveries.
After: it is closed first, when somebody says stop: what came in is answered, and noted.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollwright.engine.listening.listener import Listening
from rollwright.engine.listening.service import Service
from rollwright.engine.progress import Note
from rollwright.engine.site_file import LoadedSite, WebhooksSection
from rollwright.errors import RolloutError
from rollwright.plugins.hooks import PREFIX
from rollwright.webhooks.audit import AuditFile, Tell, to_standard_error
from rollwright.webhooks.book import Book
from rollwright.webhooks.certificates import Certificates, keep_fresh
from rollwright.webhooks.intake import Intake
from rollwright.webhooks.quiet_server import quiet_config, quiet_server, until_started
from rollwright.webhooks.rates import Rates
from rollwright.webhooks.senders import networks_of
from rollwright.webhooks.sockets import bound

if TYPE_CHECKING:
    import uvicorn

HEAD_BYTES = 32 * 2**10
HANDSHAKE_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 15
GRACE_SECONDS = 12
_BACKLOG = 512
_HINT = "choose another --host or --port, or [webhooks] in site.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """An open port.

    Attributes:
        url: Where it is reached from this machine.
        hooks: Each receiver's name and address.
        faults: Receivers that have none, and why.
        intake: Takes deliveries in.
    """

    url: str
    hooks: tuple[tuple[str, str], ...]
    faults: tuple[str, ...]
    intake: Intake


@asynccontextmanager
async def receiving(
    service: Service,
    settings: WebhooksSection,
    *,
    stop: asyncio.Event | None = None,
    tell: Tell | None = None,
) -> AsyncIterator[Receiver]:
    """Receive deliveries for a service; ends after those in flight are answered.

    Args:
        service: Whose triggers read them.
        settings: Where, and how many.
        stop: Closes the port when it is set, before what is inside ends.
        tell: Called with what became of each; by default as the settings say.

    Raises:
        Unreachable: Nobody can listen there.
    """
    loaded = service.site.loaded
    book = Book(listening=service.listening)
    intake = Intake(
        listening=service.listening,
        book=book,
        rates=Rates(per_minute=settings.rate, burst=settings.burst),
        max_body=settings.max_body,
        tell=tell or _told(settings, loaded),
    )
    certificates = _certificates(settings, loaded)
    listening = bound(settings.host, settings.port, what="listen", hint=_HINT)
    try:
        server = _make_server(intake, settings, certificates)
    except BaseException:
        listening.close()
        raise
    serving = asyncio.create_task(server.serve([listening]))
    aside = [
        asyncio.create_task(_close_at(stop, server)),
        asyncio.create_task(_warm_up(service.listening)),
    ]
    if certificates is not None:
        tell_note = lambda words: service.site.tell(Note(words))  # noqa: E731
        aside.append(asyncio.create_task(keep_fresh(certificates, tell_note)))
    try:
        await until_started(server, serving, what="the receiver of deliveries")
        url = _url(settings, listening)
        hooks = tuple((name, f"{url}{PREFIX}{id_}") for name, id_ in await book.addresses())
        faults = tuple(f"{name}: {words}" for name, words in book.faults.items())
        yield Receiver(url=url, hooks=hooks, faults=faults, intake=intake)
    finally:
        server.should_exit = True
        for task in aside:
            task.cancel()
        await asyncio.gather(serving, *aside, return_exceptions=True)


async def _warm_up(listening: Listening) -> None:
    """Make what the first delivery needs, so that it is answered as soon as any other."""
    for one in listening.readers().values():
        with contextlib.suppress(RolloutError, OSError):  # that delivery is told of it
            listening.sources.candidates(one.trigger)
            await listening.site.store(listening.spec_of(one))


async def _close_at(stop: asyncio.Event | None, server: uvicorn.Server) -> None:
    if stop is not None:
        await stop.wait()
        server.should_exit = True


def _told(settings: WebhooksSection, loaded: LoadedSite) -> Tell:
    return AuditFile(loaded.resolve(settings.audit)) if settings.audit else to_standard_error


def _certificates(settings: WebhooksSection, loaded: LoadedSite) -> Certificates | None:
    if not (settings.certificate and settings.certificate_key):
        return None
    chain, key = loaded.resolve(settings.certificate), loaded.resolve(settings.certificate_key)
    return Certificates(chain=chain, key=key)


def _make_server(
    intake: Intake, settings: WebhooksSection, certificates: Certificates | None
) -> uvicorn.Server:
    from rollwright.webhooks.app import make_app  # noqa: PLC0415  (it needs an HTTP server)
    from rollwright.webhooks.connections import HurriedProtocol  # noqa: PLC0415  (as above)

    class Server(quiet_server()):  # type: ignore[misc]  # made where uvicorn is needed
        """Waits for no handshake for ever."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            def connected() -> asyncio.Protocol:
                return HurriedProtocol(self.config, self.server_state, self.lifespan.state)

            tls: dict[str, Any] = {}
            if certificates is not None:
                tls["ssl"], tls["ssl_handshake_timeout"] = certificates.context, HANDSHAKE_SECONDS
            make = asyncio.get_running_loop().create_server
            opened = [
                await make(connected, sock=one, backlog=_BACKLOG, **tls) for one in sockets or ()
            ]
            self.servers, self.started = opened, True

    config = quiet_config(
        make_app(intake, networks_of(settings.proxies)),
        http=HurriedProtocol,
        limit_concurrency=HurriedProtocol.most + 1,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
    return Server(config)


def _url(settings: WebhooksSection, listening: socket.socket) -> str:
    scheme = "https" if settings.certificate else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listening.getsockname()[1]}"
