"""What deploys Rollwright itself: every file of ``deployments/`` is looked at or really used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rollwright.documents import load, load_all
from rollwright.flows import installing
from rollwright.flows.server import BATCHES, QUIET, STORAGE

pytestmark = [
    pytest.mark.flow,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "deployments"
UNITS = sorted((HERE / "systemd").glob("*.service"))
SECRETS = ("ENCRYPTION_KEY", "AUTH_STRING", "CONNECTION_URL", "PASSWORD")
STANDARD = {"rollout", "plan", "drift", "rollback", "fan-out"}


def server_env() -> dict[str, str]:
    lines = (HERE / "server.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def manifests():
    for path in sorted((HERE / "kubernetes").glob("*.yaml")):
        yield from (one.value for one in load_all(path.read_text(), name=str(path)))


def pods():
    for one in manifests():
        if one["kind"] in {"Deployment", "StatefulSet"}:
            yield pytest.param(one["spec"]["template"]["spec"], id=one["metadata"]["name"])


each_pod = pytest.mark.parametrize("pod", list(pods()))
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)


def test_a_site_without_deployments_has_the_standard_ones(tmp_path):
    file = installing.deployments_file(tmp_path)

    assert set(installing.deployments_for(file)) == STANDARD


def test_deployments_of_other_pools_are_left_to_their_workers():
    names = installing.deployments_for(installing.deployments_file(ROOT))

    assert set(names) == STANDARD


async def test_every_deployment_of_the_site_is_deployed(server, record, prefect_home):
    from prefect.settings import PREFECT_API_URL

    templates = load((HERE / "prefect.yaml").read_text())["definitions"]["pools"]
    for kind, pool in templates.items():
        await record.ask("/work_pools/", name=pool["name"], type=kind, base_job_template={})
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all",
         "--prefect-file", "deployments/prefect.yaml"],
        env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value(), "ROLLWRIGHT_ROOT": "/site"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = {one["name"]: one for one in await record.ask("/deployments/filter")}

    assert {*STANDARD, "rollout-docker", "rollout-kubernetes"} <= set(found)
    assert found["rollout"]["entrypoint"] == "rollwright.flows.rollout:rollout"
    assert found["drift"]["schedules"][0]["schedule"]["cron"] == "17 * * * *"
    assert found["rollout"]["parameter_openapi_schema"]["required"] == ["file"]


async def test_the_automation_is_made_on_any_server(server, record, prefect_home):
    from prefect.settings import PREFECT_API_URL

    for _ in range(2):
        done = subprocess.run(
            [sys.executable, HERE / "automations.py"],
            env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()},
            cwd=prefect_home, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    [found] = await record.ask("/automations/filter")

    assert found["trigger"]["within"] == installing.SILENCE_SECONDS
    assert found["actions"][0]["state"] == "CRASHED"


def test_the_settings_of_a_server_are_those_that_we_start_one_with():
    expected = {**QUIET, **BATCHES, **STORAGE}

    assert expected.items() <= server_env().items()


def test_what_is_kept_goes_one_day():
    names = {name for name in server_env() if "RETENTION" in name}

    assert names == {
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD",
    }


def test_every_setting_is_one_that_prefect_knows(prefect_home):
    from prefect.settings import Settings
    from prefect.settings.legacy import _get_valid_setting_names

    [settings] = [one["data"] for one in manifests() if one["kind"] == "ConfigMap"]
    worker = {env["name"] for pod in pods() for one in pod.values[0]["containers"]
              for env in one.get("env", ()) if env["name"].startswith("PREFECT_")}  # fmt: skip
    # Read from the environment alone, so not among the settings.
    apart = {"DO_NOT_TRACK", "PREFECT_SERVER_ENCRYPTION_KEY"}
    named = {*server_env(), *settings, *worker} - apart

    assert named - _get_valid_setting_names(Settings) == set()


def test_pods_have_the_same_settings_but_for_where_things_are():
    [settings] = [one["data"] for one in manifests() if one["kind"] == "ConfigMap"]
    places = {"PREFECT_API_URL", "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"}
    elsewhere = {"PREFECT_SERVER_API_HOST", "PREFECT_SERVER_API_PORT"}  # arguments there
    expected = {key: value for key, value in server_env().items() if key not in places | elsewhere}

    assert {key: value for key, value in settings.items() if key not in places} == expected


def test_no_secret_stands_in_a_file():
    named = {
        env["name"]: env
        for pod in pods()
        for container in pod.values[0]["containers"]
        for env in container.get("env", ())
        if env["name"].endswith(SECRETS)
    }

    assert len(named) >= 4
    assert all("secretKeyRef" in env["valueFrom"] for env in named.values())
    assert [one for one in manifests() if one["kind"] == "Secret"] == []
    assert [name for name in server_env() if name.endswith(SECRETS)] == []


@each_pod
def test_a_pod_is_confined(pod):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@each_pod
def test_a_pod_is_probed_and_limited(pod):
    for container in pod["containers"]:
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        assert "memory" in container["resources"]["limits"]
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_nobody_speaks_to_a_pod_unless_it_is_said():
    [nobody] = [one for one in manifests() if one["metadata"]["name"] == "nobody"]

    assert nobody["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
@each_unit
def test_a_unit_is_one_that_systemd_takes(unit, tmp_path):
    copy = tmp_path / unit.name
    # The programs are not installed here.
    copy.write_text(
        re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if unit.stem in line]

    assert (ours, done.returncode) == ([], 0)


@each_unit
def test_a_unit_may_do_little_and_is_killed_in_the_end(unit):
    text = unit.read_text()
    for line in ("NoNewPrivileges=true", "ProtectSystem=strict", "ProtectHome=true",
                 "CapabilityBoundingSet=", "EnvironmentFile=/etc/rollwright/server.env"):  # fmt: skip
        assert f"\n{line}\n" in text
    assert re.search(r"^TimeoutStopSec=\d+$", text, re.MULTILINE)


def test_the_image_holds_the_wheel_compiled_and_runs_as_nobody_special():
    text = (HERE / "Dockerfile").read_text()

    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "compileall" in text
    assert "pip wheel" in text
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / place).exists() for place in source.split()), source


def test_the_automation_is_a_json_document():
    assert json.loads(json.dumps(installing.crash_automation()))["trigger"]["threshold"] == 1


@pytest.mark.parametrize(
    "module",
    [
        "rollwright.flows.local",
        "rollwright.flows.installing",
        "rollwright.flows.quiet_prefect",
        "rollwright.cli.prefect",
        "rollwright.cli.prefect_checkup",
        "rollwright.plugins.blocks",
        "rollwright.engine.site_blocks",
    ],
)
def test_importing_it_does_not_import_prefect(module):
    code = f"import sys, {module}; print('prefect' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )  # fmt: skip

    assert done.stdout.strip() == "False", done.stderr
