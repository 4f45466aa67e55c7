"""The keys of artifacts: one per kind, rollout and named cluster, so that each has its history.

Before: something is to be shown in Prefect. After: its page lists former versions under the key.
"""

from __future__ import annotations

import re
from hashlib import sha256

_DIGEST_LENGTH = 6


def key_of(rollout: str, kind: str = "result", cluster: str = "") -> str:
    """Return an artifact's key; Prefect takes lower case, digits and dashes only.

    A name that had to be changed gets a digest, so that two names never share a key. Two dashes
    stand before the cluster, which no name has.

    Args:
        rollout: Its name.
        kind: What is shown, such as ``plan``.
        cluster: The cluster that the rollout names; empty for the current context.
    """
    place = f"--{_safe(cluster)}" if cluster else ""
    return f"{kind}-{_safe(rollout)}{place}"


def _safe(name: str) -> str:
    safe = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if safe == name:
        return name
    digest = sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{safe}-{digest}".strip("-")
