"""``rollwright state`` as scripts use it, on a real server."""

from __future__ import annotations

import asyncio
import json

import pytest

from rollwright.cli import main
from rollwright.kube import connect
from rollwright.plugins.contracts import DeleteRequest
from rollwright.rollouts.manifest import ObjectRef

pytestmark = pytest.mark.cluster


@pytest.fixture
def command(shop, make, monkeypatch, capsys):
    """Roll out two ConfigMaps, and run commands in the folder of their site."""
    shop.write(make.config("a"), make.config("b"))
    asyncio.run(shop.rollout())
    site = next(shop.folder.rglob("site.toml"), None) or shop.folder.parent / "site.toml"
    with site.open("a") as file:
        path = json.dumps(str(shop.folder / "kept"))
        file.write(f'\n[stores.files]\nuse = "file"\nwith = {{path = {path}}}\n')
    monkeypatch.chdir(shop.folder)

    def command(*words):
        capsys.readouterr()
        code = main([*words, "--cluster", "here"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield command
    main(["delete", shop.name, "--confirm", shop.name, "--cluster", "here"])


def change(shop, *, put=(), delete=()):
    async def change():
        cluster = await connect(kubeconfig=shop.kubeconfig)
        try:
            for name in delete:
                ref = ObjectRef("", "ConfigMap", shop.name, name)
                await cluster.delete(DeleteRequest(ref=ref, api_version="v1"))
            for body in put:
                body["metadata"]["namespace"] = shop.name
                await cluster.create(body)
        finally:
            await cluster.close()

    asyncio.run(change())


def test_a_state_is_shown_for_people_and_for_programs(shop, command):
    shown = command("state", "show", shop.name)
    code, out, _ = command("state", "show", shop.name, "-o", "json")

    form = json.loads(out)
    assert (shown[0], f"ConfigMap/{shop.name}/a" in shown[1]) == (0, True)
    assert (code, form["kind"], [one["object"]["name"] for one in form["inventory"]]) == (
        0, "State", ["a", "b"],
    )  # fmt: skip


def test_right_after_a_rollout_the_state_is_true(shop, command):
    code, out, err = command("state", "check", shop.name, "--exit-code")

    assert (code, "2 objects, all as remembered" in out) == (0, True), err


def test_what_others_did_is_found(shop, command, make):
    stray = make.config("stray")
    stray["metadata"]["labels"] = {"rollwright.dev/rollout": shop.name}
    role = {
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "robot", "labels": {"rollwright.dev/rollout": shop.name}},
    }  # fmt: skip
    change(shop, delete=["a", "b"])
    change(shop, put=[make.config("b"), stray, role])
    code, out, _ = command("state", "check", shop.name, "--exit-code", "-o", "json")

    found = {one["object"]["name"]: one["what"] for one in json.loads(out)["findings"]}
    assert (code, found) == (
        10, {"a": "missing", "b": "foreign", "stray": "unlisted", "robot": "unlisted"},
    )  # fmt: skip


def test_a_state_moves_to_another_store_and_back(shop, command):
    there = command("state", "move", "default", "files", "--rollout", shop.name, "-o", "json")
    gone = command("state", "forget", shop.name, "--confirm", shop.name)
    unknown = command("state", "show", shop.name)
    back = command("state", "move", "files", "default", "--rollout", shop.name, "--remove")
    checked = command("state", "check", shop.name, "--exit-code")

    form = json.loads(there[1])
    assert (there[0], form["kind"], form["rollouts"][0]["snapshotCount"]) == (0, "StateMove", 1)
    assert (gone[0], "2 objects stay" in gone[1], unknown[0]) == (0, True, 2)
    assert (back[0], "removed from the source" in back[1], checked[0]) == (0, True, 0), back
    assert command("plan", str(shop.folder), "--exit-code")[0] == 0


def test_doctor_looks_at_every_store(shop, command):
    _, out, _ = command("doctor", "-o", "json")

    findings = {one["subject"]: one["level"] for one in json.loads(out)["findings"]}
    assert (findings["store cluster"], findings["store file (files)"]) == ("ok", "ok")
