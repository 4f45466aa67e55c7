"""Names of instances: one rollout document, many keys, each with objects of its own.

Before: a firing has a key, such as ``default/main``. After: that instance has its own state, its
own inventory and its own lock under a name that no other key gives.
"""

from __future__ import annotations

import re
from hashlib import sha256

_LONGEST = 63
_DIGITS = 8


def instance_name(rollout: str, key: str) -> str:
    """Return the name of the instance of a key; the rollout's own name for an empty key.

    The name ends with a digest, because two keys may read alike once they are a DNS label:
    ``a/b-c`` and ``a-b/c``.
    """
    if not key:
        return rollout
    digest = sha256(f"{rollout}\n{key}".encode()).hexdigest()[:_DIGITS]
    readable = re.sub(r"[^a-z0-9]+", "-", f"{rollout}-{key}".lower()).strip("-")
    return f"{readable[: _LONGEST - _DIGITS - 1].rstrip('-')}-{digest}"
