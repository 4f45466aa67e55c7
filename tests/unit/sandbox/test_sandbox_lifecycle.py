"""Finding, judging and removing sandboxes without starting one."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from rollwright import sandbox
from rollwright.errors import NotFound, SandboxError
from rollwright.sandbox import record as records
from rollwright.sandbox.places import Layout, make_private, state_folder
from rollwright.sandbox.record import Phase, Process, Record, boot_id


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


def pretend(name: str, *components: Process, phase: Phase = Phase.RUNNING) -> Record:
    folder = make_private(state_folder(name))
    record = Record(
        name=name,
        phase=phase,
        is_ephemeral=False,
        version="1.36.3",
        boot_id=boot_id(),
        started_at=datetime.now(UTC),
        server="https://127.0.0.1:6443",
        etcd_endpoint="https://127.0.0.1:2379",
        supervisor=components[0]
        if components
        else Process(name="supervisor", pid=1, started_ticks=0),
        components=components,
    )
    records.write(Layout(folder).record, record)
    return record


def me(name: str = "etcd") -> Process:
    return Process.of(name, os.getpid())


def test_there_is_no_sandbox_at_first():
    assert sandbox.status() == ()


def test_status_lists_running_and_broken_ones_by_name():
    pretend("beta", me())
    pretend("alpha")

    assert [(found.name, found.is_running) for found in sandbox.status()] == [
        ("alpha", False),
        ("beta", True),
    ]


def test_status_passes_over_folders_without_a_record():
    make_private(state_folder("torn"))

    assert sandbox.status() == ()


def test_a_running_sandbox_is_found():
    pretend("demo", me())

    assert sandbox.kubeconfig("demo") == state_folder("demo") / "kubeconfig"


def test_up_returns_the_one_that_runs_and_needs_no_programs(tmp_path):
    record = pretend("demo", me())

    assert sandbox.up("demo", assets=tmp_path / "absent").record == record


def test_an_absent_sandbox_is_not_found():
    with pytest.raises(NotFound, match="'demo': not there") as error:
        sandbox.kubeconfig("demo")

    assert error.value.hint == "rollwright sandbox up --name demo"


def test_the_hint_for_the_default_is_short():
    with pytest.raises(NotFound) as error:
        sandbox.get()

    assert error.value.hint == "rollwright sandbox up"


def test_a_broken_sandbox_is_not_found_and_says_what_died():
    pretend("demo", Process(name="kube-scheduler", pid=os.getpid(), started_ticks=1))

    with pytest.raises(NotFound, match=r"does not run .*kube-scheduler"):
        sandbox.get("demo")


def test_a_half_started_sandbox_is_not_found():
    pretend("demo", me(), phase=Phase.STARTING)

    with pytest.raises(NotFound, match="not started fully"):
        sandbox.get("demo")


def test_down_of_nothing_says_so():
    assert not sandbox.down("demo")


def test_down_removes_what_is_left_of_a_crash():
    pretend("demo")

    assert sandbox.down("demo")
    assert not state_folder("demo").exists()


def test_down_ends_exactly_the_recorded_processes():
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleeper) as ours, subprocess.Popen(sleeper) as theirs:
        recycled = Process(name="kwok", pid=theirs.pid, started_ticks=1)
        pretend("demo", Process.of("supervisor", ours.pid), recycled)

        sandbox.down("demo")

        ended = ours.wait(20)
        spared = theirs.poll()
        theirs.kill()
    assert (ended, spared) == (-15, None)


def test_a_version_that_cannot_be_built_is_refused():
    with pytest.raises(SandboxError, match=r"no Kubernetes 1\.20\.0 on PATH") as error:
        sandbox.up("demo", version="1.20.0")

    assert "--assets" in (error.value.hint or "")


def test_a_bad_name_is_refused_before_anything_is_built(tmp_path):
    with pytest.raises(SandboxError, match="not a name"):
        sandbox.up("../x")

    assert not (tmp_path / "cache").exists()
