"""Where a receiver of deliveries can be reached: an address that nobody can guess (WH-01).

Before: the site and a trigger have names, the trigger has a secret.
After: whoever knows the secret, or was told the address, can send to it.
"""

from __future__ import annotations

from hashlib import sha256

PREFIX = "/hooks/"
"""What stands before the id in the path of every receiver."""


def hook_id(token: str, name: str, site: str) -> str:
    """Return the id of a receiver: 64 hexadecimal digits.

    Args:
        token: Its secret.
        name: Of the trigger.
        site: Name of the site.
    """
    return sha256(f"{token}{name}{site}".encode()).hexdigest()
