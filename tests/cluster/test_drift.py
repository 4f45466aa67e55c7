"""What differs from the last rollout, on a real API server: it alone knows who holds a field."""

from __future__ import annotations

import json

import pytest

from rollwright import library
from rollwright.cli.app import run
from rollwright.rollouts.describe.drift import describe_drift
from rollwright.rollouts.drift.find import DriftKind
from rollwright.rollouts.machine.drift import drift_form

pytestmark = pytest.mark.cluster


@pytest.fixture
async def web(shop, make):
    """A rollout with a Deployment, a ConfigMap, a Service and a Secret, rolled out."""
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"},
        "stringData": {"key": "correct horse"},
    }  # fmt: skip
    container = {
        "name": "main", "image": "shop/web:1", "args": ["-a", "-b"],
        "resources": {"requests": {"cpu": "0.1"}},
    }  # fmt: skip
    shop.write(
        make.deployment("web", replicas=3, pod={"containers": [container]}),
        make.config("settings", color="blue", size="1"),
        make.service("front"),
        secret,
    )
    report = await shop.rollout()
    assert report.outcome == "succeeded", report.message
    return shop


@pytest.fixture
def here(web, kubectl):
    """Use kubectl in the rollout's namespace."""

    def here(*words, **more):
        return kubectl("-n", web.name, *words, **more)

    return here


async def look(shop):
    return await library.drift(shop.folder)


def only(drift):
    (one,) = drift.objects
    return one


async def test_nothing_has_drifted_right_after_a_rollout(web):
    drift = await look(web)

    assert (drift.is_drifted, drift.revision, drift.notes) == (False, 1, ())


async def test_a_scaled_deployment_names_old_new_manager_and_subresource(web, here):
    here("scale", "deployment/web", "--replicas=5")

    one = only(await look(web))
    (field,) = one.fields

    assert (one.kind, field.path, field.old, field.new) == (
        DriftKind.CHANGED,
        "spec.replicas",
        3,
        5,
    )
    assert (field.holder.manager, field.holder.operation, field.holder.subresource) == (
        "kubectl",
        "Update",
        "scale",
    )


async def test_an_edit_names_every_field_and_when(web, here):
    patch = json.dumps(
        {
            "metadata": {"labels": {"team": "theirs"}},
            "spec": {
                "template": {
                    "spec": {"containers": [{"name": "main", "image": "evil:2", "args": ["-x"]}]}
                }
            },
        }
    )
    here("patch", "deployment/web", "--field-manager=mallory", "-p", patch)

    one = only(await look(web))

    found = {field.path: (field.old, field.new) for field in one.fields}
    assert found == {
        "spec.template.spec.containers[main].image": ("shop/web:1", "evil:2"),
        "spec.template.spec.containers[main].args": (["-a", "-b"], ["-x"]),
    }
    assert {field.holder.manager for field in one.fields} == {"mallory"}
    assert all(field.holder.at is not None for field in one.fields)


async def test_fields_that_others_add_are_theirs(web, here):
    here("label", "configmap/settings", "team=theirs")
    here("annotate", "deployment/web", "note=theirs")

    drift = await look(web)

    assert drift.objects == ()


async def test_a_removed_field_names_nobody(web, here):
    patch = json.dumps([{"op": "remove", "path": "/data/color"}])
    here("patch", "configmap/settings", "--type=json", "-p", patch)

    one = only(await look(web))
    (field,) = one.fields

    assert (field.path, field.old, field.holder.manager) == ("data.color", "blue", "")
    assert "nobody" in str(describe_drift(await look(web))[2])


async def test_a_deleted_object_is_missing_and_nobody_can_be_named(web, here):
    here("delete", "configmap/settings")

    one = only(await look(web))

    assert (one.kind, one.holder.manager) == (DriftKind.MISSING, "")
    assert "nobody can be named" in one.message


async def test_an_object_created_again_names_its_creator(web, here):
    here("delete", "configmap/settings")
    here("create", "configmap", "settings", "--from-literal=color=red")

    one = only(await look(web))

    values = {field.path: (field.old, field.new) for field in one.fields}
    assert one.kind is DriftKind.RECREATED
    assert one.holder.manager == "kubectl-create"
    assert values["data.color"] == ("blue", "red")


async def test_another_manager_that_takes_the_same_value_is_told(web, here):
    body = json.dumps(
        {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
            "data": {"color": "green"},
        }
    )  # fmt: skip
    theirs = ("apply", "--server-side", "--field-manager=argo", "--force-conflicts", "-f", "-")
    here(*theirs, stdin=body)
    here(*theirs, stdin=body.replace("green", "blue"))

    one = only(await look(web))

    assert one.kind is DriftKind.LOST
    assert [(field.path, field.holder.manager) for field in one.fields] == [("data.color", "argo")]


async def test_a_secret_drifts_without_its_values(web, here):
    here("patch", "secret/token", "--type=merge", "-p", '{"stringData":{"key":"battery staple"}}')

    drift = await look(web)

    told = str([str(line) for line in describe_drift(drift)]) + json.dumps(drift_form(drift))
    (field,) = only(drift).fields
    assert field.path == "data.key"
    assert field.old != field.new
    for text in ("horse", "battery", "Y29ycmVjdCBob3JzZQ", "YmF0dGVyeSBzdGFwbGU"):
        assert text not in told


async def test_replicas_that_an_autoscaler_owns_are_no_drift(web, here):
    body = {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "minReplicas": 1, "maxReplicas": 9,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        },
    }  # fmt: skip
    here("scale", "deployment/web", "--replicas=2")
    here("apply", "-f", "-", stdin=json.dumps(body))

    assert (await look(web)).objects == ()


async def test_an_object_with_our_label_that_nobody_knows_is_extra(web, here):
    here("create", "configmap", "stranger", "--from-literal=a=b")
    here("label", "configmap/stranger", f"rollwright.dev/rollout={web.name}")

    one = only(await look(web))

    assert (one.kind, one.ref.name) == (DriftKind.EXTRA, "stranger")
    assert one.holder.manager


async def test_the_rollouts_own_label_counts(web, here):
    here("label", "configmap/settings", "rollwright.dev/rollout-")

    one = only(await look(web))

    assert [field.path for field in one.fields] == ["metadata.labels['rollwright.dev/rollout']"]


async def test_most_objects_cost_one_list_a_kind(web):
    from rollwright.engine import operations

    async with web.open() as site:
        cluster = await site.cluster(web.load().spec)
        await operations.drift(site, web.name, cluster="here")
        before = dict(cluster.calls)
        await operations.drift(site, web.name, cluster="here")
        after = cluster.calls

    assert after["dry-run"] == before["dry-run"] == 0
    # four kinds, and one of the state's parts
    assert after["list"] - before["list"] <= 5


async def test_drift_is_against_what_was_rolled_out_not_against_the_source(web, make):
    web.write(make.config("settings", color="red"))

    assert (await look(web)).objects == ()


async def test_what_the_rolled_out_document_ignores_is_no_drift(shop, make, kubectl):
    ignore = [{"target": {"kind": "ConfigMap"}, "paths": ["/data/color"]}]
    shop.declare(apply={"ignore": ignore})
    shop.write(make.config("settings", color="blue", size="1"))
    await shop.rollout()
    patch = '{"data":{"color":"red","size":"2"}}'
    kubectl("-n", shop.name, "patch", "configmap/settings", "-p", patch)

    one = only(await look(shop))

    assert [field.path for field in one.fields] == ["data.size"]


async def test_a_rollout_corrects_text_data_of_a_secret_too(web, here):
    here("patch", "secret/token", "--type=merge", "-p", '{"stringData":{"key":"battery staple"}}')

    await web.rollout()

    assert (await look(web)).objects == ()
    encoded = json.loads(here("get", "secret/token", "-o", "json"))["data"]["key"]
    assert encoded == "Y29ycmVjdCBob3JzZQ=="


async def test_a_rollout_corrects_it(web, here):
    here("scale", "deployment/web", "--replicas=5")
    here("delete", "configmap/settings")

    await web.rollout()

    assert (await look(web)).objects == ()


async def test_the_command_exits_with_10_only_if_asked(web, here, monkeypatch, capsys):
    here("scale", "deployment/web", "--replicas=5")
    monkeypatch.chdir(web.folder)
    words = ["drift", web.name, "--cluster", "here"]

    codes = [
        await in_thread(words),
        await in_thread([*words, "--exit-code"]),
        await in_thread([*words, "-o", "json"]),
    ]

    told = capsys.readouterr().out
    assert codes == [0, 10, 0]
    assert "spec.replicas: 3 → 5 by kubectl (Update, subresource scale)" in told
    assert '"isDrifted": true' in told
    assert "roll out again to correct it" in told


async def test_without_a_name_every_rollout_is_looked_at(web, here, monkeypatch, capsys):
    here("delete", "configmap/settings")
    monkeypatch.chdir(web.folder)

    code = await in_thread(["drift", "--cluster", "here", "--exit-code", "-o", "json"])

    form = json.loads(capsys.readouterr().out)
    (item,) = form["items"]
    assert (code, form["kind"], item["rollout"]) == (10, "DriftList", web.name)
    assert [one["drift"] for one in item["objects"]] == ["missing"]


async def in_thread(words):
    import asyncio

    return await asyncio.to_thread(run, words)
