"""Who sent a delivery: the other end, or whom a trusted proxy names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network
_BRACKETED = re.compile(r"\[([^\]]*)\](?::\d+)?")


@lru_cache(maxsize=64)
def networks_of(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Return networks as they are declared."""
    return tuple(ip_network(one) for one in texts)


def sender_of(remote: str, forwarded: Iterable[str], proxies: tuple[Network, ...]) -> str:
    """Return the address of the sender.

    Args:
        remote: The other end of the connection.
        forwarded: Values of ``X-Forwarded-For``, in their order.
        proxies: Whose word counts.

    Each proxy adds who it was asked by at the end, so the list is read from there, as long as
    proxies of ours wrote it; what stands before anybody may have made up.
    """
    sender = _address(remote) or remote
    named = [part.strip() for value in forwarded for part in value.split(",")]
    while _is_one_of(sender, proxies) and named:
        following = _address(named.pop())
        if not following:
            break
        sender = following
    return sender


def _is_one_of(text: str, networks: tuple[Network, ...]) -> bool:
    address = _address(text)
    return bool(address) and any(ip_address(address) in one for one in networks)


def _address(text: str) -> str:
    """Return an address as it is compared and told; empty for what is none.

    Some proxies add the port. A zone is text of anybody's, and means nothing elsewhere. A socket
    for both families writes addresses of the older one as those of the newer.
    """
    bare = text.strip()
    if bracketed := _BRACKETED.fullmatch(bare):
        bare = bracketed[1]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return ""
    old = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(old or found)
