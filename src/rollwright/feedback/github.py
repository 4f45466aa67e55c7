"""``github``: the status of the commit that was rolled out (FB-20, FB-21).

Before: a run planned, began or ended. After: GitHub shows it at the commit and its pull requests.
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
from rollwright.plugins.http_calls import Address, Call, header_secret
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret
from rollwright.rollouts.feedback import Event, Feedback
from rollwright.rollouts.spec.durations import Duration

DESCRIPTION = 140
"""Characters that GitHub takes."""

_API, _HOST = "https://api.github.com", "github.com"


class GitHub(BaseModel):
    """Sets the status of a commit on GitHub, or on a GitHub Enterprise server."""

    model_config = OPTIONS

    usual_events: ClassVar[frozenset[Event]] = USUAL

    token: NamedSecret = Field(
        description="A token that may write statuses: {env: NAME} or {file: PATH}."
    )
    repository: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)?$",
        description="OWNER/NAME; without it that of the rollout's git source.",
    )
    api: Address = Field(
        default=_API,
        description="Address of the API; of GitHub Enterprise https://HOST/api/v3.",
    )
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
        """Return the state; empty where no commit of GitHub was rolled out."""
        if not (commit_of(feedback) and self._repository(feedback)):
            return ""
        state = state_of(feedback)
        waits = feedback.event is Event.APPROVAL_NEEDED
        return f"{state} (waits for an approval)" if waits else state

    async def tell(self, feedback: Feedback) -> None:
        """Set it; what is about no commit of GitHub is left alone."""
        if not self.shows(feedback):
            return
        secrets: set[str] = set()
        token = await asyncio.to_thread(header_secret, "Authorization", self.token, secrets)
        body = {
            "state": state_of(feedback),
            "description": description_of(feedback, DESCRIPTION),
            "context": name_of(self.name, feedback),
            **({"target_url": feedback.url} if feedback.url else {}),
        }
        path = f"repos/{self._repository(feedback)}/statuses/{commit_of(feedback)}"
        call = Call(
            method="POST",
            url=f"{self.api.rstrip('/')}/{quote(path)}",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "User-Agent": "rollwright",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            body=orjson.dumps(body),
        )
        where = f"GitHub status of {path}"
        answer = await post(call, where=where, limit=self.timeout, secrets=secrets)
        refuse_unless_good(answer, where=where, secrets=secrets)

    def _repository(self, feedback: Feedback) -> str:
        host = _HOST if self.api.rstrip("/") == _API else urlsplit(self.api).netloc
        return self.repository or repository_of(feedback.repository, host)
