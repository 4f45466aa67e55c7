"""The last words of containers that failed, as evidence of a verdict.

Before: a verdict says that pods crash, or that a Job failed.
After: ``observe`` puts the lines beside it; every face prints them.

Whatever a container writes may hold what it was given: values of the rollout's Secrets are hidden
before anything is cut, in their base64 form too. A log that cannot be read is no failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from rollwright.engine.writing.together import together
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Cluster, LogRequest
from rollwright.rollouts.container_logs import (
    LINES_QUOTED,
    FailedContainer,
    failed_containers,
    quoted_lines,
)
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import Evidence

PODS_QUOTED = 3
REQUESTS_OF_A_RUN = 100
"""A run with hundreds of crashing pods does not need the words of each."""

WITHIN_SECONDS = 5.0
"""How long a verdict waits for the lines; the node they come from may be gone."""


class ContainerLogs:
    """Reads logs for one run, each end of a container once."""

    def __init__(self, cluster: Cluster) -> None:
        """Begin with nothing read."""
        self._cluster = cluster
        self._known: dict[FailedContainer, str] = {}

    async def quote(self, pods: Iterable[Body], hidden: frozenset[str]) -> tuple[Evidence, ...]:
        """Return the last lines of the containers that failed.

        Args:
            pods: Those that a verdict is about.
            hidden: Values that may not be repeated.
        """
        failed = tuple(failed_containers(pods))[:PODS_QUOTED]
        texts = await together(self._read(one) for one in failed)
        return tuple(
            Evidence(kind="Log", name=f"{one.pod.name}/{one.name}", uid=one.pod_uid, text=line)
            for one, text in zip(failed, texts, strict=True)
            for line in quoted_lines(text, hidden)
        )

    async def _read(self, failed: FailedContainer) -> str:
        if failed not in self._known:
            if len(self._known) >= REQUESTS_OF_A_RUN:
                return ""
            self._known[failed] = await self._ask(failed)
        return self._known[failed]

    async def _ask(self, failed: FailedContainer) -> str:
        """Read the run that failed; where its log is gone already, the other one."""
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                for is_previous in (failed.is_previous, not failed.is_previous):
                    text = await self._cluster.logs(
                        LogRequest(
                            pod=failed.pod,
                            container=failed.name,
                            is_previous=is_previous,
                            tail_count=LINES_QUOTED,
                        )
                    )
                    if text.strip():
                        return text
        except (RolloutError, TimeoutError):
            return ""
        return ""
