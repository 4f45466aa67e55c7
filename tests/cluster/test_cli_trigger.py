"""``rollwright trigger`` on a real server: run here, left to whoever listens, refused."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from rollwright.cli import main

pytestmark = pytest.mark.cluster


@pytest.fixture
def command(shop, make, monkeypatch, capsys):
    """A rollout of one ConfigMap, and commands in the folder of its site."""
    shop.declare()
    shop.write(make.config("a"))
    monkeypatch.chdir(shop.folder)
    site = next(shop.folder.rglob("site.toml"), None) or shop.folder.parent / "site.toml"
    with site.open("a") as file:
        file.write('\n[rollouts]\npaths = ["."]\n')

    def command(*words):
        capsys.readouterr()
        code = main(list(words))
        return code, capsys.readouterr().out

    yield command
    main(["delete", shop.name, "--confirm", shop.name, "--cluster", "here"])


@contextmanager
def listening(shop):
    """Listen in a process of its own until the test ends."""
    every = {"use": "interval", "with": {"every": "1h", "first": "now"}, "name": shop.name}
    (shop.folder / "trigger.json").write_text(json.dumps({
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "Trigger",
        "metadata": {"name": f"{shop.name}-now"},
        "spec": {"when": {"use": every["use"], "with": every["with"]}, "rollouts": [shop.name]},
    }))  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "rollwright", "listen"],
        cwd=shop.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield process.stdout
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_run_of_a_person_leaves_its_token(shop, command):
    done = command("trigger", shop.name, "--token", "noon", "--no-cache")
    code, out = command("status", shop.name, "-o", "json")

    assert (done[0], "succeeded" in done[1]) == (0, True)
    assert (code, json.loads(out)["lastHandledTrigger"]) == (0, "noon")


def test_what_fails_is_tried_once_and_what_is_suspended_not_at_all(shop, command):
    (shop.folder / "manifests" / "bad.yaml").write_text("{")
    failed = command("trigger", shop.name)
    shop.declare(suspend=True)
    refused = command("trigger", shop.name)

    assert (failed[0], len(re.findall("failed", failed[1]))) == (2, 1)
    assert refused == (4, "")


def test_whoever_listens_makes_the_run_that_a_person_waits_for(shop, command):
    with listening(shop) as lines:
        assert "succeeded" in lines.readline()
        code, out = command("trigger", shop.name, "--listener", "-o", "json")

    assert (code, json.loads(out)) == (0, {"instance": shop.name, "outcome": "succeeded"})
