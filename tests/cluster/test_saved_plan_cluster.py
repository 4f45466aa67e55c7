"""A saved plan on a real API server: exactly that is carried out, or nothing (W7, M8)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from rollwright import library
from rollwright.cli import main
from rollwright.engine import stages
from rollwright.engine.approval.plan_files import read_plan
from rollwright.engine.approval.saved import roll_out_saved
from rollwright.errors import Refused
from rollwright.rollouts.report import Outcome, StepResult

pytestmark = pytest.mark.cluster

ROLLWRIGHT = [sys.executable, "-m", "rollwright"]


@pytest.fixture
async def saved(shop, make, tmp_path):
    """A plan that updates ``a`` and ``web``, keeps ``b``, makes ``c`` and deletes ``d``."""
    shop.write(*(make.config(name, x="1") for name in "abd"), make.deployment("web"))
    await shop.rollout()
    shop.drop("-d")
    shop.write(make.config("a", x="2"), make.config("c"), make.deployment("web", replicas=2))
    return await library.save_plan(shop.folder, tmp_path / "plan.json")


@pytest.fixture
def file(saved, tmp_path):
    return tmp_path / "plan.json"


async def refusal(shop, file):
    with pytest.raises(Refused) as caught:
        await library.rollout(shop.folder, plan=file)
    assert caught.value.exit_code == 4
    assert (await shop.get("ConfigMap", "c")) is None
    return caught.value.message


async def test_unchanged_it_is_applied_without_one_dry_run(shop, saved, file):
    report = await library.rollout(shop.folder, plan=file)

    assert (report.outcome, report.plan.id) == (Outcome.SUCCEEDED, saved.id), report.message
    assert report.calls["dry-run"] == 0
    assert (await shop.get("ConfigMap", "a")).body["data"] == {"x": "2"}
    assert await shop.get("ConfigMap", "d") is None
    assert (await shop.state()).last.plan_id == saved.id


async def test_a_second_apply_finds_nothing_to_do(shop, file):
    await library.rollout(shop.folder, plan=file)
    before = await shop.state()
    report = await library.rollout(shop.folder, plan=file)

    assert (report.outcome, report.run_id) == (Outcome.SUCCEEDED, ""), report.message
    assert [report.calls[one] for one in ("apply", "patch", "delete", "dry-run")] == [0] * 4
    assert await shop.state() == before


@pytest.mark.parametrize(
    ("name", "path"),
    [("a", "data.x"), ("b", "data.x"), ("d", "data.x")],
    ids=["update", "keep", "prune"],
)
async def test_one_object_that_somebody_changed_refuses_it(shop, file, kubectl, name, path):
    kubectl("patch", "configmap", name, "-n", shop.name, "-p", '{"data":{"x":"theirs"}}')

    message = await refusal(shop, file)

    assert re.search(
        rf"ConfigMap/{shop.name}/{name} was changed meanwhile by kubectl-patch", message
    )
    assert message.endswith(f": {path}")


async def test_one_label_that_somebody_set_refuses_it(shop, file, kubectl):
    kubectl("label", "deployment", "web", "-n", shop.name, "tier=gold")

    message = await refusal(shop, file)

    assert message.endswith(": metadata.labels.tier")


async def test_an_object_that_was_deleted_or_made_again_refuses_it(shop, file, kubectl):
    kubectl("delete", "configmap", "a", "b", "-n", shop.name)
    kubectl("create", "configmap", "b", "-n", shop.name)

    message = await refusal(shop, file)

    assert f"ConfigMap/{shop.name}/a was deleted meanwhile" in message
    assert f"ConfigMap/{shop.name}/b was deleted and created again meanwhile" in message


async def test_a_source_that_changed_refuses_it(shop, make, file):
    shop.write(make.config("a", x="3"))

    assert f"ConfigMap/{shop.name}/a is rendered differently" in await refusal(shop, file)


async def test_a_document_that_changed_refuses_it(shop, file):
    shop.declare(health={"timeout": "9m"})

    assert "document spec.health.timeout was changed" in await refusal(shop, file)


async def test_a_site_that_changed_refuses_it(shop, file):
    site = shop.folder / "site.toml"
    site.write_text(f"{site.read_text()}\n[site]\nname = 'other'\n")

    assert "site site.name was changed" in await refusal(shop, file)


async def test_another_rollout_in_between_refuses_it(shop, make, file):
    shop.write(make.config("a", x="3"))
    await shop.rollout()
    shop.write(make.config("a", x="2"))
    with pytest.raises(Refused, match="since then there is revision 2, succeeded"):
        await library.rollout(shop.folder, plan=file)


async def test_a_status_that_moved_does_not_refuse_it(shop, file, kubectl):
    status = '{"status":{"conditions":[{"type":"Odd","status":"True"}]}}'
    kubectl(
        "patch", "deployment", "web", "-n", shop.name, "--subresource=status",
        "--type=merge", "-p", status,
    )  # fmt: skip

    assert (await library.rollout(shop.folder, plan=file)).outcome is Outcome.SUCCEEDED


async def test_a_prune_that_somebody_did_already_does_not_refuse_it(shop, file, kubectl):
    kubectl("delete", "configmap", "d", "-n", shop.name)

    assert (await library.rollout(shop.folder, plan=file)).outcome is Outcome.SUCCEEDED


async def test_a_secret_stands_in_the_file_by_digests_only(shop, file):
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"password": "hunter2"},
    }  # fmt: skip
    shop.write(secret)
    await library.save_plan(shop.folder, file)
    text = file.read_text()
    report = await library.rollout(shop.folder, plan=file)

    assert ("hunter2" in text, "aHVudGVyMg==" in text) == (False, False)
    assert report.outcome is Outcome.SUCCEEDED, report.message


def test_another_machine_carries_it_out(shop, make, tmp_path):
    """Another folder, another process, another home: the plan and the repository are the same."""
    shop.write(make.config("a"))
    done = subprocess.run(
        [*ROLLWRIGHT, "plan", str(shop.folder), "--save", str(tmp_path / "plan.json")],
        capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    other = tmp_path / "other" / "checkout"
    shutil.copytree(shop.folder, other)
    shutil.copy(tmp_path / "plan.json", other.parent / "approved.json")
    home = tmp_path / "home"
    home.mkdir()
    command = [*ROLLWRIGHT, "rollout", str(other), "--plan", "../approved.json", "-o", "json"]
    done = subprocess.run(
        command, cwd=other, env={**os.environ, "HOME": str(home)},
        capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    report = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert report["plan"]["id"] == json.loads((tmp_path / "plan.json").read_text())["id"]


def test_the_command_line_saves_refuses_and_carries_out(shop, make, tmp_path, capsys, kubectl):
    file = tmp_path / "plan.json"
    shop.write(make.config("a", x="1"))
    assert main(["plan", str(shop.folder), "--save", str(file)]) == 0
    identity = json.loads(file.read_text())["id"]
    assert f"saved plan {identity} to {file}" in capsys.readouterr().err
    kubectl("create", "configmap", "a", "-n", shop.name)
    refused = main(["rollout", str(shop.folder), "--plan", str(file)])
    told = capsys.readouterr().err
    kubectl("delete", "configmap", "a", "-n", shop.name)
    carried = main(["rollout", str(shop.folder), "--plan", str(file)])

    assert (refused, carried, oct(file.stat().st_mode & 0o777)) == (4, 0, "0o644")
    assert f"ConfigMap/{shop.name}/a was created meanwhile" in told


def test_an_approval_names_a_plan(shop, make, tmp_path, capsys):
    shop.declare(approval="always")
    shop.write(make.config("a"))
    main(["plan", str(shop.folder), "-o", "json"])
    identity = json.loads(capsys.readouterr().out)["id"]
    unasked = main(["rollout", str(shop.folder)])
    other = main(["rollout", str(shop.folder), "--approved", "0123456789ab"])
    told = capsys.readouterr().err
    short = identity.removeprefix("sha256:")[:12]

    assert (unasked, other, main(["rollout", str(shop.folder), "--approved", short])) == (4, 4, 0)
    assert ("0123456789ab" in told, identity in told) == (True, True)


@pytest.mark.parametrize("words", [["plan", "--save", "-"], ["rollout", "--approved", "abc"]])
def test_what_names_no_file_and_no_plan_is_a_usage_error(shop, words):
    command, *options = words

    assert main([command, str(shop.folder), *options]) == 2


async def test_a_run_that_broke_off_is_resumed_without_a_dry_run(shop, make, tmp_path):
    """Quantities, ports and selectors have another form on the server than in the manifest."""
    limits = {"resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}}
    container = {"name": "main", "image": "shop/web:1", **limits}
    objects = (
        make.config("a", x="1"), make.service("web"), make.job("once"),
        make.deployment("web", pod={"containers": [container]}),
    )  # fmt: skip
    shop.write(*objects)
    file = tmp_path / "plan.json"
    await library.save_plan(shop.folder, file)
    seen: list[StepResult] = []

    async def crash(site, run, wave):
        seen.extend(await stages.execute(site, run, wave))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with shop.open() as site:
            broken = replace(stages.DIRECT, execute=crash)
            await roll_out_saved(site, site.rollout, read_plan(file), broken)
    report = await library.rollout(shop.folder, plan=file)

    assert seen
    assert (report.outcome, report.calls["dry-run"]) == (Outcome.SUCCEEDED, 0), report.message
    assert {change.operation.value for change in report.changes} == {"keep"}


async def test_what_comes_with_its_kind_and_namespace_is_carried_out(shop, make, tmp_path):
    group = f"{shop.name}.example.com"
    space = f"{shop.name}-new"
    basket = {
        "apiVersion": f"{group}/v1", "kind": "Basket",
        "metadata": {"name": "b", "namespace": space}, "spec": {"size": 1},
    }  # fmt: skip
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
    shop.write(make.crd(group), namespace, basket, make.config("inside", space))
    file = tmp_path / "plan.json"
    try:
        await library.save_plan(shop.folder, file)
        first = await library.rollout(shop.folder, plan=file)
        second = await library.rollout(shop.folder, plan=file)
    finally:
        await shop.remove()

    assert (first.outcome, second.outcome) == (Outcome.SUCCEEDED, Outcome.SUCCEEDED), first.message
    assert second.run_id == ""


async def test_a_controller_that_scales_a_kept_workload_does_not_refuse_it(
    shop, make, tmp_path, kubectl
):
    deployment = make.deployment("web")
    del deployment["spec"]["replicas"]
    shop.write(deployment)
    await shop.rollout()
    shop.write(make.config("a"))
    file = tmp_path / "plan.json"
    await library.save_plan(shop.folder, file)
    kubectl("scale", "deployment", "web", "-n", shop.name, "--replicas=2")

    assert (await library.rollout(shop.folder, plan=file)).outcome is Outcome.SUCCEEDED


async def test_a_conflict_that_is_taken_is_part_of_what_is_carried_out(
    shop, make, tmp_path, kubectl
):
    shop.write(make.config("a", x="1"))
    await shop.rollout()
    kubectl("patch", "configmap", "a", "-n", shop.name, "-p", '{"data":{"x":"theirs"}}')
    file = tmp_path / "plan.json"
    made = await library.save_plan(shop.folder, file)
    report = await library.rollout(shop.folder, plan=file)

    assert [one.manager for change in made.plan.changes for one in change.conflicts] == [
        "kubectl-patch"
    ]
    assert (await shop.get("ConfigMap", "a")).body["data"] == {"x": "1"}
    assert (report.outcome, report.calls["dry-run"]) == (Outcome.SUCCEEDED, 0)


async def test_fields_that_are_left_to_others_are_left_when_it_is_carried_out(
    shop, make, tmp_path, kubectl
):
    rule = {"target": {"kind": "ConfigMap"}, "paths": ["/data/y"]}
    shop.declare(apply={"ignore": [rule]})
    kubectl("create", "configmap", "a", "-n", shop.name, "--from-literal=y=theirs")
    shop.write(make.config("a", x="1", y="ours"))
    file = tmp_path / "plan.json"
    await library.save_plan(shop.folder, file)
    report = await library.rollout(shop.folder, plan=file)

    assert (await shop.get("ConfigMap", "a")).body["data"] == {"x": "1", "y": "theirs"}
    assert (report.outcome, report.calls["dry-run"]) == (Outcome.SUCCEEDED, 0), report.message


async def test_an_object_that_is_made_anew_is_replaced_and_then_left_alone(
    shop, make, tmp_path, kubectl
):
    shop.declare(apply={"recreateImmutable": ["Job"]})
    shop.write(make.job("once"))
    await shop.rollout()
    before = (await shop.get("Job", "once")).uid
    shop.write(make.job("once", image="shop/job:2"))
    file = tmp_path / "plan.json"
    await library.save_plan(shop.folder, file)
    first = await library.rollout(shop.folder, plan=file)
    after = (await shop.get("Job", "once")).uid
    second = await library.rollout(shop.folder, plan=file)

    assert (first.outcome, before != after) == (Outcome.SUCCEEDED, True), first.message
    assert (second.run_id, (await shop.get("Job", "once")).uid) == ("", after), second.message


async def test_a_hold_that_came_meanwhile_refuses_it(shop, file):
    await library.hold(shop.folder, reason="freeze")

    with pytest.raises(Refused, match="freeze"):
        await library.rollout(shop.folder, plan=file)
