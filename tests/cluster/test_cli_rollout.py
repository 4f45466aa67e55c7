"""The command line against a real API server, as scripts and people use it."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import pytest

from rollwright.cli import main

pytestmark = pytest.mark.cluster

ROLLWRIGHT = [sys.executable, "-m", "rollwright"]
TIMEOUT = 90


def config_map(name, value="a"):
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: {value}}}\n"


def deployment(name, behavior=""):
    label = f", sandbox.rollwright.dev/behavior: {behavior}" if behavior else ""
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}{label}}}}}
    spec: {{containers: [{{name: web, image: "nginx:1.29"}}]}}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Shop:
    """A rollout of a namespace, and the command line around it.

    ``run`` calls the command in this process, which saves half a second of imports; ``start``
    starts it as a process of its own, where signals and terminals matter.
    """

    def __init__(self, folder, namespace, environment, capsys):
        self.folder, self.name, self.environment = folder, namespace, environment
        self._capsys = capsys
        (folder / "manifests").mkdir(parents=True)
        self.declare()

    def declare(self, extra=""):
        (self.folder / "rollout.yaml").write_text(
            "apiVersion: rollwright.dev/v1alpha1\nkind: Rollout\n"
            f"metadata: {{name: {self.name}}}\n"
            f"spec:\n  source: {{path: ./manifests}}\n  target: {{namespace: {self.name}}}\n{extra}"
        )

    def write(self, *texts):
        (self.folder / "manifests" / "all.yaml").write_text("---\n".join(texts))

    def run(self, *words):
        code = main([str(word) for word in words])
        captured = self._capsys.readouterr()
        return Done(code, captured.out, captured.err)

    def rollout(self, *words):
        return self.run("rollout", self.folder, *words)

    def start(self, *words, **options):
        return subprocess.Popen(
            [*ROLLWRIGHT, *map(str, words)], env=self.environment, cwd=self.folder, **options
        )


@pytest.fixture
def shop(sandbox, namespace, tmp_path, capsys, monkeypatch):
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # away from any site
    environment = {**os.environ, "TERM": "xterm-256color"}
    shop = Shop(tmp_path / "shop", namespace, environment, capsys)
    shop.write(config_map("settings"), deployment("web"))
    yield shop
    shop.run("delete", shop.name, "--confirm", shop.name)


def test_a_rollout_goes_on_without_a_terminal_and_tells_its_progress(shop):
    done = shop.rollout()

    assert (done.returncode, f"{shop.name} on " in done.stdout) == (0, True), done.stderr
    assert "apply-0: 2 created" in done.stderr


def test_a_second_rollout_has_nothing_to_do(shop):
    shop.rollout()
    done = shop.rollout()

    assert (done.returncode, "nothing to do" in done.stdout) == (0, True)


def test_programs_get_one_document_and_nothing_else(shop):
    done = shop.rollout("-o", "json")
    report = json.loads(done.stdout)

    assert (report["kind"], report["outcome"]) == ("Report", "succeeded")


def test_plan_says_by_its_exit_code_whether_there_are_changes(shop):
    before = shop.run("plan", shop.folder, "--exit-code").returncode
    shop.rollout()

    assert (before, shop.run("plan", shop.folder, "--exit-code").returncode) == (10, 0)


def test_a_plan_is_saved_for_programs(shop, tmp_path):
    done = shop.run("plan", shop.folder, "--save", tmp_path / "plan.json")
    plan = json.loads((tmp_path / "plan.json").read_text())

    assert (done.returncode, plan["kind"], plan["summary"]["create"]) == (0, "Plan", 2)


def test_a_plan_that_cannot_be_saved_is_an_error(shop, tmp_path):
    done = shop.run("plan", shop.folder, "--save", tmp_path / "no" / "plan.json")

    assert (done.returncode, "cannot write" in done.stderr) == (2, True)


def test_a_failed_rollout_ends_with_1_and_says_why(shop):
    shop.declare("  health: {timeout: 3s, progressTimeout: 2s}\n")
    shop.write(deployment("web", "never-ready"))
    done = shop.rollout()

    assert (done.returncode, "✗ Deployment/" in done.stdout) == (1, True), done.stdout


def test_many_deletes_are_refused_until_they_are_allowed(shop):
    shop.declare("  prune: {maxCount: 2}\n")
    shop.write(*(config_map(f"c{number}") for number in range(4)))
    shop.rollout()
    shop.write(config_map("c0"))
    refused, allowed = shop.rollout(), shop.rollout("--allow-prune")

    assert (refused.returncode, "--allow-prune" in refused.stderr) == (4, True)
    assert (allowed.returncode, "3 deleted" in allowed.stdout) == (0, True), allowed.stdout


def test_a_wanted_approval_is_refused_without_anybody_to_ask(shop):
    shop.declare("  approval: always\n")
    refused, approved = shop.rollout(), shop.rollout("--yes")

    assert (refused.returncode, "--yes" in refused.stderr, approved.returncode) == (4, True, 0)


def test_what_the_server_refuses_is_a_mistake_in_the_document(shop):
    shop.declare("  validate: []\n")
    shop.write("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n")
    done = shop.rollout()

    assert (done.returncode, "Bad_Name" in done.stderr) == (2, True)


def test_status_tells_one_rollout_by_name_and_by_file(shop):
    shop.rollout()
    by_name = json.loads(shop.run("status", shop.name, "-o", "json").stdout)
    by_file = json.loads(shop.run("status", shop.folder, "-o", "json").stdout)

    assert (by_name["kind"], by_name["health"], by_name["revision"]["number"]) == (
        "Status", "Current", 1,
    )  # fmt: skip
    assert by_name["objects"] == by_file["objects"]


def test_status_lists_all_rollouts(shop):
    shop.rollout()
    names = [line.split()[0] for line in shop.run("status").stdout.splitlines()]

    assert shop.name in names


def test_status_of_an_unknown_rollout_names_the_known(shop):
    shop.rollout()
    done = shop.run("status", f"{shop.name}x")

    assert (done.returncode, shop.name in done.stderr) == (2, True)


def test_delete_shows_what_goes_and_wants_a_word(shop):
    shop.rollout()
    refused = shop.run("delete", shop.name)
    done = shop.run("delete", shop.name, "--confirm", shop.name, "-o", "json")

    assert (refused.returncode, "2 to delete" in refused.stdout) == (4, True)
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "succeeded")
    assert shop.run("status", shop.name).returncode == 2


def test_doctor_finds_the_sandbox_well(shop):
    done = shop.run("doctor", shop.folder, "-o", "json")
    findings = json.loads(done.stdout)["findings"]

    assert done.returncode == 0, findings
    assert {"cluster", "permissions", "store cluster", "lock lease"} <= {
        one["subject"] for one in findings
    }


def test_doctor_says_that_a_cluster_is_unreachable(shop, tmp_path, sandbox):
    text = sandbox.kubeconfig.read_text().replace(sandbox.server, "https://127.0.0.1:1")
    (tmp_path / "gone").write_text(text)
    done = shop.run("doctor", "--kubeconfig", tmp_path / "gone")

    assert (done.returncode, "fail  cluster" in done.stdout) == (3, True)


def test_locks_are_listed_and_an_unheld_one_cannot_be_broken(shop):
    listed = shop.run("locks", "-o", "json")
    done = shop.run("locks", "--break", shop.name, "--reason", "test")

    assert json.loads(listed.stdout)["kind"] == "LockList"
    assert (done.returncode, "nobody holds" in done.stderr) == (2, True)


def until(stream, words):
    """Read lines until one has the words."""
    seen = []
    for line in stream:
        seen.append(line)
        if words in line:
            return
    pytest.fail(f"never told {words!r}: {''.join(seen)}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_in_order_and_the_next_run_resumes(shop, number):
    shop.write(config_map("settings"), deployment("web", "slow-start"))
    started = shop.start(
        "rollout", shop.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with started:
        until(started.stderr, "applied Deployment")
        started.send_signal(number)
        out, err = started.communicate(timeout=TIMEOUT)
    state = json.loads(shop.run("status", shop.name, "-o", "json").stdout)

    assert (started.returncode, "stopping after the write in flight" in err) == (1, True)
    assert ("resume" in out, state["interrupted"]) == (True, None)
    assert shop.rollout().returncode == 0


class Terminal:
    """A person at a terminal."""

    def __init__(self, shop, *words):
        self.seen = ""
        self._master, slave = pty.openpty()
        self.process = shop.start(*words, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def read_until(self, words):
        deadline = time.monotonic() + TIMEOUT
        while words not in self.seen and self._read(deadline):
            pass
        assert words in self.seen

    def _read(self, deadline):
        ready, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        with suppress(OSError):  # the other side has gone
            text = os.read(self._master, 4096).decode(errors="replace")
            self.seen += text
            return bool(text)
        return False

    def type(self, text):
        os.write(self._master, text.encode())

    def end(self):
        deadline = time.monotonic() + TIMEOUT
        while self._read(deadline):
            pass
        return self.process.wait(timeout=TIMEOUT)


def test_a_person_is_asked_and_agrees(shop):
    with Terminal(shop, "rollout", shop.folder) as terminal:
        terminal.read_until("Carry out (2 to create)? [y/N]")
        terminal.type("y\n")
        code = terminal.end()

    assert (code, "succeeded" in terminal.seen, "\x1b[" in terminal.seen) == (0, True, True)


def test_a_person_who_does_not_agree_changes_nothing(shop):
    with Terminal(shop, "rollout", shop.folder) as terminal:
        terminal.read_until("[y/N]")
        terminal.type("\n")
        code = terminal.end()

    assert (code, "nothing was changed" in terminal.seen) == (4, True)
    assert shop.run("status", shop.name).returncode == 2


def test_ctrl_c_at_the_question_changes_nothing(shop):
    with Terminal(shop, "rollout", shop.folder) as terminal:
        terminal.read_until("[y/N]")
        terminal.process.send_signal(signal.SIGINT)
        code = terminal.end()

    assert (code, shop.run("status", shop.name).returncode) == (130, 2)


def test_nobody_is_asked_where_there_is_nothing_to_write(shop):
    shop.rollout()
    with Terminal(shop, "rollout", shop.folder) as terminal:
        code = terminal.end()

    assert (code, "[y/N]" in terminal.seen) == (0, False)


@pytest.mark.parametrize(("answer", "expected"), [("n", 4), ("y", 0)])
def test_a_person_is_asked_about_a_breached_guard(shop, answer, expected):
    shop.declare("  prune: {maxCount: 2}\n")
    shop.write(*(config_map(f"c{number}") for number in range(4)))
    shop.rollout()
    shop.write(config_map("c0"))
    with Terminal(shop, "rollout", shop.folder) as terminal:
        terminal.read_until("Delete all the same? [y/N]")
        terminal.type(f"{answer}\n")
        code = terminal.end()

    assert (code, "--allow-prune" in terminal.seen) == (expected, expected == 4)


def test_a_breached_guard_is_no_question_where_nobody_can_answer(shop):
    shop.declare("  prune: {maxCount: 2}\n")
    shop.write(*(config_map(f"c{number}") for number in range(4)))
    shop.rollout()
    shop.write(config_map("c0"))

    done = shop.rollout("--yes")

    assert (done.returncode, "--allow-prune" in done.stderr) == (4, True)


def test_a_person_types_the_name_to_delete(shop):
    shop.rollout()
    with Terminal(shop, "delete", shop.name) as terminal:
        terminal.read_until(f"Type {shop.name}")
        terminal.type(f"{shop.name}\n")
        code = terminal.end()

    assert (code, shop.run("status", shop.name).returncode) == (0, 2)


def test_watching_a_status_ends_with_ctrl_c(shop):
    shop.rollout()
    with Terminal(shop, "status", shop.name, "--watch") as terminal:
        terminal.read_until("Current")
        terminal.process.send_signal(signal.SIGINT)
        code = terminal.end()

    assert code == 0


def test_a_new_site_works_at_once(shop, tmp_path, sandbox):
    shop.run("init", tmp_path / "site")
    hello = tmp_path / "site" / "rollouts" / "hello"
    text = (hello / "rollout.yaml").read_text()
    (hello / "rollout.yaml").write_text(
        text.replace("name: hello", f"name: {shop.name}").replace(
            "namespace: hello", f"namespace: {shop.name}"
        )
    )
    done = shop.run("rollout", hello, "--kubeconfig", sandbox.kubeconfig)

    assert (done.returncode, "succeeded" in done.stdout) == (0, True), done.stderr


def test_a_damaged_state_hides_no_other_rollout(shop, kubectl):
    shop.write(config_map("a"))
    assert shop.rollout("--yes").returncode == 0
    secret = f"rollwright.state.{shop.name}-damaged"
    copy = json.loads(
        kubectl(
            "get",
            "secret",
            "-n",
            "rollwright-system",
            f"rollwright.state.{shop.name}",
            "-o",
            "json",
        )
    )
    damaged = json.dumps(copy).replace(shop.name, f"{shop.name}-damaged")
    body = {**json.loads(damaged), "data": {"meta": "Z2FyYmFnZQ=="}}
    body["metadata"] = {key: body["metadata"][key] for key in ("name", "namespace", "labels")}
    kubectl("create", "-f", "-", stdin=json.dumps(body))

    done = shop.run("status")
    kubectl("delete", "secret", "-n", "rollwright-system", secret)

    assert done.returncode == 0
    assert f"{shop.name} " in done.stdout
    assert f"Warning: {shop.name}-damaged:" in done.stderr
