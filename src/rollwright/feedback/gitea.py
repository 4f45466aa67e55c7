"""``gitea``: the status of the commit that was rolled out, on Gitea or Forgejo (FB-20, FB-21).

Before: a run planned, began or ended. After: the server shows it at the commit.
"""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote, urlsplit

from pydantic import Field

from rollwright.feedback.commits import commit_of, repository_of
from rollwright.feedback.github import GitHub
from rollwright.plugins.http_calls import Address
from rollwright.rollouts.feedback import Feedback


class Gitea(GitHub):
    """Sets the status of a commit on a Gitea or Forgejo server, which speaks as GitHub does."""

    host: ClassVar[str] = "Gitea"
    longest: ClassVar[int] = 255

    api: Address = Field(description="Address of the server, such as https://git.example.")

    def place(self, feedback: Feedback) -> str:
        """Return OWNER/NAME; a server may lie below a path of its host."""
        base = urlsplit(self.api)
        found = repository_of(feedback.repository, base.netloc)
        below = f"{base.path.strip('/')}/".lstrip("/")
        return self.repository or found.removeprefix(below)

    def address(self, feedback: Feedback) -> str:
        """Return where the status is set."""
        path = f"api/v1/repos/{self.place(feedback)}/statuses/{commit_of(feedback)}"
        return f"{self.api.rstrip('/')}/{quote(path)}"

    def headers(self, token: str) -> dict[str, str]:
        """Return how it knows us."""
        return {"Authorization": f"token {token}"}
