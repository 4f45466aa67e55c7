"""Which requests a peer sent, as the server wrote them down.

One round before the measured ones runs with an audit log, so that all peers are counted by the
same judge and no measured run pays for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata"}],
}
_AGENTS = {"kubectl": "kubectl/", "helm": "Helm/", "rollwright": "rollwright", "limit": "limit"}


def flags(folder: Path) -> tuple[str, ...]:
    """Write the policy, and return the flags of the API server."""
    policy = folder / "audit-policy.json"
    policy.write_text(json.dumps(_POLICY))
    return (
        f"--audit-policy-file={policy}",
        f"--audit-log-path={log_of(folder)}",
        "--audit-log-mode=blocking",
    )


def log_of(folder: Path) -> Path:
    """Return where the API server writes."""
    return folder / "audit.log"


def count(lines: Iterable[str], peer: str) -> dict[str, int]:
    """Return the requests of a peer, by what they were."""
    agent = next(mark for name, mark in _AGENTS.items() if peer.startswith(name))
    events = (json.loads(line) for line in lines)
    ours = (one for one in events if str(one.get("userAgent", "")).startswith(agent))
    return dict(sorted(Counter(word_of(event) for event in ours).items()))


def word_of(event: Mapping[str, Any]) -> str:
    """Return what a request is called in a table."""
    url = urlsplit(str(event["requestURI"]))
    verb = str(event["verb"])
    if not event.get("objectRef", {}).get("resource"):
        return "discovery" if url.path.startswith(("/api", "/openapi")) else "other"
    query = parse_qs(url.query)
    if query.get("dryRun"):
        return "dry-run"
    # The audit log calls an apply a patch; only an apply says whether it is forced.
    return "apply" if verb == "patch" and "force" in query else verb
