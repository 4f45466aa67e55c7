"""Input that no run is made of: the right error, and nothing has changed."""

from __future__ import annotations

import json
import re

import pytest

from rollwright import library
from rollwright.errors import (
    ClusterError,
    InvalidDocument,
    InvalidManifests,
    InvalidSpec,
    NotFound,
    Refused,
    RolloutError,
    Unreachable,
)
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: broken}\n"
BAD = {
    "broken YAML": ("a: [1", InvalidDocument, ""),
    "a duplicate key": ("apiVersion: v1\napiVersion: v1\n", InvalidDocument, "apiVersion"),
    "an unknown field": (CONFIG + "dota: {a: b}\n", InvalidManifests, "dota"),
    "one identity twice": (CONFIG + "---\n" + CONFIG, InvalidManifests, "broken"),
    "an unknown kind": (
        "apiVersion: apps/v1\nkind: Deploiment\nmetadata: {name: broken}\n",
        InvalidManifests,
        "did you mean 'Deployment'?",
    ),
    "a value the server refuses": (
        CONFIG.replace("broken", "Not A Name"),
        InvalidManifests,
        "Not A Name",
    ),
}


@pytest.mark.parametrize("case", BAD, ids=lambda one: one.replace(" ", "-"))
async def test_bad_manifests_are_refused_and_nothing_is_written(shop, make, case):
    text, kind, words = BAD[case]
    shop.write(make.config("good"), broken=text)

    with pytest.raises(RolloutError) as caught:
        await shop.rollout()

    assert isinstance(caught.value, kind)
    assert caught.value.exit_code == 2
    assert words in caught.value.message
    assert await shop.get("ConfigMap", "good") is None


async def test_a_namespaced_object_without_a_namespace_is_refused(shop, make):
    shop.declare(target={"namespace": ""})
    shop.write(make.config("homeless"))

    with pytest.raises(InvalidManifests) as caught:
        await shop.rollout()

    assert caught.value.exit_code == 2
    assert "homeless" in caught.value.message


async def test_an_object_of_another_rollout_is_refused(shop, make, tmp_path):
    shop.write(make.config("shared"))
    await shop.rollout()
    other = type(shop)(tmp_path / "other", shop.name, shop.kubeconfig)
    document = json.loads((other.folder / "rollout.yaml").read_text())
    document["metadata"]["name"] = "other"
    (other.folder / "rollout.yaml").write_text(json.dumps(document))
    other.write(make.config("shared"))

    with pytest.raises(Refused) as caught:
        await other.rollout()

    assert caught.value.exit_code == 4
    assert shop.name in caught.value.message


async def test_a_target_that_does_not_answer_is_unreachable(shop, make, tmp_path):
    kubeconfig = tmp_path / "nowhere"
    kubeconfig.write_text(json.dumps(a_kubeconfig("https://127.0.0.1:9", {})))
    shop.settle(kubeconfig=kubeconfig)
    shop.write(make.config("a"))

    with pytest.raises(Unreachable) as caught:
        await shop.rollout()

    assert caught.value.exit_code == 3


async def test_who_has_no_rights_is_told_which_are_missing(shop, make, kubectl, sandbox, tmp_path):
    shop.settle(kubeconfig=restricted(shop, kubectl, sandbox, tmp_path))
    shop.write(make.config("a"))

    with pytest.raises(ClusterError) as caught:
        await shop.rollout()

    assert caught.value.exit_code == 2
    assert caught.value.status == 403
    assert re.search("get|list", str(caught.value.hint))


async def test_rights_in_the_namespace_are_enough_to_roll_out(
    shop, make, kubectl, sandbox, tmp_path
):
    shop.settle(kubeconfig=restricted(shop, kubectl, sandbox, tmp_path))
    binding = "rolebinding", "shop", "--clusterrole=admin", f"--serviceaccount={shop.name}:poor"
    kubectl("-n", shop.name, "create", *binding)
    leases = ("role", "leases", "--verb=*", "--resource=leases,secrets,events,controllerrevisions")
    kubectl("-n", shop.name, "create", *leases)
    bound = ("rolebinding", "leases", "--role=leases", f"--serviceaccount={shop.name}:poor")
    kubectl("-n", shop.name, "create", *bound)
    look = ("clusterrole", f"{shop.name}-look", "--verb=get", "--resource=namespaces")
    kubectl("create", *look)
    looks = f"--clusterrole={shop.name}-look", f"--serviceaccount={shop.name}:poor"
    kubectl("create", "clusterrolebinding", f"{shop.name}-look", *looks)
    shop.write(make.config("a"), make.deployment("web", "slow-start"))

    report = await shop.rollout()
    kubectl("delete", "clusterrolebinding,clusterrole", f"{shop.name}-look")

    assert report.outcome is Outcome.SUCCEEDED, report.message


async def test_a_document_that_is_no_rollout_is_refused(shop):
    (shop.folder / "rollout.yaml").write_text(CONFIG)

    with pytest.raises(InvalidSpec) as caught:
        await shop.rollout()

    assert caught.value.exit_code == 2


async def test_a_cluster_that_the_site_does_not_name_is_not_found(shop, make):
    shop.declare(target={"cluster": "elsewhere"})
    shop.write(make.config("a"))

    with pytest.raises(NotFound) as caught:
        await shop.rollout()

    assert caught.value.exit_code == 2
    assert "here" in caught.value.message


async def test_a_suspended_rollout_is_refused(shop, make):
    shop.declare(suspend=True)
    shop.write(make.config("a"))

    with pytest.raises(Refused):
        await shop.rollout()

    assert await shop.get("ConfigMap", "a") is None


async def test_an_empty_render_of_a_new_rollout_is_nothing_to_do(shop):
    shop.write(note="# nothing\n")

    report = await library.rollout(shop.folder)

    assert report.outcome is Outcome.SUCCEEDED
    assert report.run_id == ""


def a_kubeconfig(server, user, ca=None):
    cluster = {"server": server, **({"certificate-authority-data": ca} if ca else {})}
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip


def restricted(shop, kubectl, sandbox, tmp_path):
    """Return the kubeconfig of a service account without any rights."""
    kubectl("-n", shop.name, "create", "serviceaccount", "poor")
    token = kubectl("-n", shop.name, "create", "token", "poor").strip()
    view = json.loads(
        kubectl("config", "view", "--raw", "--minify", "-o", "json")
    )["clusters"][0]["cluster"]  # fmt: skip
    path = tmp_path / "poor.kubeconfig"
    config = a_kubeconfig(view["server"], {"token": token}, view["certificate-authority-data"])
    path.write_text(json.dumps(config))
    return path
