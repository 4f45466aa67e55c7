"""The supervisor's parts that need no cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from rollwright.sandbox import processes
from rollwright.sandbox.controller import last_lines
from rollwright.sandbox.processes import end, free_ports, wait_until
from rollwright.sandbox.protocol import Request
from rollwright.sandbox.record import Process

PATIENCE = timedelta(seconds=20)
STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
)
PARENT = """\
import sys, time
from pathlib import Path
from rollwright.sandbox.processes import spawn
child = spawn(["sleep", "60"], Path(sys.argv[1]) / "log", Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_request_survives_the_pipe():
    request = Request(
        name="demo",
        folder="/state/demo",
        is_ephemeral=True,
        node_count=3,
        version="1.36.3",
        binaries={"etcd": "/bin/etcd"},
        extra_apiserver_args=("--v=4",),
        owner=7,
    )

    assert Request.from_line(request.to_line()) == request


def test_a_request_is_one_line():
    request = Request(
        name="demo",
        folder="/a\nb",
        is_ephemeral=False,
        node_count=1,
        version="1",
        binaries={},
        extra_apiserver_args=(),
        owner=7,
    )

    assert request.to_line().count(b"\n") == 1


def test_a_component_dies_with_a_parent_that_is_killed(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout
        child = Process.of("child", int(parent.stdout.readline()))
        parent.kill()

    assert wait_until(lambda: not child.is_alive(), PATIENCE)


def test_ending_a_child_that_ignores_the_request_kills_it():
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        end(child, timedelta(milliseconds=50))

        assert child.returncode == -signal.SIGKILL


def test_ending_a_child_that_has_ended_is_quiet():
    with subprocess.Popen(["true"]) as child:
        child.wait()
        end(child, PATIENCE)

        assert child.returncode == 0


def test_free_ports_differ():
    assert len(set(free_ports(20))) == 20


def test_components_see_no_proxy_and_no_kubeconfig(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")

    assert {"HTTPS_PROXY", "KUBECONFIG"}.isdisjoint(processes.component_environment())


def test_the_end_of_a_log_is_quoted(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))

    assert last_lines(log) == "line 9995 | line 9996 | line 9997 | line 9998 | line 9999"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe broken \n"])
def test_any_log_can_be_quoted(tmp_path, content):
    log = tmp_path / "log"
    log.write_bytes(content)

    assert last_lines(log)


def test_a_supervisor_whose_caller_is_gone_before_it_asks_ends():
    done = subprocess.run(
        [sys.executable, "-m", "rollwright.sandbox.supervisor"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_importing_the_sandbox_is_cheap():
    heavy = "cryptography", "aiohttp", "kubernetes", "prefect", "ssl", "asyncio", "yaml"
    code = f"import sys, rollwright.sandbox; print(sorted(set({heavy!r}) & set(sys.modules)))"

    output = subprocess.check_output([sys.executable, "-c", code], text=True, env=os.environ)

    assert output.strip() == "[]"
