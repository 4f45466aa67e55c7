"""Twelve targets in three real control planes, one of which fails: batches, budget, going on."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from dataclasses import replace

import pytest

from rollwright import library
from rollwright import sandbox as sandboxes
from rollwright.engine import fan_out as engine
from rollwright.engine.site import open_site
from rollwright.testing.sandbox import find_kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PLANES, SPACES = 3, 4
QUOTA = {
    "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "no-pods"},
    "spec": {"hard": {"pods": "0"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def planes(tmp_path_factory):
    """Three control planes, started one after another and stopped in the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        with ExitStack() as started:
            yield [
                started.enter_context(sandboxes.up(f"plane-{number}", nodes=1, ephemeral=True))
                for number in range(PLANES)
            ]


class Targets:
    """Each namespace of each control plane as a target, called ``p0-s0`` and so on."""

    def __init__(self, planes, folder, make):
        self.folder = folder
        self.planes = {
            f"p{plane}-s{space}": started
            for space in range(SPACES)
            for plane, started in enumerate(planes)
        }
        (folder / "manifests").mkdir(parents=True)
        for body in (make.config("settings"), make.deployment("web")):
            name = f"{body['kind'].lower()}.yaml"
            (folder / "manifests" / name).write_text(json.dumps(body))
        self.wait(timeout="20s", progressTimeout="4s")
        lines = [
            f"[clusters.{name}]\nkubeconfig = {json.dumps(str(one.kubeconfig))}"
            for name, one in self.planes.items()
        ]
        (folder / "site.toml").write_text("\n".join(lines))

    def wait(self, **health):
        """Say how long a cluster may take."""
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "shop"},
            "spec": {"source": {"path": "manifests"}, "health": health},
        }  # fmt: skip
        (self.folder / "rollout.yaml").write_text(json.dumps(document))

    def kubectl(self, target, *words, stdin=None):
        done = subprocess.run(
            [find_kubectl(), "--kubeconfig", str(self.planes[target].kubeconfig), *words],
            input=stdin, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    def forbid_pods(self, target):
        self.kubectl(target, "create", "namespace", target)
        self.kubectl(target, "apply", "-n", target, "-f", "-", stdin=json.dumps(QUOTA))

    def allow_pods(self, target):
        self.kubectl(target, "delete", "resourcequota", "no-pods", "-n", target)

    @property
    def touched(self):
        """The targets in whose namespace something of ours is."""
        found = []
        for target in self.planes:
            words = (
                "get",
                "configmaps",
                "-n",
                target,
                "-l",
                "rollwright.dev/rollout",
                "-o",
                "name",
            )
            if self.kubectl(target, *words).strip():
                found.append(target)
        return found

    async def go(self, **pace):
        loaded = library.load(self.folder)
        async with open_site(loaded) as site:
            targets = engine.choose_targets(site, self.planes)

            async def run(there):
                """A namespace is a target here, so the rollout is called after it, too."""
                name = there.spec.target.cluster
                target = there.spec.target.model_copy(update={"namespace": name})
                spec = there.spec.model_copy(update={"name": f"shop-{name}", "target": target})
                return await engine.run_here(site, replace(there, spec=spec))

            return await engine.fan_out(site, loaded, targets, engine.make_pace(**pace), run=run)


@pytest.fixture
def targets(planes, tmp_path, make):
    return Targets(planes, tmp_path / "shop", make)


@pytest.mark.timeout(300)
async def test_one_that_fails_stops_it_and_the_same_again_goes_to_all(targets):
    names = tuple(targets.planes)
    bad = names[3]
    targets.forbid_pods(bad)

    first = await targets.go(serial=(1, 4))
    touched = targets.touched
    targets.allow_pods(bad)
    targets.wait(timeout="2m", progressTimeout="2m")  # the controller tries again in its own time
    second = await targets.go(serial=(1, 4))

    assert (first.outcome, first.exit_code) == ("stopped", 1)
    assert [one.status.value for one in first.results] == [
        "Succeeded", "Succeeded", "Succeeded", "Failed", "Succeeded", *["ToApply"] * 7,
    ]  # fmt: skip
    assert "web" in first.results[3].message
    assert touched == list(names[:5])
    assert (second.outcome, second.exit_code) == ("succeeded", 0)
    assert targets.touched == list(names)
    assert [bool(one.report.run_id) for one in second.results][:5] == [
        False, False, False, True, False,
    ]  # fmt: skip
