"""Server, worker and runs speak to this machine alone: a guard sits in every one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.cluster]


def guarded(folder, code):
    environment = {**os.environ, "PYTHONPATH": str(folder), "ROLLWRIGHT_TEST_GUARD": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def noted(folder, kind):
    return {path.name: path.read_text() for path in folder.glob(f"*.{kind}")}


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('192.0.2.1', 80), 1)",
        "import socket; socket.getaddrinfo('example.com', 443)",
        "import urllib.request; urllib.request.urlopen('http://example.com')",
        "import asyncio; asyncio.run(asyncio.open_connection('192.0.2.1', 80))",
    ],
)
def test_the_guard_refuses_and_records(lookout, tmp_path, code):
    (tmp_path / "sitecustomize.py").write_text((lookout / "sitecustomize.py").read_text())
    done = guarded(tmp_path, code)

    assert done.returncode == 1
    assert len(noted(tmp_path, "refused")) == 1


def test_server_worker_and_a_run_speak_to_nobody_else(background, lookout):
    import httpx

    root = Path(background.root)
    folder = root / "rollouts" / "quiet"
    (folder / "manifests").mkdir(parents=True)
    (folder / "manifests" / "a.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: quiet, namespace: default}\n"
    )
    (folder / "rollout.yaml").write_text(
        "apiVersion: rollwright.dev/v1alpha1\nkind: Rollout\nmetadata: {name: quiet}\n"
        "spec: {source: {path: manifests}, target: {cluster: here, namespace: default}}\n"
    )
    command = ["deployment", "run", "plan/plan", "--param", "file=rollouts/quiet", "--watch"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(lookout),
        "ROLLWRIGHT_TEST_GUARD": str(lookout),
        "PREFECT_API_URL": background.url,
    }
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *command],
        env=environment, cwd=root, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    # Pages that ask the server for what others keep elsewhere.
    with httpx.Client(base_url=background.url, timeout=60) as client:
        pages = [client.get("/collections/views/aggregate-worker-metadata").status_code]
    started = " ".join(noted(lookout, "started").values())

    assert done.returncode == 0, done.stdout + done.stderr
    assert all(word in started for word in ("server start", "worker start", "prefect.engine"))
    assert pages == [200]
    assert noted(lookout, "refused") == {}
