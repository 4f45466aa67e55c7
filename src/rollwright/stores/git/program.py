"""The git program as a child process that asks nobody, believes no configuration and ends in time.

Before: ``options`` checked what a person wrote. After: ``cache`` says what to run.

Every argument is our own constant, a checked address or an object's id. Credentials stand in the
environment of the child alone: not in its arguments, the address or a file.
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
from urllib.parse import urlsplit

from rollwright.errors import NotFound, Unreachable
from rollwright.plugins.secret_refs import read_secret
from rollwright.stores.git.options import GitOptions, is_loopback

OLDEST = (2, 31)
"""The first git that takes its configuration from the environment."""

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
    """

    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    timeout_seconds: float
    hidden: tuple[str, ...] = field(default=(), repr=False)
    kept_open: tuple[int, ...] = ()

    def run(self, *arguments: str, feed: bytes = b"") -> Ended:
        """Run to the end.

        Raises:
            Unreachable: It took too long and was killed.
        """
        command = (program(), "--git-dir", str(self.folder), *arguments)
        with subprocess.Popen(  # noqa: S603  (constants, ids and a checked address; no shell)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            cwd=self.folder,
            pass_fds=self.kept_open,
            start_new_session=True,  # killed with its helpers; a Ctrl-C leaves it its last step
        ) as child:
            try:
                out, err = child.communicate(feed, timeout=self.timeout_seconds)
            except BaseException as error:
                _kill(child)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise self._too_slow(arguments[0]) from error
                raise
        return Ended(code=child.returncode, out=out, err=self._shown(err))

    def _too_slow(self, verb: str) -> Unreachable:
        return Unreachable(
            f"git {verb}: no end after {self.timeout_seconds:g} s",
            hint="look at the server and the way to it; or raise `timeoutSeconds` of the store",
        )

    def _shown(self, err: bytes) -> str:
        text = err.decode(errors="replace")
        for one in self.hidden:
            text = text.replace(one, "***")
        return text


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
        raise NotFound("git store: no git on PATH", hint=f"install git {oldest} or newer")
    shown = subprocess.run(  # noqa: S603  (the program that PATH names, one constant)
        (path, "--version"), capture_output=True, text=True, check=False, timeout=30
    ).stdout
    found = re.search(r"(\d+)\.(\d+)", shown)
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        raise NotFound(
            f"git store: {path} is {shown.strip() or 'not git'}, expected {oldest} or newer",
            hint=f"install git {oldest} or newer",
        )
    return path


def make_program(options: GitOptions, folder: Path, lock: int) -> GitProgram:
    """Return git for one repository, with the credentials as they are now.

    Raises:
        NotFound: A secret that the options name is not there.
    """
    password = read_secret(options.password, "git store: `password`") if options.password else ""
    basic = b64encode(f"{options.username}:{password}".encode()).decode()
    configuration = dict(_configuration(options))
    if password:
        configuration[f"http.{_origin(options.url)}/.extraHeader"] = f"Authorization: Basic {basic}"
    return GitProgram(
        folder=folder,
        environment=_environment(options, configuration, folder),
        timeout_seconds=options.timeout_seconds,
        hidden=(password, basic) if password else (),
        kept_open=(lock,),
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _configuration(options: GitOptions) -> Iterator[tuple[str, str]]:
    yield from _CONFIGURATION.items()
    yield "http.lowSpeedTime", str(max(1, int(options.timeout_seconds)))
    if is_loopback(options.url):
        yield "protocol.http.allow", "always"
    if options.ca_file:
        yield "http.sslCAInfo", str(options.ca_file.expanduser())


def _environment(
    options: GitOptions, configuration: Mapping[str, str], home: Path
) -> dict[str, str]:
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
        "GIT_SSH_COMMAND": _ssh(options),
        "GIT_SSH_VARIANT": "ssh",
    }


def _ssh(options: GitOptions) -> str:
    words: list[str] = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes"]
    words += ["-o", "StrictHostKeyChecking=yes"]
    words += ["-o", f"ConnectTimeout={max(1, int(options.timeout_seconds))}"]
    if options.ssh_key:
        words += ["-o", "IdentitiesOnly=yes", "-i", str(options.ssh_key.expanduser().absolute())]
    if options.known_hosts:
        path = options.known_hosts.expanduser().absolute()
        words += ["-o", f'UserKnownHostsFile="{path}"']
    return _quoted(words)


def _quoted(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))
