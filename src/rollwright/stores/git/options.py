"""What a person may write as options of the git store, and what is refused before git sees it.

Before: ``site.toml`` names the store. After: ``program`` makes an environment of it.

Text of a document never becomes an option of the git program, a transport that runs commands, or
a name outside the branch and the folder that were named.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from rollwright.plugins.git.address import Url, Username, is_ref_name
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret
from rollwright.stores.git.commit import Person, parse_person

_FOLDER = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)
_AUTHOR = re.compile(r"[^<>\x00-\x1f]*[^<>\s\x00-\x1f] <[^<>\s\x00-\x1f]+>")


def _check_branch(name: str) -> str:
    if not is_ref_name(name):
        raise ValueError("not the name of a branch: letters, digits and ._-/, a letter first")
    return name


def _check_path(path: str) -> str:
    parts = [part for part in path.strip("/").split("/") if part]
    if any(not _FOLDER.fullmatch(part) or part.lower() == ".git" for part in parts):
        raise ValueError("not a folder inside the repository: letters, digits and ._-")
    return "/".join(parts)


def _check_author(text: str) -> str:
    if not _AUTHOR.fullmatch(text):
        raise ValueError("expected 'Name <address>'")
    return text


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "rollwright" / "git"


def _expanded(path: Path) -> Path:
    return path.expanduser().absolute()


Branch = Annotated[str, AfterValidator(_check_branch)]
Prefix = Annotated[str, AfterValidator(_check_path)]
AuthorText = Annotated[str, AfterValidator(_check_author)]


class GitOptions(BaseModel):
    """The options of the git store."""

    model_config = OPTIONS

    url: Url = Field(description="Repository: https://HOST/PATH or ssh://USER@HOST/PATH.")
    branch: Branch = Field(
        default="rollwright", description="Branch of the states; made by the first save."
    )
    path: Prefix = Field(default="", description="Folder in the branch; empty for its root.")
    username: Username = Field(default="git", description="Who logs in over HTTPS.")
    password: NamedSecret | None = Field(
        default=None,
        description="Password or token of the user: `{env: NAME}` or `{file: PATH}`.",
    )
    ssh_key: Path | None = Field(
        default=None, description="Private key for ssh://; without it the keys of the agent."
    )
    known_hosts: Path | None = Field(
        default=None, description="Known hosts for ssh://; without it the user's own."
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates that the server's is checked with (PEM)."
    )
    key: NamedSecret | None = Field(
        default=None,
        description="Long random text that snapshots and the installation's key are sealed with:"
        " `{env: NAME}` or `{file: PATH}`. Without it neither is kept.",
    )
    former_keys: tuple[NamedSecret, ...] = Field(
        default=(), description="Keys of before, to open what they sealed."
    )
    author: AuthorText = Field(
        default="Rollwright <rollwright@localhost>",
        description="Committer, and author where nobody is known to have asked.",
    )
    cache: Annotated[Path, AfterValidator(_expanded)] = Field(
        default_factory=_default_cache,
        validate_default=True,
        description="Folder of the local copies. Default: rollwright/git in $XDG_CACHE_HOME.",
    )
    timeout_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="How long one request to the server may take."
    )

    @property
    def committer(self) -> Person:
        """Who carries out every change."""
        return parse_person(self.author)
