"""A failed run goes back as a whole, and stays back until its source changes."""

from __future__ import annotations

import pytest

from rollwright import library
from rollwright.engine.returning.history import prepare_rollback
from rollwright.errors import NotFound, Refused
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

IMPATIENT = {"timeout": "20s", "progressTimeout": "3s"}


async def a_good_and_a_bad_revision(shop, make, **spec):
    shop.declare(onFailure="rollback", health=IMPATIENT, **spec)
    shop.write(make.config("settings", color="blue"), make.deployment("web"))
    await shop.rollout()
    shop.write(make.config("settings", color="red"), make.deployment("web", "image-pull-error"))
    return await shop.rollout()


def gone_to(report):
    """Return the number of the revision that a run went back to."""
    return report.plan.rollback and report.plan.rollback.revision


def color(found):
    return found.body["data"]["color"]


def behavior(found):
    return len(found.body["spec"]["template"]["metadata"]["labels"])


async def test_a_bad_image_brings_config_and_workload_back_together(shop, make):
    report = await a_good_and_a_bad_revision(shop, make)

    assert report.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}
    assert report.rollback.outcome is Outcome.SUCCEEDED
    assert "rolled back to revision 1" in report.message
    assert color(await shop.get("ConfigMap", "settings")) == "blue"
    assert behavior(await shop.get("Deployment", "web")) == 1


async def test_history_and_hold_tell_of_it(shop, make):
    await a_good_and_a_bad_revision(shop, make)

    state = await shop.state()

    assert [(one.kind, one.rolled_back_to) for one in state.revisions] == [
        ("manual", 0), ("manual", 0), ("rollback", 1),
    ]  # fmt: skip
    assert state.revisions[2].digest == state.revisions[0].digest
    assert (state.hold.revision, state.hold.bad_digest) == (1, state.revisions[1].digest)


async def test_the_next_trigger_of_the_same_source_does_nothing(shop, make):
    await a_good_and_a_bad_revision(shop, make)
    before = await shop.state()

    with pytest.raises(Refused) as caught:
        await shop.rollout()

    assert "held at revision 1" in caught.value.message
    assert caught.value.exit_code == 4
    assert await shop.state() == before
    assert color(await shop.get("ConfigMap", "settings")) == "blue"


async def test_a_new_source_lifts_the_hold(shop, make):
    await a_good_and_a_bad_revision(shop, make)
    shop.write(make.config("settings", color="green"), make.deployment("web"))

    report = await shop.rollout()

    state = await shop.state()
    assert report.outcome is Outcome.SUCCEEDED
    assert state.hold is None
    assert [entry.kind for entry in state.audit] == ["hold", "release"]
    assert color(await shop.get("ConfigMap", "settings")) == "green"


async def test_a_source_that_went_back_lifts_the_hold_too(shop, make):
    await a_good_and_a_bad_revision(shop, make)
    shop.write(make.config("settings", color="blue"), make.deployment("web"))

    await shop.rollout()

    assert (await shop.state()).hold is None


async def test_what_the_failed_revision_added_goes_and_what_it_removed_comes_back(shop, make):
    shop.declare(onFailure="rollback", health=IMPATIENT)
    shop.write(make.config("old"), make.config("settings"), make.deployment("web"))
    await shop.rollout()
    shop.drop("old")
    shop.write(make.config("new"), make.deployment("web", "image-pull-error"))
    await shop.rollout()

    assert await shop.get("ConfigMap", "new") is None
    assert await shop.get("ConfigMap", "old") is not None


async def test_without_an_earlier_success_the_report_says_so(shop, make):
    shop.declare(onFailure="rollback", health=IMPATIENT)
    shop.write(make.deployment("web", "image-pull-error"))

    report = await shop.rollout()

    assert report.rollback is None
    assert "no earlier success" in report.message
    assert (await shop.state()).hold is None


async def test_a_rollback_that_breaches_a_guard_is_not_carried_out(shop, make):
    shop.declare(onFailure="rollback", health=IMPATIENT, prune={"maxCount": 0})
    shop.write(make.deployment("web"))
    await shop.rollout()
    shop.write(make.config("new"), make.deployment("web", "image-pull-error"))

    report = await shop.rollout()

    assert report.rollback is None
    assert "not rolled back to revision 1: guard PR-03" in report.message
    assert await shop.get("ConfigMap", "new") is not None


async def test_a_secret_comes_back_with_its_values(shop, make):
    shop.declare(onFailure="rollback", health=IMPATIENT)
    shop.write(secret("blue"), make.deployment("web"))
    await shop.rollout()
    shop.write(secret("red"), make.deployment("web", "image-pull-error"))

    report = await shop.rollout()

    assert report.rollback.outcome is Outcome.SUCCEEDED
    assert (await shop.get("Secret", "key")).body["data"] == {"color": "Ymx1ZQ=="}


def secret(value):
    return {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
        "stringData": {"color": value},
    }  # fmt: skip


async def two_revisions(shop, make):
    shop.write(make.config("settings", color="blue"), make.config("old"))
    await shop.rollout()
    shop.drop("old")
    shop.write(make.config("settings", color="red"), make.config("new"))
    await shop.rollout()


async def test_a_person_goes_back_and_the_source_is_held(shop, make):
    await two_revisions(shop, make)

    report = await library.rollback(shop.folder)

    state = await shop.state()
    assert (report.outcome, gone_to(report)) == (Outcome.SUCCEEDED, 1)
    assert color(await shop.get("ConfigMap", "settings")) == "blue"
    assert [await shop.get("ConfigMap", name) is not None for name in ("old", "new")] == [
        True,
        False,
    ]
    assert state.hold.bad_digest == state.revisions[1].digest
    with pytest.raises(Refused, match="held at revision 1"):
        await shop.rollout()


async def test_a_replay_of_the_current_revision_has_nothing_to_do(shop, make):
    await two_revisions(shop, make)
    before = await shop.state()

    report = await library.rollback(shop.folder, to=2)

    assert (report.outcome, report.run_id) == (Outcome.SUCCEEDED, "")
    assert await shop.state() == before


async def test_a_replay_makes_the_same_plan_again(shop, make, kubectl):
    shop.write(make.config("settings", color="blue"), make.config("other"))
    await shop.rollout()
    first = (await shop.state()).revisions[0]
    kubectl("-n", shop.name, "delete", "configmap", "settings", "other")

    async with shop.open() as site:
        prepared = await prepare_rollback(
            site, shop.name, to=1, declared=shop.load().spec, cluster="here"
        )

    assert prepared.plan.id == first.plan_id


async def test_a_second_rollback_goes_further_back(shop, make):
    for value in ("blue", "red", "green"):
        shop.write(make.config("settings", color=value))
        await shop.rollout()

    await library.rollback(shop.folder)
    report = await library.rollback(shop.folder)

    state = await shop.state()
    assert gone_to(report) == 1
    assert state.hold.bad_digests == {one.digest for one in state.revisions[1:3]}
    with pytest.raises(NotFound):
        await library.rollback(shop.folder)


async def test_a_failed_revision_cannot_be_gone_back_to(shop, make):
    shop.declare(health=IMPATIENT)
    shop.write(make.deployment("web", "image-pull-error"))
    await shop.rollout()

    with pytest.raises(NotFound, match="were not kept"):
        await library.rollback(shop.folder, to=1)


async def test_a_crd_is_left_as_it_is(shop, make, kubectl):
    crd = make.crd(f"{shop.name}.example.com")
    name = crd["metadata"]["name"]
    try:
        shop.write(make.config("settings", color="blue"), crd)
        await shop.rollout()
        changed = make.crd(f"{shop.name}.example.com")
        changed["spec"]["names"]["shortNames"] = ["bsk"]
        shop.write(make.config("settings", color="red"), changed)
        await shop.rollout()

        report = await library.rollback(shop.folder)

        live = await shop.get("CustomResourceDefinition", name)
        (why,) = report.plan.kept.values()
        assert report.outcome is Outcome.SUCCEEDED
        assert live.body["spec"]["names"]["shortNames"] == ["bsk"]
        assert "CRDs are not rolled back" in why
        assert (await shop.state()).revisions[2].digest == (await shop.state()).revisions[0].digest
    finally:
        kubectl("delete", "crd", name, "--ignore-not-found")


async def test_the_difference_of_two_revisions_is_told_by_field(shop, make):
    await two_revisions(shop, make)

    found = await library.diff(shop.folder, 1)

    assert {one.ref.name: one.kind for one in found.objects} == {
        "old": "removed", "new": "added", "settings": "changed",
    }  # fmt: skip
    (changed,) = (one for one in found.objects if one.kind == "changed")
    assert [(one.path, one.old, one.new) for one in changed.fields] == [
        ("data.color", "blue", "red")
    ]
