"""What commit statuses have in common: which commit, of which repository, in which state.

Before: a run planned, began or ended. After: ``github`` or ``gitlab`` shows it at the commit.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from rollwright.rollouts.feedback import Event, Feedback, Reason

USUAL = frozenset({
    Event.PLANNED, Event.APPROVAL_NEEDED, Event.STARTED, Event.SUCCEEDED, Event.FAILED,
    Event.ROLLED_BACK, Event.RECOVERED,
})  # fmt: skip
"""What changes a commit's status."""

_COMMIT = re.compile(r"(?:.*@)?(?:sha1:([0-9a-f]{40})|sha256:([0-9a-f]{64}))")
_NOT_OURS = frozenset({
    Reason.CLUSTER_UNREACHABLE, Reason.LOCK_HELD, Reason.CANCELLED, Reason.SUPERSEDED,
    Reason.PLAN_STALE,
})  # fmt: skip
"""What is not the commit's fault."""


def commit_of(feedback: Feedback) -> str:
    """Return the commit that was rolled out; empty if the source has no commits."""
    if feedback.revision.startswith("path@"):
        return ""
    found = _COMMIT.fullmatch(feedback.revision)
    return (found[1] or found[2]) if found else ""


def repository_of(url: str, host: str) -> str:
    """Return the path of a repository on a host, such as ``team/shop``; empty if it is elsewhere.

    Args:
        url: ``https://HOST/PATH.git`` or ``ssh://git@HOST/PATH.git``.
        host: Whose repositories count; with the port of its pages, if it has one.
    """
    try:
        parts = urlsplit(url)
        same = parts.hostname == urlsplit(f"//{host}").hostname
    except ValueError:
        return ""
    path = parts.path.strip("/").removesuffix(".git").strip("/")
    return path if same and path.count("/") >= 1 else ""


def state_of(feedback: Feedback) -> str:
    """Return pending, success, failure or error; empty for what is no state of a commit."""
    if feedback.event in {Event.SUCCEEDED, Event.RECOVERED}:
        return "success"
    if feedback.event in {Event.FAILED, Event.ROLLED_BACK}:
        return "error" if feedback.reason in _NOT_OURS else "failure"
    return "pending" if feedback.event in USUAL else ""


def description_of(feedback: Feedback, longest: int) -> str:
    """Return what stands beside the state, cut to what a host takes (FB-21)."""
    words = " ".join((feedback.message or feedback.title).split())
    if feedback.event is Event.APPROVAL_NEEDED:
        words = f"waits for an approval: {words}"
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def name_of(name: str, feedback: Feedback) -> str:
    """Return the name of the status, with rollout and cluster put in."""
    return name.replace("{rollout}", feedback.rollout).replace("{cluster}", feedback.cluster)
