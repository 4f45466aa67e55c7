"""``github``: the status of the commit that was rolled out (FB-20, FB-21).

Before: a run planned, began or ended. After: GitHub shows it at the commit and its pull requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from pydantic import Field

from rollwright.feedback.commits import CommitStatus, commit_of, linked, repository_of
from rollwright.plugins.http_calls import Address
from rollwright.rollouts.feedback import Feedback


class GitHub(CommitStatus):
    """Sets the status of a commit on GitHub, or on a GitHub Enterprise server."""

    host: ClassVar[str] = "GitHub"
    longest: ClassVar[int] = 140
    states: ClassVar[Mapping[str, str]] = {
        "pending": "pending", "success": "success", "failure": "failure", "error": "error",
        "cancelled": "error",
    }  # fmt: skip

    repository: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)?$",
        description="OWNER/NAME; without it that of the rollout's git source.",
    )
    api: Address = Field(
        default="https://api.github.com",
        description="Address of the API; of GitHub Enterprise https://HOST/api/v3.",
    )

    def place(self, feedback: Feedback) -> str:
        """Return OWNER/NAME."""
        host = urlsplit(self.api).netloc.removeprefix("api.")
        return self.repository or repository_of(feedback.repository, host)

    def address(self, feedback: Feedback) -> str:
        """Return where the status is set."""
        path = f"repos/{self.place(feedback)}/statuses/{commit_of(feedback)}"
        return f"{self.api.rstrip('/')}/{quote(path)}"

    def headers(self, token: str) -> dict[str, str]:
        """Return how it knows us, and in which version it is spoken to."""
        return {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def body(self, feedback: Feedback, state: str) -> dict[str, Any]:
        """Return what is sent."""
        return {
            "state": state,
            "description": self.description(feedback),
            "context": self.title(feedback),
            **linked("target_url", feedback),
        }
