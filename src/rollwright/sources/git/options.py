"""What a document may say of a git source, and what is refused before git sees it.

Before: a Rollout names the source. After: ``source`` fetches with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from rollwright.plugins.git.address import Username, check_url, is_ref_name
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret
from rollwright.rollouts.spec.durations import Duration
from rollwright.sources.git.refs import is_commit, is_full

_LONGEST = 4096


def _check_url(url: str) -> str:
    if len(url) > _LONGEST:
        raise ValueError("an address is shorter")
    return _check_file(url) if url.startswith("file:") else check_url(url)


def _check_file(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("not an address") from None
    odd = parts.netloc or parts.query or parts.fragment or not parts.path.startswith("/")
    if odd or ".." in PurePosixPath(parts.path).parts or not url.isprintable() or "%" in url:
        raise ValueError("expected file:///FOLDER, an absolute path without '..'")
    return url


def _check_ref(ref: str) -> str:
    if ref == "HEAD":
        raise ValueError("leave `ref` out for the default branch")
    if is_commit(ref):
        return ref
    if not is_ref_name(ref) or len(ref) > _LONGEST:
        raise ValueError(
            "not the name of a branch or tag: letters, digits and ._-/, a letter first"
        )
    if ref.startswith("refs/") and not is_full(ref):
        raise ValueError("expected refs/heads/NAME or refs/tags/NAME")
    return ref


def _check_path(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not path.isprintable() or "\\" in path:
        raise ValueError("expected a folder inside the repository, relative to its top")
    if any(part.lower() == ".git" for part in pure.parts):
        raise ValueError("no folder of the repository may be called .git")
    return "" if str(pure) == "." else str(pure)


def _read_file(value: Any) -> Any:
    """Take a path for ``{file: PATH}``."""
    return {"file": value} if isinstance(value, str | Path) else value


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "rollwright" / "git-sources"


class NamedFile(BaseModel):
    """A file, by its path; relative to the document."""

    model_config = OPTIONS

    file: str = Field(min_length=1, description="Path of the file.")

    def at(self, base: Path) -> Path:
        """Return where it is."""
        return base.absolute() / Path(self.file).expanduser()


class KnownHosts(BaseModel):
    """Keys of servers, as OpenSSH writes them into ``known_hosts``."""

    model_config = OPTIONS

    file: str = Field(default="", description="Path of the file, relative to the document.")
    text: str = Field(default="", max_length=65_536, description="The lines themselves.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.file) == bool(self.text.strip()):
            raise ValueError("give file or text, one of them")
        return self


class Credentials(BaseModel):
    """Who we are at the server, and who the server must be; never a secret itself."""

    model_config = OPTIONS

    token: NamedSecret | None = Field(
        default=None,
        description="Token or password for https: `{env: NAME}`, `{file: PATH}` or a block.",
    )
    username: Username = Field(default="git", description="Who logs in with it.")
    ssh_key: Annotated[NamedFile, BeforeValidator(_read_file)] | None = Field(
        default=None, description="Private key for ssh; without it the keys of the agent."
    )
    known_hosts: Annotated[KnownHosts, BeforeValidator(_read_file)] | None = Field(
        default=None, description="Known hosts for ssh; without it the user's own."
    )
    ca_file: Annotated[NamedFile, BeforeValidator(_read_file)] | None = Field(
        default=None, description="Certificates that an https server's is checked with (PEM)."
    )


class Signatures(BaseModel):
    """Who must have signed the commit."""

    model_config = OPTIONS

    ssh_allowed_signers: Annotated[NamedFile, BeforeValidator(_read_file)] | None = Field(
        default=None, description="Allowed signers, as ssh-keygen reads them."
    )
    gpg_keys: tuple[Annotated[NamedFile, BeforeValidator(_read_file)], ...] = Field(
        default=(), description="Public keys of those who may sign (armored or binary)."
    )

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.ssh_allowed_signers is None and not self.gpg_keys:
            raise ValueError("name sshAllowedSigners or gpgKeys, or leave verify out")
        return self


class GitOptions(BaseModel):
    """The options of the git source."""

    model_config = OPTIONS

    url: Annotated[str, AfterValidator(_check_url)] = Field(
        description="Repository: https://HOST/PATH or ssh://USER@HOST/PATH; file:///FOLDER only"
        " where the site allows it."
    )
    ref: Annotated[str, AfterValidator(_check_ref)] | None = Field(
        default=None,
        description="Branch, tag, refs/heads/NAME, refs/tags/NAME, or a whole commit id. Default:"
        " the server's default branch.",
    )
    path: Annotated[str, AfterValidator(_check_path)] = Field(
        default="", description="Folder of the rollout in the repository. Default: its top."
    )
    credentials: Credentials = Field(default=Credentials(), description="Who we are at the server.")
    depth: int = Field(
        default=1, ge=0, description="How many commits are fetched; 0 for the whole history."
    )
    max_bytes: int = Field(
        default=512 * 2**20, ge=1, description="How large the files of a commit may be together."
    )
    verify: Signatures | None = Field(
        default=None, description="Who must have signed the commit; without it anybody."
    )
    timeout: Duration = Field(
        default=timedelta(minutes=2), description="How long one request to the server may take."
    )
    cache: Path = Field(
        default_factory=_default_cache,
        description="Folder of the copies. Default: rollwright/git-sources in $XDG_CACHE_HOME.",
    )

    @model_validator(mode="before")
    @classmethod
    def _nothing_for_nothing(cls, data: Any) -> Any:
        # An empty ref or path means what a missing one means.
        if not isinstance(data, Mapping):
            return data
        return {key: one for key, one in data.items() if key != "ref" or one != ""}

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if self.timeout < timedelta(milliseconds=100):
            raise ValueError("timeout: at least 100ms")
        return self
