"""``bitbucket``: the build status of the commit that was rolled out (FB-20, FB-21).

Before: a run planned, began or ended. After: Bitbucket shows it at the commit and its pull requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from pydantic import Field

from rollwright.feedback.commits import (
    CommitStatus,
    basic,
    commit_of,
    repository_of,
)
from rollwright.plugins.http_calls import Address
from rollwright.rollouts.feedback import Feedback

_CLOUD, _PAGES = "https://api.bitbucket.org", "https://bitbucket.org"
_LONGEST_KEY = 40


class Bitbucket(CommitStatus):
    """Sets the build status of a commit on Bitbucket, in the cloud or on a server."""

    host: ClassVar[str] = "Bitbucket"
    states: ClassVar[Mapping[str, str]] = {
        "pending": "INPROGRESS", "success": "SUCCESSFUL", "failure": "FAILED", "error": "FAILED",
        "cancelled": "FAILED",
    }  # fmt: skip

    repository: str = Field(
        default="",
        pattern=r"^([^/\s?#]+/[^/\s?#]+)?$",
        description="WORKSPACE/NAME; without it that of the rollout's git source.",
    )
    url: Address = Field(
        default=_CLOUD, description="Address of a Bitbucket server; without it the cloud."
    )

    def place(self, feedback: Feedback) -> str:
        """Return WORKSPACE/NAME, or where a server keeps the repository."""
        host = urlsplit(self.url).netloc.removeprefix("api.")
        return self.repository or repository_of(feedback.repository, host)

    def address(self, feedback: Feedback) -> str:
        """Return where the status is set; a server knows commits of all repositories."""
        base, commit = self.url.rstrip("/"), commit_of(feedback)
        if not self._is_cloud:
            return f"{base}/rest/build-status/1.0/commits/{commit}"
        return (
            f"{base}/2.0/repositories/{quote(self.place(feedback))}/commit/{commit}/statuses/build"
        )

    def headers(self, token: str) -> dict[str, str]:
        """Return how it knows us: an access token, or USER:PASSWORD of an application."""
        user, colon, password = token.partition(":")
        return basic(user, password) if colon else super().headers(token)

    def body(self, feedback: Feedback, state: str) -> dict[str, Any]:
        """Return what is sent; Bitbucket wants a link with every status."""
        title = self.title(feedback)
        key = title
        if len(title) > _LONGEST_KEY:
            key = sha256(title.encode()).hexdigest()[:_LONGEST_KEY]
        return {
            "key": key,
            "name": title,
            "state": state,
            "description": self.description(feedback),
            "url": feedback.url or self._page(feedback),
        }

    @property
    def _is_cloud(self) -> bool:
        return self.url.rstrip("/") == _CLOUD

    def _page(self, feedback: Feedback) -> str:
        if not self._is_cloud:
            return self.url
        return f"{_PAGES}/{quote(self.place(feedback))}/commits/{commit_of(feedback)}"
