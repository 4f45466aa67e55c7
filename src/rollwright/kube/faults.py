"""No answer at all: what it was, for people and for the decision to try again.

Before: ``transport`` caught what aiohttp, the TLS library or the system raised.
"""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import aiohttp

from rollwright.errors import Unreachable, excerpt
from rollwright.kube.auth import Access
from rollwright.kube.request import Request
from rollwright.kube.retry import Failure

_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_TLS = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.ClientSSLError,
    ssl.SSLError,
)


def failure_of(error: Exception) -> Failure:
    """Return what the failure means for another attempt."""
    is_final = isinstance(error, (*_TLS, aiohttp.InvalidURL, aiohttp.ClientHttpProxyError))
    return Failure(is_sent=not isinstance(error, (*_NOT_SENT, *_TLS)), is_final=is_final)


def unreachable(request: Request, error: Exception, access: Access) -> Unreachable:
    """Return the error that names the server, what happened, and what to do."""
    what, hint = _explain(error, request, access)
    is_unsure = not request.is_idempotent and failure_of(error).is_sent
    unsure = "; nobody knows whether it was carried out" if is_unsure else ""
    return Unreachable(
        f"{request.subject}: {request.call} at {_shown(access.server)}: {what}{unsure}",
        hint=hint,
        retryable=not is_unsure and not failure_of(error).is_final,
    )


def _explain(error: Exception, request: Request, access: Access) -> tuple[str, str]:
    where = f"context {access.context!r}" if access.context else "the kubeconfig"
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return (
                f"the server's certificate is not accepted: {_reason(error)}",
                f"check certificate-authority and tls-server-name of {where}",
            )
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return (
                f"no TLS connection: {_reason(error)}",
                f"does the server speak TLS, and is the client certificate of {where} good?",
            )
        case aiohttp.ClientConnectorDNSError():
            host = urlsplit(access.server).hostname
            return f"no address for {host!r}", f"check the server of {where}, or the network"
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return f"the proxy refused: {_reason(error)}", f"check proxy-url of {where}"
        case aiohttp.ClientConnectorError():
            return _reason(error), f"is the server running? its address stands in {where}"
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time", f"is the server of {where} reachable from here?"
        case TimeoutError():
            seconds = request.timeout.total_seconds()
            return f"no answer within {seconds:g} s", "the server is slow or hangs; look at its log"
        case _:
            return f"the connection broke: {_reason(error)}", "look at the log of the server"


def _reason(error: Exception) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    text = getattr(inner, "verify_message", "") or getattr(inner, "strerror", "") or str(inner)
    if text.startswith("Connect call failed"):
        text = "connection refused"
    return excerpt(text or type(error).__name__)


def _shown(server: str) -> str:
    """Return the URL without a password that somebody may have put there."""
    parts = urlsplit(server)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
