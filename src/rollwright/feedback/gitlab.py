"""``gitlab``: the status of the commit that was rolled out (FB-20, FB-21).

Before: a run planned, began or ended. After: GitLab shows it at the commit and its merge requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from pydantic import Field

from rollwright.feedback.commits import CommitStatus, commit_of, linked, repository_of
from rollwright.plugins.http_calls import Address, Answer
from rollwright.rollouts.feedback import Feedback


class GitLab(CommitStatus):
    """Sets the status of a commit on GitLab."""

    host: ClassVar[str] = "GitLab"
    states: ClassVar[Mapping[str, str]] = {
        "pending": "pending", "success": "success", "failure": "failed", "error": "failed",
        "cancelled": "canceled",
    }  # fmt: skip

    project: str = Field(
        default="",
        pattern=r"^[^\s?#]*$",
        description="GROUP/NAME or the number of the project; without it that of the rollout's"
        " git source.",
    )
    url: Address = Field(default="https://gitlab.com", description="Address of the server.")

    def place(self, feedback: Feedback) -> str:
        """Return the project; a server may lie below a path of its host."""
        base = urlsplit(self.url)
        found = repository_of(feedback.repository, base.netloc)
        below = f"{base.path.strip('/')}/".lstrip("/")
        return self.project or found.removeprefix(below)

    def address(self, feedback: Feedback) -> str:
        """Return where the status is set."""
        project = quote(self.place(feedback), safe="")
        path = f"api/v4/projects/{project}/statuses/{commit_of(feedback)}"
        return f"{self.url.rstrip('/')}/{path}"

    def headers(self, token: str) -> dict[str, str]:
        """Return how it knows us."""
        return {"PRIVATE-TOKEN": token}

    def body(self, feedback: Feedback, state: str) -> dict[str, Any]:
        """Return what is sent."""
        return {
            "state": state,
            "name": self.title(feedback),
            "description": self.description(feedback),
            **linked("target_url", feedback),
        }

    def is_shown(self, answer: Answer) -> bool:
        """Whether GitLab only says that the commit has that status: no fault for us."""
        return answer.status == 400 and "cannot transition status" in answer.text.lower()
