"""A git repository that rollouts are fetched from."""

from __future__ import annotations

from typing import Literal

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from rollwright.blocks.options import DOCUMENTATION, Use, options_of
from rollwright.blocks.secret import SecretReference


class GitSource(Block):
    """A git repository, a ref in it, and references to the credentials it asks for.

    Example:
        Load a source:

        ```python
        from rollwright.blocks import GitSource

        source = GitSource.load("BLOCK_NAME")
        ```

        Use it in a rollout:

        ```yaml
        source: {block: rollwright-git-source/BLOCK_NAME}
        ```
    """

    _block_type_slug = "rollwright-git-source"
    _block_type_name = "Rollwright git source"
    _documentation_url = HttpUrl(f"{DOCUMENTATION}#git-source")

    kind: Literal["git-source"] = Field(
        default="git-source", description="Tells blocks of a union apart."
    )
    url: str = Field(
        default="", description="Repository: https://HOST/PATH or ssh://USER@HOST/PATH."
    )
    ref: str = Field(default="", description="Branch, tag or commit; empty for the default branch.")
    path: str = Field(default="", description="Folder in the repository; empty for its root.")
    username: str = Field(default="", description="Who logs in over HTTPS.")
    token: SecretReference | None = Field(
        default=None, description="Where the token or password is read from."
    )
    ssh_key: str = Field(default="", description="Absolute path of the private key for ssh://.")
    known_hosts: str = Field(default="", description="Absolute path of the known hosts for ssh://.")
    ca_file: str = Field(
        default="",
        description="Absolute path of the certificates that the server's is checked with.",
    )

    def as_source(self) -> Use:
        """Return the source that it stands for."""
        options = options_of(self, "url", "ref", "path")
        access = options_of(self, "username", "token", "ssh_key", "known_hosts", "ca_file")
        return "git", {**options, "credentials": access} if access else options
