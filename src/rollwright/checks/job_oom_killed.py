"""The check ``JobOOMKilled``: a container of a Job was killed for its memory (DOC-36)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from rollwright.checks.pods import container_statuses, ends_of, name_of, pods_of_job
from rollwright.checks.reporting import Report, databases_of
from rollwright.checks.waiting import absence, failed, succeeded, undecided
from rollwright.plugins.contracts import CheckRequest, CheckResult
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.health.subject import by_type
from rollwright.rollouts.manifest import Body

_JOB = ("batch", "Job")
_KILLED = "OOMKilled"


class JobOOMKilled(BaseModel):
    """Fail as soon as a container of a Job's pods ends because it wanted too much memory.

    A Job that is complete without that passes; until then nothing is decided.

    Attributes:
        report: An SQL statement instead of the failure; the step counts as done then.
    """

    model_config = OPTIONS
    kinds: ClassVar = frozenset({_JOB})

    report: Report | None = None

    @property
    def databases(self) -> tuple[str, ...]:
        """The databases of the site that it may write to."""
        return databases_of(self.report)

    def __str__(self) -> str:
        return "JobOOMKilled"

    async def evaluate(self, request: CheckRequest) -> CheckResult:
        """Look at the ends of all containers."""
        gone = absence(request)
        if request.object is None:
            return undecided(request, gone)
        if request.object.ref.group_kind != _JOB:
            return failed("object is not a Job")
        body = request.object.body
        if killed := _killed(body, request.pods):
            return failed(killed, report=self.report.sql if self.report else None)
        if _is_complete(body):
            return succeeded("the Job is complete and no container was killed for its memory")
        return undecided(request, "no container was killed for its memory so far")


def _killed(job: Body, pods: tuple[Body, ...]) -> str:
    for pod in pods_of_job(job, pods):
        for container in container_statuses(pod):
            if any(end.get("reason") == _KILLED for end in ends_of(container)):
                return f"container {container.get('name')} of pod {name_of(pod)} was {_KILLED}"
    return ""


def _is_complete(job: Body) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return (by_type(conditions).get("Complete") or {}).get("status") == "True"
