"""``azure``: the status of the commit that was rolled out, in Azure DevOps (FB-20, FB-21).

Before: a run planned, began or ended. After: Azure Repos shows it at the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from pydantic import Field

from rollwright.errors import Unauthorized
from rollwright.feedback.commits import CommitStatus, basic, commit_of, linked, repository_of
from rollwright.plugins.http_calls import Address, Answer
from rollwright.rollouts.feedback import Feedback

_PARTS = 3


class Azure(CommitStatus):
    """Sets the status of a commit in Azure DevOps, or on an Azure DevOps server."""

    host: ClassVar[str] = "Azure DevOps"
    states: ClassVar[Mapping[str, str]] = {
        "pending": "pending", "success": "succeeded", "failure": "failed", "error": "error",
        "cancelled": "error",
    }  # fmt: skip

    repository: str = Field(
        default="",
        pattern=r"^([^/?#]+/[^/?#]+/[^/?#]+)?$",
        description="ORGANIZATION/PROJECT/NAME; without it that of the rollout's git source.",
    )
    url: Address = Field(default="https://dev.azure.com", description="Address of the server.")

    def place(self, feedback: Feedback) -> str:
        """Return ORGANIZATION/PROJECT/NAME, as addresses for git have it in several ways."""
        if self.repository:
            return self.repository
        host, url = urlsplit(self.url).netloc, feedback.repository
        path = repository_of(url, host) or repository_of(url, f"ssh.{host}").removeprefix("v3/")
        parts = [one for one in path.split("/") if one != "_git"]
        if len(parts) == _PARTS - 1 and "_git" in path:
            parts.append(parts[-1])  # the repository that a project was made with
        return "/".join(parts) if len(parts) == _PARTS else ""

    def address(self, feedback: Feedback) -> str:
        """Return where the status is set."""
        organization, project, name = map(quote, self.place(feedback).split("/"))
        commit = f"repositories/{name}/commits/{commit_of(feedback)}"
        base = f"{self.url.rstrip('/')}/{organization}/{project}"
        return f"{base}/_apis/git/{commit}/statuses?api-version=7.0"

    def headers(self, token: str) -> dict[str, str]:
        """Return how it knows us: a personal access token, which is the password of nobody."""
        return basic("", token)

    def body(self, feedback: Feedback, state: str) -> dict[str, Any]:
        """Return what is sent."""
        genre, _, name = self.title(feedback).rpartition("/")
        return {
            "state": state,
            "description": self.description(feedback),
            "context": {"name": name, **({"genre": genre} if genre else {})},
            **linked("targetUrl", feedback),
        }

    def is_shown(self, answer: Answer) -> bool:
        """Refuse the page to log in, which comes as if all were well."""
        if answer.status == 203:
            words = f"{self.host}: answered 203 with the page to log in"
            raise Unauthorized(words, hint="check the token, and what it may do there")
        return False
