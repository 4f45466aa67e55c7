"""Coming up and going down: idempotence, repair, crashes, side by side, no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from rollwright import sandbox as sandboxes
from rollwright.errors import SandboxError
from rollwright.sandbox import record as records
from rollwright.sandbox.binaries import find
from rollwright.sandbox.places import EPHEMERAL_PREFIX, Layout, state_folder
from rollwright.sandbox.processes import wait_until
from rollwright.sandbox.record import Phase

pytestmark = pytest.mark.cluster

PATIENCE = timedelta(seconds=60)

OWNER = """\
import sys, time
from pathlib import Path
from rollwright import sandbox
started = sandbox.up("owned", nodes=1, ephemeral=True, assets=Path(sys.argv[1]))
print(started.folder, flush=True)
time.sleep(300)
"""
STARTER = """\
import sys
from pathlib import Path
from rollwright import sandbox
sandbox.up("half", nodes=1, assets=Path(sys.argv[1]), on_progress=lambda t: print(t, flush=True))
"""


@pytest.fixture(scope="module")
def assets() -> Path:
    found = find() or sandboxes.build()
    return found["etcd"].parent


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state folder of this test's own, so that no named sandbox of the user is touched."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    for left in sandboxes.status():
        left.stop()


def up(assets, name="one", **options):
    return sandboxes.up(name, nodes=1, assets=assets, **options)


def are_gone(processes) -> bool:
    return wait_until(lambda: not any(process.is_alive() for process in processes), PATIENCE)


def zombies() -> list[str]:
    """Children of this process that have ended and were not reaped."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended while we looked
            found.append(path.read_text())
    return [stat for stat in found if f") Z {os.getpid()} " in stat]


def test_up_again_returns_the_same_sandbox(assets):
    first = up(assets)

    assert up(assets).record == first.record


def test_down_stops_everything_and_removes_its_folder(assets):
    started = up(assets)

    assert sandboxes.down("one")

    assert are_gone(started.processes)
    assert not started.folder.exists()


def test_down_leaves_no_zombie_to_this_process(assets):
    up(assets).stop()

    assert zombies() == []


def test_a_named_sandbox_outlives_the_process_that_started_it(assets, state):
    subprocess.run(
        [sys.executable, "-c", STARTER, str(assets)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=200,
    )

    assert sandboxes.get("half").is_running


def test_two_sandboxes_run_side_by_side(assets):
    one, two = up(assets, "one"), up(assets, "two")

    one.stop()

    assert two.is_running
    assert are_gone(one.processes)
    assert [found.name for found in sandboxes.status()] == ["two"]


@pytest.mark.parametrize("component", ["etcd", "kube-apiserver", "kwok", "supervisor"])
def test_up_repairs_a_sandbox_of_which_something_was_killed(assets, component):
    broken = up(assets)
    broken.kill(component)
    assert not broken.is_running

    repaired = up(assets)

    assert repaired.is_running
    assert are_gone(broken.processes)


def test_the_kernel_ends_the_components_of_a_killed_supervisor(assets):
    started = up(assets)

    started.process("supervisor").send(signal.SIGKILL)

    assert are_gone(started.processes)


def test_a_killed_component_can_be_revived_with_its_data(assets):
    started = up(assets)
    api = started.api()
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
    api.close()
    for component in ("kube-apiserver", "etcd", "kwok"):
        started.kill(component)

    revived = started.revive()

    api = revived.api()
    kept = api.call("GET", "/api/v1/namespaces/kept")
    api.close()
    assert kept is not None
    assert revived.server == started.server
    assert revived.process("etcd") != started.process("etcd")


def test_an_ephemeral_sandbox_ends_with_its_block(assets):
    with up(assets, ephemeral=True) as started:
        assert started.is_running

    assert are_gone(started.processes)
    assert not started.folder.exists()


def test_an_ephemeral_sandbox_is_not_listed(assets):
    with up(assets, ephemeral=True):
        assert sandboxes.status() == ()


def test_an_ephemeral_sandbox_ends_when_its_process_is_killed(assets, state):
    command = [sys.executable, "-c", OWNER, str(assets)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        folder = Path(owner.stdout.readline().strip())
        record = records.read(Layout(folder).record)
        owner.kill()

    assert record is not None
    assert are_gone(record.processes)
    assert wait_until(lambda: not folder.exists(), PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_start_that_is_interrupted(assets, state, number):
    command = [sys.executable, "-c", STARTER, str(assets)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as starter:
        assert starter.stdout
        assert "starting" in starter.stdout.readline()
        starter.send_signal(number)
    record = records.read(Layout(state_folder("half")).record)

    assert record is not None
    assert are_gone(record.processes)


def test_up_cleans_up_a_half_started_sandbox(assets):
    started = up(assets)
    records.write(Layout(started.folder).record, started.record.in_phase(Phase.STARTING))

    again = up(assets)

    assert again.record.supervisor != started.record.supervisor
    assert are_gone(started.processes)


def test_a_component_that_refuses_its_flags_is_quoted(assets):
    with pytest.raises(
        SandboxError, match=r"kube-apiserver ended with 1: .*unknown flag: --no-such"
    ):
        up(assets, extra_apiserver_args=["--no-such-flag"])


def test_nothing_is_left_of_a_start_that_failed(assets, state):
    with pytest.raises(SandboxError):
        up(assets, ephemeral=True, extra_apiserver_args=["--no-such-flag"])

    assert not list(state.glob(f"{EPHEMERAL_PREFIX}*"))
    assert zombies() == []


def test_extra_flags_reach_the_apiserver(assets):
    started = up(assets, extra_apiserver_args=["--anonymous-auth=false"])

    command = Path(f"/proc/{started.process('kube-apiserver').pid}/cmdline").read_text()
    assert "--anonymous-auth=false" in command.split("\0")
