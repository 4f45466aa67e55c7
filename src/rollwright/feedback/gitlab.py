"""``gitlab``: the status of the commit that was rolled out (FB-20, FB-21).

Before: a run planned, began or ended. After: GitLab shows it at the commit and its merge requests.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import ClassVar
from urllib.parse import quote, urlsplit

import orjson
from pydantic import BaseModel, Field

from rollwright.feedback.commits import (
    USUAL,
    commit_of,
    description_of,
    name_of,
    repository_of,
    state_of,
)
from rollwright.feedback.posting import post, refuse_unless_good
from rollwright.plugins.http_calls import Address, Answer, Call, header_secret
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret
from rollwright.rollouts.feedback import Event, Feedback, Reason
from rollwright.rollouts.spec.durations import Duration

DESCRIPTION = 255
"""Characters that GitLab takes."""

_STATES = {"pending": "pending", "success": "success", "failure": "failed", "error": "failed"}
_GIVEN_UP = frozenset({Reason.CANCELLED, Reason.SUPERSEDED})


class GitLab(BaseModel):
    """Sets the status of a commit on GitLab."""

    model_config = OPTIONS

    usual_events: ClassVar[frozenset[Event]] = USUAL

    token: NamedSecret = Field(
        description="A token with the scope api: {env: NAME} or {file: PATH}."
    )
    project: str = Field(
        default="",
        pattern=r"^[^\s?#]*$",
        description="GROUP/NAME or the number of the project; without it that of the rollout's"
        " git source.",
    )
    url: Address = Field(default="https://gitlab.com", description="Address of the server.")
    name: str = Field(
        default="rollwright/{rollout}",
        min_length=1,
        max_length=200,
        description="What the status is called; may hold {rollout} and {cluster}.",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=5),
        description="How long an answer may take.",
        json_schema_extra={"default": "5s"},
    )

    def shows(self, feedback: Feedback) -> str:
        """Return the state; empty where no commit of GitLab was rolled out."""
        if not (commit_of(feedback) and self._project(feedback)):
            return ""
        state = self._state(feedback)
        waits = feedback.event is Event.APPROVAL_NEEDED
        return f"{state} (waits for an approval)" if waits else state

    async def tell(self, feedback: Feedback) -> None:
        """Set it; what is about no commit of GitLab is left alone."""
        if not self.shows(feedback):
            return
        secrets: set[str] = set()
        token = await asyncio.to_thread(header_secret, "PRIVATE-TOKEN", self.token, secrets)
        project, commit = self._project(feedback), commit_of(feedback)
        body = {
            "state": self._state(feedback),
            "name": name_of(self.name, feedback),
            "description": description_of(feedback, DESCRIPTION),
            **({"target_url": feedback.url} if feedback.url else {}),
        }
        path = f"api/v4/projects/{quote(project, safe='')}/statuses/{commit}"
        call = Call(
            method="POST",
            url=f"{self.url.rstrip('/')}/{path}",
            headers={
                "PRIVATE-TOKEN": token,
                "Content-Type": "application/json",
                "User-Agent": "rollwright",
            },
            body=orjson.dumps(body),
        )
        where = f"GitLab status of {project} at {commit}"
        answer = await post(call, where=where, limit=self.timeout, secrets=secrets)
        if not _is_there_already(answer):
            refuse_unless_good(answer, where=where, secrets=secrets)

    def _state(self, feedback: Feedback) -> str:
        if feedback.reason in _GIVEN_UP:
            return "canceled"
        return _STATES.get(state_of(feedback), "")

    def _project(self, feedback: Feedback) -> str:
        return self.project or repository_of(feedback.repository, urlsplit(self.url).netloc)


def _is_there_already(answer: Answer) -> bool:
    """Whether GitLab only says that the commit has that status: no fault for us."""
    return answer.status == 400 and "cannot transition status" in answer.text.lower()
