"""Requests and answers: what is HTTP about receiving deliveries.

Before: ``server`` has a connection. After: ``intake`` takes the delivery.

Whoever asks for anything else learns nothing; an answer never has words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from rollwright.plugins.hooks import PREFIX
from rollwright.webhooks.intake import Answer, Intake, Request
from rollwright.webhooks.senders import Network, sender_of

_EMPTY = b"{}"


def make_app(intake: Intake, proxies: tuple[Network, ...] = ()) -> Starlette:
    """Return the application.

    Args:
        intake: Takes deliveries in.
        proxies: Whose word on who sent a delivery counts.
    """

    async def hook(request: HttpRequest) -> Response:
        remote = request.client.host if request.client else ""
        forwarded = request.headers.getlist("x-forwarded-for")
        delivery = Request(
            id=request.path_params["id"],
            headers=_headers(request.headers.raw),
            body=_parts(request),
            source=sender_of(remote, forwarded, proxies),
        )
        return _response(await intake.take(delivery))

    async def healthz(_request: HttpRequest) -> Response:
        return Response(b"ok", media_type="text/plain")

    routes = [
        Route(f"{PREFIX}{{id}}", hook, methods=["POST"]),
        Route("/healthz", healthz, methods=["GET"]),
    ]
    handlers = {404: _nothing, 405: _nothing}
    app = Starlette(routes=routes, exception_handlers=handlers)
    # Nobody is told of another address: what is not there is not there.
    app.router.redirect_slashes = False
    return app


async def _parts(request: HttpRequest) -> AsyncIterator[bytes]:
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect:
        raise ConnectionResetError("the sender is gone") from None


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by name; one that stands there twice holds both, so that neither counts."""
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = _text(name).lower(), _text(value)
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _text(raw: bytes) -> str:
    # What is no text stays what it is: secrets are compared as bytes.
    return raw.decode("utf-8", "surrogateescape")


async def _nothing(_request: HttpRequest, error: Exception) -> Response:
    return Response(_EMPTY, getattr(error, "status_code", 404), {"connection": "close"})


def _response(answer: Answer) -> Response:
    headers = {"content-type": "application/json"}
    if answer.wait:
        headers["retry-after"] = str(answer.wait)
    if answer.closes:
        # What is left of the body is not read.
        headers["connection"] = "close"
    return Response(_EMPTY, answer.status, headers)
