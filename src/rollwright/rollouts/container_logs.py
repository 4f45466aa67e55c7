"""What containers wrote, as it may be shown: whose words count, and which of them.

Before: somebody read a log, of a container that ended or of a program.
After: verdicts quote its last lines; a report keeps more of it.

Whatever a container writes may hold what it was given: values of Secrets are hidden before
anything is cut, in their base64 form too.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollwright.errors import excerpt
from rollwright.rollouts.health.verdict import mask
from rollwright.rollouts.hiding import SHORTEST
from rollwright.rollouts.manifest import Body, ObjectRef

LINES_QUOTED = 5
LINE_LENGTH = 200

KEPT_LINES = 1000
KEPT_BYTES = 256 * 1024
"""How much of one log a report keeps (HK-09)."""

_LISTS = ("containerStatuses", "initContainerStatuses")
_COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedContainer:
    """A container that ended badly.

    ``is_previous`` says that what failed was the run before the present one.
    """

    pod: ObjectRef
    pod_uid: str
    name: str
    restart_count: int
    is_previous: bool


def failed_containers(pods: Iterable[Body]) -> Iterator[FailedContainer]:
    """Yield one container of each pod in which one ended badly; init containers first."""
    for pod in pods:
        found = next((one for one in _failed_of(pod)), None)
        if found is not None:
            yield found


def _failed_of(pod: Body) -> Iterator[FailedContainer]:
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    ref = ObjectRef("", "Pod", str(metadata.get("namespace", "")), str(metadata.get("name", "")))
    for name in reversed(_LISTS):
        for one in status.get(name) or ():
            ended, ended_before = _ended_badly(one, "state"), _ended_badly(one, "lastState")
            if ended or (ended_before and not one.get("ready")):
                yield FailedContainer(
                    pod=ref,
                    pod_uid=str(metadata.get("uid", "")),
                    name=str(one.get("name", "")),
                    restart_count=int(one.get("restartCount") or 0),
                    is_previous=not ended,
                )


def _ended_badly(container: Mapping[str, Any], state: str) -> bool:
    ended = (container.get(state) or {}).get("terminated") or {}
    return bool(ended) and ended.get("exitCode") != 0


def quoted_lines(text: str, hidden: Iterable[str]) -> tuple[str, ...]:
    """Return the last lines of a log as they may be shown: without secrets, cut to their length."""
    clean = mask(_COLORS.sub("", text), all_forms(hidden))
    lines = [line.strip() for line in clean.splitlines()]
    return tuple(excerpt(line, LINE_LENGTH) for line in lines if line)[-LINES_QUOTED:]


def all_forms(hidden: Iterable[str]) -> frozenset[str]:
    """Return the values with everything that gives them away: their lines, and base64 of both."""
    parts = {part.strip() for text in hidden for part in (text, *text.splitlines())}
    plain = {part for part in parts if len(part) >= SHORTEST}
    return frozenset(plain | {b64encode(part.encode()).decode() for part in plain})


def kept_log(text: str, hidden: Iterable[str], *, line_count: int = KEPT_LINES) -> str:
    """Return the last lines of a log as a report may keep them: whole lines, without secrets.

    Args:
        text: What was written.
        hidden: Values that may not be repeated.
        line_count: How many lines stay at most.
    """
    clean = mask(_COLORS.sub("", text), all_forms(hidden))
    kept: list[str] = []
    size = 0
    for line in reversed(clean.splitlines()[-line_count:] if line_count else ()):
        size += len(line.encode()) + 1
        if size > KEPT_BYTES:
            kept += [] if kept else [line.encode()[-KEPT_BYTES:].decode(errors="ignore")]
            break
        kept.append(line)
    return "".join(f"{line}\n" for line in reversed(kept))
