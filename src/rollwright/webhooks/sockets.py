"""A port of this machine, bound before anything is served there.

Before: ``server`` or ``probes`` knows where to listen. After: it is known whether that may be.
"""

from __future__ import annotations

import socket

from rollwright.errors import Unreachable


def bound(host: str, port: int, *, what: str, hint: str) -> socket.socket:
    """Return a socket at an address; nobody is answered yet.

    Args:
        host: Name or address.
        port: Zero for any that is free.
        what: What cannot be done there, for the error: ``listen``.
        hint: What to do about it.

    Raises:
        Unreachable: Somebody else has the port, or the address is not one of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _name, address = found[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.setblocking(False)  # noqa: FBT003  (the name of the switch is the method's)
        except BaseException:
            opened.close()
            raise
    except OSError as error:
        raise Unreachable(
            f"cannot {what} at {host} port {port}: {error.strerror or error}",
            retryable=False,
            hint=hint,
        ) from error
    return opened
