"""Job and CronJob (HL-75..85).

Only a condition whose status is True counts: a resumed Job keeps ``Suspended=False`` (HL-83).
"""

from __future__ import annotations

from collections.abc import Iterable

from rollwright.rollouts.health.containers import containers_of
from rollwright.rollouts.health.ownership import is_owned_by
from rollwright.rollouts.health.subject import (
    Finding,
    Subject,
    changed_at,
    current,
    in_progress,
    moment,
    plural,
    text_of,
)
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import HealthWarning, Status


def job(s: Subject) -> Finding:
    """Judge a Job."""
    wanted = s.spec.get("completions") or s.spec.get("parallelism") or 1
    done = f"{s.count('succeeded')}/{wanted}"
    if _is_true(s, "Complete"):
        return current("complete", f"succeeded {done}")
    if _is_true(s, "Failed"):
        return _failed_job(s)
    if _is_true(s, "Suspended") and s.spec.get("suspend"):
        since = changed_at(s.conditions["Suspended"])
        return Finding(Status.SUSPENDED, "suspended", "JobSuspended", "Job suspended", since)
    if not s.status.get("startTime"):
        return in_progress("started", "JobNotStarted", "the Job has not started")
    words = f"succeeded {done}, {s.count('active')} active, {s.count('failed')} failed"
    if not s.options.wait_for_jobs:
        return current("running", words, reason="JobRunning")
    return in_progress("running", "JobRunning", words)


def _is_true(s: Subject, condition: str) -> bool:
    return (s.conditions.get(condition) or {}).get("status") == "True"


def _failed_job(s: Subject) -> Finding:
    condition = s.conditions["Failed"]
    reason = str(condition.get("reason") or "JobFailed")
    words = text_of(condition)
    if reason == "BackoffLimitExceeded":
        words = f"job failed {plural(max(1, s.count('failed')), 'time')}"
        code = last_exit_code(pod for pod in s.context.pods if is_owned_by(pod, s.body))
        words += f"; last: exit code {code}" if code is not None else ""
        words += f" ({text_of(condition)})"
    elif reason == "DeadlineExceeded" and s.spec.get("activeDeadlineSeconds"):
        words = f"not done within {s.spec['activeDeadlineSeconds']} s ({words})"
    return Finding(Status.FAILED, "failed", reason, words, changed_at(condition))


def last_exit_code(pods: Iterable[Body]) -> int | None:
    """Return the exit code of the container that ended last, unless it ended well."""
    ends = [one.terminated for pod in pods for one in containers_of(pod)]
    bad = [end for end in ends if end.get("exitCode")]
    newest = max(bad, key=lambda end: str(end.get("finishedAt") or ""), default=None)
    return None if newest is None else int(newest["exitCode"])


def cron_job(s: Subject) -> Finding:
    """Judge a CronJob by its last run, if that came after our apply."""
    if s.spec.get("suspend"):
        return Finding(Status.SUSPENDED, "suspended", "CronJobSuspended", "CronJob suspended")
    active = len(s.status.get("active") or ())
    scheduled = moment(s.status.get("lastScheduleTime"))
    succeeded = moment(s.status.get("lastSuccessfulTime"))
    if active:
        return current("active", f"{plural(active, 'Job')} active")
    if scheduled is None:
        return current("ready", "no run was due yet")
    if succeeded is None:
        text = f"no run has succeeded yet; the last began at {scheduled:%Y-%m-%d %H:%M}Z"
        return _warned("NoSuccessfulRun", text)
    if succeeded >= scheduled:
        return current("ready", f"the last run succeeded at {succeeded:%Y-%m-%d %H:%M}Z")
    text = f"the run of {scheduled:%Y-%m-%d %H:%M}Z did not succeed"
    applied_at = s.context.applied_at
    if applied_at is not None and scheduled <= applied_at:
        return _warned("LastRunFailedBeforeChange", text)
    return Finding(Status.FAILED, "last-run", "LastRunFailed", text, scheduled)


def _warned(code: str, text: str) -> Finding:
    warnings = (HealthWarning(code=code, text=text),)
    return Finding(Status.CURRENT, "ready", message=text, warnings=warnings)
