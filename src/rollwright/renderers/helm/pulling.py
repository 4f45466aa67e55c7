"""Fetching a chart by helm, before anything is rendered: the only step with a network.

Credentials stand in helm's own files of configuration, in a folder that nobody else may read
and that vanishes with the step; never in an argument or the environment.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from rollwright.documents import dump
from rollwright.errors import RenderError
from rollwright.renderers import child
from rollwright.renderers.helm import archives
from rollwright.renderers.helm.archives import Archive
from rollwright.renderers.helm.chart import check_archive
from rollwright.renderers.helm.messages import Cleaner
from rollwright.renderers.helm.program import Program
from rollwright.renderers.helm.remote import Credentials, Remote

MAX_DOWNLOAD = 100 * 2**20
_REPOSITORY = "repository"
_PASSED_ON = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")
_NO_ANSWER = re.compile(r"connection refused|i/o timeout|no such host|\bEOF\b|\b50[234]\b")
_WHO = "set username and password: {env: NAME} or {file: PATH}"
_HINTS: Mapping[str, str] = {
    "401": _WHO,
    "basic credential not found": _WHO,
    "403": "the credentials may not read this chart",
    "server gave HTTP response to HTTPS client": "set plainHttp: true",
    "certificate": "set caFile to the authority's certificates in the source",
}


async def pull(
    remote: Remote, credentials: Credentials, helm: Program, limit: timedelta
) -> Archive:
    """Return the archive of a chart, from the cache or from elsewhere.

    Raises:
        RenderError: It cannot be had, or is not what was asked for.
    """
    found = await asyncio.to_thread(archives.find, remote)
    if found is not None:
        return found
    with tempfile.TemporaryDirectory(prefix="rollwright-helm-") as folder:
        fetching = _Fetching(remote, credentials, helm, Path(folder))
        await asyncio.to_thread(fetching.prepare)
        try:
            await fetching.run(limit)
        except RenderError as error:
            raise _not_had(remote, error) from error
        return await asyncio.to_thread(_checked, remote, fetching.target)


class _Fetching:
    """One fetch, in a folder of its own."""

    def __init__(
        self, remote: Remote, credentials: Credentials, helm: Program, folder: Path
    ) -> None:
        self._remote, self._credentials, self._helm = remote, credentials, helm
        # NB: helm names real paths in what it says.
        self._folder = folder = folder.resolve()
        self.target = folder / "chart"

    def prepare(self) -> None:
        """Write helm's files of configuration."""
        self.target.mkdir()
        if self._remote.repo:
            self._write("repositories.yaml", dump({"repositories": [self._entry()]}).encode())
        elif self._credentials.username:
            self._write("registry.json", orjson.dumps({"auths": {self._address: self._auth()}}))

    async def run(self, limit: timedelta) -> None:
        """Fetch the chart; of a repository the index first."""
        options = (f"--version={self._remote.version}", f"--destination={self.target}")
        if self._remote.repo:
            await self._helm_run(limit, "repo", "update", _REPOSITORY)
            name = f"{_REPOSITORY}/{self._remote.chart}"
            # NB: helm takes this from the repository's entry for the index only.
            taken = ("--insecure-skip-tls-verify",) if self._remote.insecure else ()
            await self._helm_run(limit, "pull", name, *options, *taken)
        else:
            name = self._remote.chart
            await self._helm_run(limit, "pull", name, *options, *self._transport())

    def _entry(self) -> Mapping[str, object]:
        remote, credentials = self._remote, self._credentials
        return {
            "name": _REPOSITORY,
            "url": remote.repo,
            "username": credentials.username,
            "password": credentials.password,
            "caFile": str(remote.ca_file or ""),
            "insecure_skip_tls_verify": remote.insecure,
        }

    def _auth(self) -> Mapping[str, str]:
        both = f"{self._credentials.username}:{self._credentials.password}"
        return {"auth": base64.b64encode(both.encode()).decode()}

    @property
    def _address(self) -> str:
        return urlsplit(self._remote.chart).netloc

    def _transport(self) -> list[str]:
        if self._remote.is_plain:
            return ["--plain-http"]
        options = ["--insecure-skip-tls-verify"] if self._remote.insecure else []
        return [*options, *([f"--ca-file={self._remote.ca_file}"] if self._remote.ca_file else [])]

    async def _helm_run(self, limit: timedelta, *words: str) -> None:
        password = self._credentials.password
        hidden = (password, *([self._auth()["auth"]] if password else ()))
        await child.run(
            child.Child(
                name=f"helm {words[0]}",
                command=(self._helm.path, *words),
                timeout=limit,
                root=self._folder,
                max_output=2**20,
                max_file=MAX_DOWNLOAD,
                environment=self._environment(),
                prints_complaints=words[0] == "repo",
                clean=Cleaner(hidden=tuple(one for one in hidden if one)),
            )
        )

    def _environment(self) -> Mapping[str, str]:
        folder = self._folder
        given = {name: os.environ.get(name, "") for name in _PASSED_ON}
        opened = {"HTTPS_PROXY": "", **{name: text for name, text in given.items() if text}}
        if self._remote.is_plain:
            # NB: otherwise the proxy to nowhere stays, so that no index leads to plain HTTP.
            opened["HTTP_PROXY"] = os.environ.get("HTTP_PROXY") or os.environ.get("http_proxy", "")
        return {
            **opened,
            "HELM_CACHE_HOME": str(folder / "cache"),
            "HELM_CONFIG_HOME": str(folder),
            "HELM_DATA_HOME": str(folder / "data"),
            "HELM_PLUGINS": str(folder / "plugins"),
            "HELM_REPOSITORY_CONFIG": str(folder / "repositories.yaml"),
            "HELM_REGISTRY_CONFIG": str(folder / "registry.json"),
        }

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)


def _checked(remote: Remote, folder: Path) -> Archive:
    """Keep what was fetched, if it is what was asked for."""
    files = [one for one in folder.iterdir() if one.suffix == ".tgz" and one.is_file()]
    if len(files) != 1:
        raise RenderError(f"{remote.title}: helm fetched {len(files)} archives; expected one")
    content = files[0].read_bytes()
    found = check_archive(content, remote.title)
    if found.name != remote.name:
        raise RenderError(f"{remote.title}: the archive holds the chart {found.name!r}")
    if remote.is_exact and found.version.lstrip("v") != remote.version.lstrip("v"):
        raise RenderError(f"{remote.title}: the archive holds version {found.version!r}")
    digest = archives.digest_of(content)
    if remote.digest and digest != remote.digest:
        raise RenderError(
            f"{remote.title}: the archive has the digest {digest}; expected {remote.digest}",
            hint="somebody changed the chart; find out who before you change digest",
        )
    return archives.keep(remote, content)


def _not_had(remote: Remote, error: RenderError) -> RenderError:
    hints = (hint for words, hint in _HINTS.items() if re.search(rf"\b{words}\b", error.message))
    is_silent = _NO_ANSWER.search(error.message) is not None
    hint = next(hints, error.hint)
    return RenderError(f"{remote.title}: {error.message}", hint=hint, retryable=is_silent)
