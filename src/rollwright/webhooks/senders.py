"""Who sent a delivery: the other end, or whom a trusted proxy names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network


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
    sender = remote
    named = [part.strip() for value in forwarded for part in value.split(",")]
    while _is_one_of(sender, proxies) and named:
        following = named.pop()
        if not _is_address(following):
            break
        sender = following
    return sender


def _is_one_of(text: str, networks: tuple[Network, ...]) -> bool:
    return _is_address(text) and any(ip_address(text) in one for one in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
