"""Approvals in Prefect: a real server, a real worker, a deployment, and a person who answers."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from pathlib import Path

import httpx
import pytest

from rollwright import library
from rollwright.flows import installing
from rollwright.flows.server import without_prefect

browsing, find_browser = itemgetter("browsing", "find_browser")(
    runpy.run_path(str(Path(__file__).with_name("browser.py")))
)

pytestmark = [pytest.mark.flow, pytest.mark.cluster, pytest.mark.slow]

TIMEOUT = timedelta(seconds=150)


@dataclass(kw_only=True)
class Desk:
    """A Prefect server with a worker and a deployment, and the command line beside it."""

    url: str
    ui_url: str
    environment: dict[str, str]

    def ask(self, method, path, **body):
        for _ in range(9):
            answer = httpx.request(method, f"{self.url}{path}", json=body or None, timeout=90)
            if answer.status_code != 503:
                break  # sqlite is busy now and then
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def start(self, folder, flow="rollout", **parameters):
        """Start a flow run of the deployment of a flow; return its id."""
        body = {"parameters": {"file": str(folder), "actor": "ada@desk", **parameters}}
        deployment = self.ask("GET", f"/deployments/name/{flow}/{flow}")["id"]
        return self.ask("POST", f"/deployments/{deployment}/create_flow_run", **body)["id"]

    def until(self, run, *names):
        """Wait until a run is in a state of one of these names, and return the run."""
        deadline = time.monotonic() + TIMEOUT.total_seconds()
        while time.monotonic() < deadline:
            found = self.ask("GET", f"/flow_runs/{run}")
            if found["state_name"] in names:
                return found
            ended = found["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
            assert not ended, f"{found['state_name']}: {found['state']['message']}"
            time.sleep(0.2)
        raise AssertionError(f"{found['state_name']} is none of {names}")

    def suspended(self, run, times=1):
        """Wait until a run has been suspended so many times."""
        found = self.until(run, "Suspended")
        deadline = time.monotonic() + TIMEOUT.total_seconds()
        while len(found["empirical_policy"]["pause_keys"]) < times and time.monotonic() < deadline:
            time.sleep(0.2)
            found = self.ask("GET", f"/flow_runs/{run}")
        return self.until(run, "Suspended")

    def description(self, run):
        """Return what stands above the form that a suspended run waits for."""
        found = self.ask("GET", f"/flow_runs/{run}")
        key = found["state"]["state_details"]["run_input_keyset"]["description"]
        answer = httpx.get(f"{self.url}/flow_runs/{run}/input/{key}", timeout=30)
        return answer.json()

    def call(self, *words):
        """Call the command line."""
        return subprocess.run(
            [sys.executable, "-m", "rollwright", *words],
            env=self.environment, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def desk(background, tmp_path_factory):
    """The server and the worker of all, and somebody's command line."""
    home = tmp_path_factory.mktemp("desk")
    environment = installing.client_settings(background.url, home)
    return Desk(
        url=background.url,
        ui_url=background.ui_url,
        environment={**without_prefect(os.environ), **environment},
    )


def config_map(name: str, value: str = "1") -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: '{value}'}}\n"
    )


@pytest.fixture
def shop(site, declare, namespace):
    """A rollout of one object that always wants an approval."""
    return declare(namespace, namespace, config_map("a"), more="  approval: always\n")


def names_in(kubectl, namespace: str) -> list[str]:
    found = kubectl("get", "configmaps", "-n", namespace, "-o", "name").split()
    return sorted(one.removeprefix("configmap/") for one in found if "kube-root-ca" not in one)


def audit(desk, folder):
    """Return what the audit trail of a rollout has."""
    done = desk.call("state", "show", str(folder), "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["audit"]


def test_a_suspended_run_is_approved_from_the_command_line(desk, shop, kubectl, namespace):
    run = desk.start(shop)
    desk.suspended(run)
    before = names_in(kubectl, namespace)
    status = desk.call("status", str(shop))

    done = desk.call("approve", namespace, "--reason", "looks right", "--site", str(shop))

    assert done.returncode == 0, done.stderr
    assert desk.until(run, "RolledOut")
    assert (before, names_in(kubectl, namespace)) == ([], ["a"])
    (entry,) = audit(desk, shop)
    assert (entry["kind"], "looks right" in entry["message"]) == ("approval", True)
    assert "asked by ada@desk" in status.stdout


def test_a_suspended_run_is_rejected_from_the_command_line(desk, shop, kubectl, namespace):
    run = desk.start(shop)
    desk.suspended(run)

    done = desk.call("reject", run, "--reason", "not on a Friday", "--site", str(shop))

    assert done.returncode == 0, done.stderr
    ended = desk.until(run, "Refused")
    assert "not on a Friday" in ended["state"]["message"]
    assert names_in(kubectl, namespace) == []


def test_a_world_that_changed_meanwhile_is_asked_about_again(desk, shop, kubectl, namespace):
    run = desk.start(shop)
    desk.suspended(run)
    kubectl("create", "configmap", "a", "-n", namespace, "--from-literal=key=by-hand")
    desk.call("approve", run, "--site", str(shop))

    desk.suspended(run, times=2)
    words = desk.description(run)
    desk.call("approve", run, "--site", str(shop))

    assert "the world moved on" in words
    assert desk.until(run, "RolledOut")


def test_a_run_that_nobody_answers_ends_refused(desk, shop, site, kubectl, namespace):
    with (site / "site.toml").open("a") as file:
        file.write('[approvals]\nexpires = "10s"\n')

    run = desk.start(shop)

    ended = desk.until(run, "Refused", "Failed")
    assert (ended["state_name"], names_in(kubectl, namespace)) == ("Refused", [])
    assert "nobody answered" in ended["state"]["message"]


async def test_a_rollback_is_suspended_until_it_is_approved(
    desk, shop, declare, kubectl, namespace
):
    for value in ("1", "2"):
        declare(namespace, namespace, config_map("a", value))
        await library.rollout(shop)
    always = "  approval: always\n"
    declare(namespace, namespace, config_map("a", "2"), more=always)

    run = desk.start(shop, "rollback", reason="it was better")
    desk.suspended(run)
    words, before = desk.description(run), value_of(kubectl, namespace)
    done = desk.call("approve", namespace, "--site", str(shop))
    ended = desk.until(run, "RolledBack")

    assert done.returncode == 0, done.stderr
    assert (before, value_of(kubectl, namespace)) == ("2", "1")
    assert f"ConfigMap/{namespace}/a" in words
    assert ended["name"].startswith("rollback ")


def value_of(kubectl, namespace):
    found = kubectl("get", "configmap", "a", "-n", namespace, "-o", "json")
    return json.loads(found)["data"]["key"]


@pytest.mark.skipif(find_browser() is None, reason="no chromium on PATH")
async def test_a_suspended_run_is_approved_on_its_page(desk, shop, kubectl, namespace, tmp_path):
    run = desk.start(shop)
    desk.suspended(run)

    async with browsing(tmp_path) as page:
        await page.open(f"{desk.ui_url}/runs/flow-run/{run}")
        await page.press("Resume")
        await page.switch("Approve")
        dialog = "document.querySelector('.p-modal, [role=dialog]').innerText"
        await page.until(f"{dialog}.includes('ConfigMap/{namespace}/a')")  # it is drawn late
        shown = await page.run(dialog)
        await page.write("Name", "Grace Hopper")
        await page.write("Reason", "looks right")
        await page.picture(tmp_path / "form.png")
        await page.press("Submit")
        await page.until("!document.querySelector('.p-modal, [role=dialog]')")
        await page.picture(tmp_path / "submitted.png")

    assert desk.until(run, "RolledOut")
    (entry,) = audit(desk, shop)
    assert entry["actor"] == "Grace Hopper (in Prefect)"
    assert f"ConfigMap/{namespace}/a" in shown


async def test_a_form_without_a_name_is_not_taken(desk, shop, namespace):
    run = desk.start(shop)
    desk.suspended(run)

    answers = [
        desk.ask("POST", f"/flow_runs/{run}/resume", run_input=form)
        for form in (None, {"name": "Ada"}, {"approve": True}, {"approve": True, "name": " "})
    ]
    desk.call("reject", run, "--site", str(shop))

    assert [one["status"] for one in answers] == ["REJECT"] * 4
    assert desk.until(run, "Refused")
