"""The git program as a child process that asks nobody, believes no configuration and ends in time.

Before: ``address`` checked what a person wrote. After: a source or a store says what to run.

Every argument is our own constant, a checked address or name, or an object's id. Credentials stand
in the environment of the child alone: not in its arguments, the address or a file.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import urlsplit

from rollwright.errors import NotFound, Unreachable
from rollwright.plugins.git.address import is_loopback

OLDEST = (2, 31)
"""The first git that takes its configuration from the environment."""

MOST_OUTPUT = 64 * 2**20
"""Of one run, where the files that it writes are limited."""
MOST_WORDS = 64 * 2**10
"""Of what it says beside its output."""
TOO_MUCH = "error: File too large"
"""What is said of a run that wrote more."""

_MEMORY = 4 * 2**30  # address space: git maps what it has fetched

_PASSED = (
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSH_AUTH_SOCK",
)  # fmt: skip
_CONFIGURATION = {
    "core.hooksPath": "/dev/null",
    "core.symlinks": "false",
    "core.fsmonitor": "false",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "3000",
    "gc.autoDetach": "false",
    "http.followRedirects": "false",  # a login goes where the address says, nowhere else
    "http.lowSpeedLimit": "1",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "submodule.recurse": "false",
    "transfer.fsckObjects": "true",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where a repository is, who we are there, and how patient.

    Attributes:
        url: A checked address.
        username: Who logs in over HTTPS.
        password: Its password or token; empty for none.
        ssh_key: Private key for ssh; without it the keys of the agent.
        known_hosts: Known hosts for ssh; without it the user's own.
        ca_file: Certificates that the server's is checked with.
        timeout_seconds: After which a run of git is killed.
        configuration: More settings of git, such as a protocol that is allowed.
    """

    url: str
    username: str = "git"
    password: str = field(default="", repr=False)
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    ca_file: Path | None = None
    timeout_seconds: float = 60.0
    configuration: Mapping[str, str] = field(default_factory=dict)

    @property
    def basic(self) -> str:
        """What stands in the header of a login."""
        return b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run of git ended."""

    code: int
    out: bytes
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GitProgram:
    """Runs git in one bare repository.

    Attributes:
        folder: The repository.
        environment: Of the child, whole.
        timeout_seconds: After which a child is killed.
        hidden: Texts that no message may show.
        kept_open: A file that the children keep open: what it locks is locked until they end.
        limit_bytes: How large a file they may write; 0 for any.
    """

    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    timeout_seconds: float
    hidden: tuple[str, ...] = field(default=(), repr=False)
    kept_open: tuple[int, ...] = ()
    limit_bytes: int = 0

    def run(
        self, *arguments: str, feed: bytes = b"", more: Mapping[str, str] | None = None
    ) -> Ended:
        """Run to the end.

        Args:
            arguments: Of git, after the repository.
            feed: Its standard input.
            more: Variables beside those of the environment.

        Raises:
            Unreachable: It took too long and was killed.
        """
        command = (program(), "--git-dir", str(self.folder), *arguments)
        # Files, not pipes: what a server sends may be endless, and a file has a limit.
        with TemporaryFile() as out, TemporaryFile() as err:
            with subprocess.Popen(  # noqa: S603  (constants, ids and a checked address; no shell)
                (*_limited(self.limit_bytes), *command),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env={**self.environment, **(more or {})},
                cwd=self.folder,
                pass_fds=self.kept_open,
                start_new_session=True,  # killed with its helpers; a Ctrl-C leaves it its last step
            ) as child:
                try:
                    child.communicate(feed, timeout=self.timeout_seconds)
                except BaseException as error:
                    _kill(child)
                    if isinstance(error, subprocess.TimeoutExpired):
                        raise self._too_slow(_verb(arguments)) from error
                    raise
            return self._ended(child.returncode, out, err)

    def _ended(self, code: int, out: IO[bytes], err: IO[bytes]) -> Ended:
        err.seek(0)
        said = self._shown(err.read(MOST_WORDS))
        size = out.seek(0, os.SEEK_END)
        if code == -signal.SIGXFSZ or (self.limit_bytes and size > MOST_OUTPUT):
            return Ended(code=code or 1, out=b"", err=f"{TOO_MUCH}; {said}")
        out.seek(0)
        return Ended(code=code, out=out.read(), err=said)

    def _too_slow(self, verb: str) -> Unreachable:
        return Unreachable(
            f"git {verb}: no end after {self.timeout_seconds:g} s",
            hint="look at the server and the way to it; or allow more time",
        )

    def _shown(self, err: bytes) -> str:
        text = err.decode(errors="replace")
        for one in self.hidden:
            text = text.replace(one, "***")
        return text


def _verb(arguments: Sequence[str]) -> str:
    return next(one for one in arguments if not one.startswith("-") and "=" not in one)


def _limited(limit_bytes: int) -> tuple[str, ...]:
    """Return a command before the command, which bounds the files that it writes."""
    if not limit_bytes:
        return ()
    # The words after are arguments of the shell's own constant script, never text of it.
    files = f"ulimit -f {limit_bytes // 512}"
    memory = f"ulimit -v {(_MEMORY + 2 * limit_bytes) // 1024} 2>/dev/null"
    script = f'{files} && {{ {memory} || :; }} && exec "$@"'
    return ("/bin/sh", "-c", script, "git")


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


@cache
def program() -> str:
    """Return the path of git.

    Raises:
        NotFound: There is none, or it is too old.
    """
    path = shutil.which("git")
    oldest = ".".join(map(str, OLDEST))
    if path is None:
        raise NotFound("no git on PATH", hint=f"install git {oldest} or newer")
    shown = subprocess.run(  # noqa: S603  (the program that PATH names, one constant)
        (path, "--version"), capture_output=True, text=True, check=False, timeout=30
    ).stdout
    found = re.search(r"(\d+)\.(\d+)", shown)
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        raise NotFound(
            f"{path} is {shown.strip() or 'not git'}, expected {oldest} or newer",
            hint=f"install git {oldest} or newer",
        )
    return path


def git_program(
    login: Login, folder: Path, *, kept_open: tuple[int, ...] = (), limit_bytes: int = 0
) -> GitProgram:
    """Return git for one repository, with the credentials as they are now."""
    configuration = dict(_configuration(login))
    if login.password:
        header = f"Authorization: Basic {login.basic}"
        configuration[f"http.{_origin(login.url)}/.extraHeader"] = header
    return GitProgram(
        folder=folder,
        environment=_environment(login, configuration, folder),
        timeout_seconds=login.timeout_seconds,
        hidden=(login.password, login.basic) if login.password else (),
        kept_open=kept_open,
        limit_bytes=limit_bytes,
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _configuration(login: Login) -> Iterator[tuple[str, str]]:
    yield from _CONFIGURATION.items()
    yield "http.lowSpeedTime", str(max(1, int(login.timeout_seconds)))
    if is_loopback(login.url):
        yield "protocol.http.allow", "always"
    if login.ca_file:
        yield "http.sslCAInfo", str(login.ca_file.expanduser())
    yield from login.configuration.items()


def _environment(login: Login, configuration: Mapping[str, str], home: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    pairs = {"GIT_CONFIG_COUNT": str(len(configuration))}
    for number, (name, value) in enumerate(configuration.items()):
        pairs |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return {
        **passed,
        **pairs,
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),  # no .netrc, no .gitconfig
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_DEFAULT_HASH": "sha1",  # whatever a later git takes by itself
        "GIT_DEFAULT_REF_FORMAT": "files",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_SSH_COMMAND": _ssh(login),
        "GIT_SSH_VARIANT": "ssh",
    }


def _ssh(login: Login) -> str:
    words: list[str] = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes"]
    words += ["-o", "StrictHostKeyChecking=yes"]
    words += ["-o", f"ConnectTimeout={max(1, int(login.timeout_seconds))}"]
    if login.ssh_key:
        words += ["-o", "IdentitiesOnly=yes", "-i", str(login.ssh_key.expanduser().absolute())]
    if login.known_hosts:
        path = login.known_hosts.expanduser().absolute()
        words += ["-o", f'UserKnownHostsFile="{path}"']
    return _quoted(words)


def _quoted(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))
