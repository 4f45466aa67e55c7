"""One member of an etcd: its channel, and the stubs on it."""

from __future__ import annotations

from typing import Any

from rollwright.etcd.access import Access, Certificates
from rollwright.etcd.shim import aio, rpc

_OPTIONS = (
    # A member that does not answer at all is noticed within these two together.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A proxy of the environment is for the web.
    ("grpc.enable_http_proxy", 0),
    # Of several clients in one process each has connections of its own.
    ("grpc.use_local_subchannel_pool", 1),
)


class Member:
    """One member, as one client reaches it; it belongs to one event loop."""

    def __init__(self, endpoint: str, access: Access) -> None:
        self.endpoint = endpoint
        self._access = access
        self._channel: Any = None
        self._stubs: dict[str, Any] = {}

    def method(self, service: str, name: str) -> Any:
        """Return a callable of a service, such as ``KV`` and ``Range``."""
        if service not in self._stubs:
            self._stubs[service] = getattr(rpc(), f"{service}Stub")(self._open())
        return getattr(self._stubs[service], name)

    async def close(self) -> None:
        """Hang up."""
        channel, self._channel = self._channel, None
        self._stubs.clear()
        if channel is not None:
            await channel.close()

    def _open(self) -> Any:
        if self._channel is None:
            tls = self._access.tls
            if tls is None:
                self._channel = aio().insecure_channel(self.endpoint, options=_OPTIONS)
            else:
                options = (*_OPTIONS, *_name_options(tls))
                self._channel = aio().secure_channel(self.endpoint, _credentials(tls), options)
        return self._channel


def _credentials(tls: Certificates) -> Any:
    import grpc  # noqa: PLC0415  (0.1 s, for users of etcd only)

    return grpc.ssl_channel_credentials(
        root_certificates=tls.authorities or None,
        private_key=tls.key or None,
        certificate_chain=tls.certificate or None,
    )


def _name_options(tls: Certificates) -> tuple[tuple[str, str], ...]:
    return (("grpc.ssl_target_name_override", tls.server_name),) if tls.server_name else ()
