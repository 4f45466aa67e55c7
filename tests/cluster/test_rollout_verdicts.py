"""What a rollout says of workloads that do not come up, and of those that need not."""

from __future__ import annotations

import pytest

from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster


def fate(report, name):
    """Return what became of an object, by its name."""
    return next(change for change in report.changes if change.ref.name == name)


async def test_each_workload_that_fails_says_why(shop, make):
    huge = {"requests": {"cpu": "9999"}}
    container = {"name": "main", "image": "shop/greedy:1", "resources": huge}
    shop.declare(health={"timeout": "6s"})
    shop.write(
        make.deployment("picture", "image-pull-error"),
        make.deployment("crasher", "crash-loop"),
        make.deployment("greedy", pod={"containers": [container]}),
        make.deployment("eater", "oom"),
        make.job("migrate", "fail"),
        make.deployment("fine"),
        claim("waiting"),
    )

    report = await shop.rollout()

    assert report.outcome is Outcome.FAILED
    told = {name: fate(report, name) for name in WORDS}
    assert {name: one.outcome for name, one in told.items()} == {
        name: Outcome.FAILED if name == "migrate" else Outcome.TIMED_OUT for name in WORDS
    }
    for name, word in WORDS.items():
        assert word in told[name].message
    assert fate(report, "fine").outcome is Outcome.SUCCEEDED
    assert fate(report, "waiting").outcome is Outcome.SUCCEEDED
    assert report.failures[0].message in report.message


WORDS = {
    "picture": "cannot pull",
    "crasher": "crash",
    "greedy": "cpu",
    "eater": "memory",
    "migrate": "failed",
}


def claim(name):
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "waits-for-first-consumer",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }  # fmt: skip


@pytest.fixture(autouse=True)
def storage_class(kubectl):
    """A class whose claims stay Pending until a pod uses them."""
    body = """{"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "waits-for-first-consumer"},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}"""
    kubectl("apply", "-f", "-", stdin=body)


async def test_a_quota_that_is_exceeded_is_told(shop, make, kubectl):
    quota = f"""{{"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {{"name": "small", "namespace": "{shop.name}"}}, "spec": {{"hard": {{"pods": "0"}}}}}}"""
    kubectl("apply", "-f", "-", stdin=quota)
    kubectl(
        "-n", shop.name, "wait", "resourcequota/small",
        "--for=jsonpath={.status.hard.pods}=0", "--timeout=20s",
    )  # fmt: skip
    shop.declare(health={"timeout": "3s"})
    shop.write(make.deployment("web"))

    report = await shop.rollout()

    assert report.outcome is Outcome.TIMED_OUT
    assert "quota" in report.message
    assert "quota" in report.hint


async def test_annotations_decide_how_an_object_is_waited_for(shop, make):
    def web(name, **annotations):
        names = {
            f"rollwright.dev/{key.replace('_', '-')}": text for key, text in annotations.items()
        }
        return make.deployment(name, "never-ready", annotations=names)

    shop.write(
        web("skipped", skip_wait="true"),
        web("ignored", health="ignore"),
        web("impatient", timeout="1s"),
        web("asked", wait_for="jsonpath={.metadata.name}=asked"),
    )

    report = await shop.rollout()

    outcomes = {change.ref.name: change.outcome for change in report.changes}
    assert outcomes == {
        "skipped": Outcome.SUCCEEDED,
        "ignored": Outcome.SUCCEEDED,
        "impatient": Outcome.TIMED_OUT,
        "asked": Outcome.SUCCEEDED,
    }


async def test_an_annotation_that_nobody_can_read_is_refused_first(shop, make):
    from rollwright.errors import InvalidManifests

    shop.write(make.deployment("web", annotations={"rollwright.dev/timeout": "soon"}))

    with pytest.raises(InvalidManifests) as caught:
        await shop.rollout()

    assert "rollwright.dev/timeout" in caught.value.message
    assert await shop.get("Deployment", "web") is None


async def test_what_is_skipped_by_the_document_is_not_waited_for(shop, make):
    shop.declare(health={"skip": [{"kind": "Deployment", "name": "web"}]})
    shop.write(make.deployment("web", "never-ready"))

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED


async def test_a_workload_has_to_stay_current_for_as_long_as_it_soaks(shop, make):
    shop.declare(health={"soak": "1s", "timeout": "20s"})
    shop.write(make.deployment("web"), make.config("settings"))

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    web = fate(report, "web")
    waited = (web.ended_at - web.started_at).total_seconds()
    assert waited >= 1
