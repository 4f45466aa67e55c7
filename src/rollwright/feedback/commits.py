"""What commit statuses have in common: which commit, of which repository, in which state.

Before: a run planned, began or ended. After: ``github``, ``gitlab``, ``gitea``, ``bitbucket`` or
``azure`` shows it at the commit (FB-20, FB-21). A host says how it calls the states, how much text
it takes, and how a status is asked for; everything else is here.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import orjson
from pydantic import BaseModel, Field

from rollwright.feedback.posting import post, refuse_unless_good
from rollwright.plugins.http_calls import Answer, Call, header_secret
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret
from rollwright.rollouts.feedback import Event, Feedback, Reason
from rollwright.rollouts.spec.durations import PositiveDuration

USUAL = frozenset({
    Event.PLANNED, Event.APPROVAL_NEEDED, Event.STARTED, Event.SUCCEEDED, Event.FAILED,
    Event.ROLLED_BACK, Event.RECOVERED,
})  # fmt: skip
"""What changes a commit's status."""

LONGEST_NAME = 255
"""Characters that every host takes as the name of a status."""

_COMMIT = re.compile(r"(?:.*@)?(?:(?:sha1:)?([0-9a-f]{40})|sha256:([0-9a-f]{64}))")
_NOT_OURS = frozenset({
    Reason.CLUSTER_UNREACHABLE, Reason.LOCK_HELD, Reason.CANCELLED, Reason.SUPERSEDED,
    Reason.PLAN_STALE,
})  # fmt: skip
"""What is not the commit's fault."""
_GIVEN_UP = frozenset({Reason.CANCELLED, Reason.SUPERSEDED})


class CommitStatus(BaseModel):
    """Sets the status of a commit; a host fills in what is its own."""

    model_config = OPTIONS

    usual_events: ClassVar[frozenset[Event]] = USUAL
    host: ClassVar[str]
    """What messages call it."""
    states: ClassVar[Mapping[str, str]]
    """What it calls pending, success, failure, error and cancelled."""
    longest: ClassVar[int] = 255
    """Characters of a description that it takes."""

    token: NamedSecret = Field(
        description="A token that may write statuses: {env: NAME} or {file: PATH}."
    )
    name: str = Field(
        default="rollwright/{rollout}",
        min_length=1,
        max_length=200,
        description="What the status is called; may hold {rollout} and {cluster}.",
    )
    timeout: PositiveDuration = Field(
        default=timedelta(seconds=5),
        description="How long an answer may take.",
        json_schema_extra={"default": "5s"},
    )

    def shows(self, feedback: Feedback) -> str:
        """Return the state; empty where no commit of this host was rolled out."""
        if not (commit_of(feedback) and self.place(feedback)):
            return ""
        state = self.states.get(self.state(feedback), "")
        waits = feedback.event is Event.APPROVAL_NEEDED
        return f"{state} (waits for an approval)" if waits else state

    async def tell(self, feedback: Feedback) -> None:
        """Set it; what is about no commit of this host is left alone."""
        if not self.shows(feedback):
            return
        secrets: set[str] = set()
        # In a thread: a secret may have to be asked for.
        token = await asyncio.to_thread(header_secret, "Authorization", self.token, secrets)
        sent = {
            "Content-Type": "application/json",
            "User-Agent": "rollwright",
            **self.headers(token),
        }
        secrets.update(sent[name] for name in sent.keys() & {"Authorization"})
        body = orjson.dumps(self.body(feedback, self.states[self.state(feedback)]))
        call = Call(method="POST", url=self.address(feedback), headers=sent, body=body)
        where = f"{self.host} status of {self.place(feedback)} at {commit_of(feedback)}"
        answer = await post(call, where=where, limit=self.timeout, secrets=secrets)
        if not self.is_shown(answer):
            refuse_unless_good(answer, where=where, secrets=secrets)

    # ---------------------------------------------------------- what a host says of itself

    def place(self, feedback: Feedback) -> str:
        """Return the path of the repository there; empty if it is of another host."""
        raise NotImplementedError

    def address(self, feedback: Feedback) -> str:
        """Return where the status is set."""
        raise NotImplementedError

    def body(self, feedback: Feedback, state: str) -> dict[str, Any]:
        """Return what is sent."""
        raise NotImplementedError

    def headers(self, token: str) -> dict[str, str]:
        """Return how it knows us, and in which version it is spoken to."""
        return {"Authorization": f"Bearer {token}"}

    def is_shown(self, answer: Answer) -> bool:
        """Whether an answer that looks like a refusal only says that all is well already."""
        del answer
        return False

    # ---------------------------------------------------------- what hosts take of it

    def state(self, feedback: Feedback) -> str:
        """Return pending, success, failure, error or cancelled; empty for what is no state."""
        if feedback.event in {Event.SUCCEEDED, Event.RECOVERED}:
            return "success"
        if feedback.event in {Event.FAILED, Event.ROLLED_BACK}:
            if feedback.reason in _GIVEN_UP:
                return "cancelled"
            return "error" if feedback.reason in _NOT_OURS else "failure"
        return "pending" if feedback.event in USUAL else ""

    def title(self, feedback: Feedback) -> str:
        """Return the name of the status, with rollout and cluster put in."""
        named = self.name.replace("{rollout}", feedback.rollout)
        return named.replace("{cluster}", feedback.cluster)[:LONGEST_NAME]

    def description(self, feedback: Feedback) -> str:
        """Return what stands beside the state, cut to what the host takes (FB-21)."""
        words = " ".join((feedback.message or feedback.title).split())
        if feedback.event is Event.APPROVAL_NEEDED:
            words = f"waits for an approval: {words}"
        return words if len(words) <= self.longest else f"{words[: self.longest - 1]}…"


def commit_of(feedback: Feedback) -> str:
    """Return the commit that was rolled out; empty if the source has no commits."""
    if feedback.revision.startswith("path@"):
        return ""
    found = _COMMIT.fullmatch(feedback.revision)
    return (found[1] or found[2]) if found else ""


def repository_of(url: str, host: str) -> str:
    """Return the path of a repository on a host, such as ``team/shop``; empty if it is elsewhere.

    Args:
        url: ``https://HOST/PATH.git``, ``ssh://git@HOST/PATH.git`` or ``git@HOST:PATH.git``.
        host: Whose repositories count; with the port of its pages, if it has one.
    """
    if "://" not in url and (named := re.fullmatch(r"(?:[^@/]+@)?([^:/]+):(?!/)(.+)", url)):
        url = f"ssh://{named[1]}/{named[2]}"
    try:
        parts = urlsplit(url)
        same = parts.hostname == urlsplit(f"//{host}").hostname
    except ValueError:
        return ""
    path = unquote(parts.path).strip("/").removesuffix(".git").strip("/")
    return path if same and path.count("/") >= 1 else ""


def linked(field: str, feedback: Feedback) -> dict[str, str]:
    """Return the page of the run under the name that a host has for it; nothing without one."""
    return {field: feedback.url} if feedback.url else {}


def basic(user: str, token: str) -> dict[str, str]:
    """Return the header of a host that takes a token for a password."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{token}'.encode()).decode()}"}
