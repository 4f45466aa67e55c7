"""What ``kubectl logs`` shows of pods that have no containers.

kwok answers like a kubelet, for every pod from one file. Whoever wants other lines there
rewrites the file, in the format of container runtimes: time, stream, ``F``, text.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from rollwright.sandbox.places import Layout

_LINES = (
    ("stdout", "sandbox: kwok plays this pod, and no container runs"),
    ("stderr", "sandbox: its log is the same for all pods"),
)


def write_pod_log(layout: Layout) -> None:
    """Write the log, and the configuration that makes kwok serve it."""
    lines = [(datetime.now(UTC), stream, text) for stream, text in _LINES]
    text = "".join(pod_log_line(at, stream, line) for at, stream, line in lines)
    layout.pod_log.write_text(text, encoding="utf-8")
    file = str(layout.pod_log)
    body = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "pods"},
        "spec": {"logs": [{"logsFile": file, "previousLogsFile": file}]},
    }
    layout.kwok_config.write_text(json.dumps(body), encoding="utf-8")


def pod_log_line(at: datetime, stream: str, text: str) -> str:
    """Return one line as container runtimes write it."""
    return f"{at.isoformat()} {stream} F {text}\n"
