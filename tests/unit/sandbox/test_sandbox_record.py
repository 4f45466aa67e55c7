"""The record by which another process finds and stops a sandbox."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollwright.sandbox import record as records
from rollwright.sandbox.processes import stop_recorded, wait_until
from rollwright.sandbox.record import Phase, Process, Record, boot_id

PATIENCE = timedelta(seconds=20)
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper():
    with subprocess.Popen(SLEEPER) as process:
        yield process
        process.kill()


def a_record(*components: Process, **changes) -> Record:
    fields: dict[str, Any] = {
        "name": "demo",
        "phase": Phase.RUNNING,
        "is_ephemeral": False,
        "version": "1.36.3",
        "boot_id": boot_id(),
        "started_at": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "server": "https://127.0.0.1:6443",
        "etcd_endpoint": "https://127.0.0.1:2379",
        "supervisor": Process.of("supervisor", os.getpid()),
        "components": components,
    }
    return Record(**fields | changes)


def stranger(process: Process) -> Process:
    """A process that later got the same id."""
    return replace(process, started_ticks=process.started_ticks - 1)


def test_what_is_written_is_read_back(tmp_path):
    record = a_record(Process(name="etcd", pid=7, started_ticks=70))
    path = tmp_path / "sandbox.json"

    records.write(path, record)

    assert records.read(path) == record


def test_writing_leaves_nothing_else_behind(tmp_path):
    records.write(tmp_path / "sandbox.json", a_record())

    assert [file.name for file in tmp_path.iterdir()] == ["sandbox.json"]


def test_the_record_is_for_its_owner_only(tmp_path):
    path = tmp_path / "sandbox.json"

    records.write(path, a_record())

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"name": "demo"}', a_record().to_json()[:100]],
)
def test_a_torn_record_is_no_record(tmp_path, text):
    path = tmp_path / "sandbox.json"
    path.write_text(text)

    assert records.read(path) is None


def test_a_record_with_foreign_fields_is_no_record(tmp_path):
    path = tmp_path / "sandbox.json"
    path.write_text(a_record().to_json().replace('"server"', '"sever"'))

    assert records.read(path) is None


def test_no_file_is_no_record(tmp_path):
    assert records.read(tmp_path / "absent" / "sandbox.json") is None


def test_this_process_is_alive():
    assert Process.of("me", os.getpid()).is_alive()


def test_a_process_id_that_was_given_to_another_is_not_ours():
    assert not stranger(Process.of("me", os.getpid())).is_alive()


def test_a_zombie_is_not_alive(sleeper):
    process = Process.of("sleeper", sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    assert not process.is_alive()


def test_a_name_with_parentheses_does_not_hide_the_start_time(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    fields = " ".join(str(number) for number in range(4, 50))
    (tmp_path / "7" / "stat").write_text(f"7 (odd) S 1) S {fields}\n")

    assert records.started_ticks(7) == 22


def test_a_signal_reaches_the_process_that_was_recorded(sleeper):
    Process.of("sleeper", sleeper.pid).send(signal.SIGTERM)

    assert sleeper.wait(20) == -signal.SIGTERM


def test_a_signal_does_not_reach_a_stranger(sleeper):
    was_sent = stranger(Process.of("sleeper", sleeper.pid)).send(signal.SIGKILL)

    assert (was_sent, sleeper.poll()) == (False, None)


def test_a_sandbox_runs_while_all_of_it_runs():
    assert a_record(Process.of("etcd", os.getppid())).is_running()


def test_a_sandbox_does_not_run_while_it_starts():
    assert not a_record(phase=Phase.STARTING).is_running()


def test_a_sandbox_with_a_dead_component_does_not_run(sleeper):
    record = a_record(Process.of("etcd", sleeper.pid), Process.of("kwok", os.getpid()))
    sleeper.kill()
    sleeper.wait()

    assert not record.is_running()
    assert [process.name for process in record.dead()] == ["etcd"]


def test_nothing_of_another_boot_runs():
    record = a_record(boot_id="another")

    assert record.living() == ()
    assert not record.is_running()


def test_a_revived_component_replaces_the_dead_one():
    record = a_record(Process(name="etcd", pid=1, started_ticks=1))

    revived = record.with_component(Process(name="etcd", pid=2, started_ticks=2))

    assert [process.pid for process in revived.components] == [2]


def test_stopping_ends_what_is_recorded_without_its_supervisor(sleeper):
    gone = Process(name="supervisor", pid=sleeper.pid, started_ticks=1)
    record = a_record(Process.of("etcd", sleeper.pid), supervisor=gone)

    stop_recorded(record, PATIENCE)

    assert sleeper.wait(20) == -signal.SIGKILL


def test_stopping_spares_a_stranger(sleeper):
    other = stranger(Process.of("etcd", sleeper.pid))

    stop_recorded(a_record(other, supervisor=other), PATIENCE)

    assert sleeper.poll() is None


def test_stopping_spares_everybody_after_a_reboot(sleeper):
    process = Process.of("etcd", sleeper.pid)

    stop_recorded(a_record(process, supervisor=process, boot_id="another"), PATIENCE)

    assert sleeper.poll() is None


def test_waiting_ends_with_its_time():
    assert not wait_until(lambda: False, timedelta(0))
