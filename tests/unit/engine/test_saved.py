"""Plans that are kept in a file and carried out later, over a cluster in memory."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.approval import saved as engine
from rollwright.engine.approval.approvals import approving, read_plan_id
from rollwright.engine.operations import manual_trigger
from rollwright.engine.stages import DIRECT
from rollwright.errors import ClusterError, GuardRefused, InvalidDocument, Refused
from rollwright.plugins.contracts import ApplyRequest, DeleteRequest
from rollwright.rollouts.blast import with_blast
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.pruning.effects import Effect
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.saved.plain_values import from_plain
from rollwright.rollouts.saved.saved_plan import REBUILT, decode, encode


async def save(world):
    """Save the plan and read it again, as from a file."""
    async with world.site() as site:
        rollout = library.load(world.folder)
        made = await engine.save_plan(site, rollout, trigger=manual_trigger("shop"))
    return decode(encode(made), where="plan.json")


async def carry_out(world, saved, stages=DIRECT):
    async with world.site() as site:
        rollout = library.load(world.folder)
        return await engine.roll_out_saved(
            site, rollout, saved, stages, trigger=manual_trigger("shop")
        )


async def refusal(world, saved):
    with pytest.raises(Refused) as caught:
        await carry_out(world, saved)
    assert caught.value.exit_code == 4
    return caught.value.message


async def edit(world, ref, change):
    """Change an object as somebody with an editor."""
    live = world.cluster.objects[ref]
    body = deepcopy(live)
    body["metadata"] = {
        k: v
        for k, v in body["metadata"].items()
        if k in {"name", "namespace", "labels", "annotations"}
    }
    change(body)
    await world.cluster.apply(ApplyRequest(ref=ref, body=body, manager="kubectl-edit", force=True))


@pytest.fixture
async def one_to_change(world, make):
    """A rollout whose next run updates ``a``, keeps ``b``, makes ``c`` and deletes ``d``."""
    world.write(*(make.config(name) for name in "abd"))
    await world.rollout()
    world.write(make.config("a", k="new"), make.config("b"), make.config("c"))
    return world


async def test_an_unchanged_world_is_carried_out_without_a_dry_run(one_to_change, make):
    world = one_to_change
    saved = await save(world)
    asked = world.cluster.calls["dry-run"]
    report = await carry_out(world, saved)

    assert (report.outcome, report.plan.id) == (Outcome.SUCCEEDED, saved.id)
    assert world.cluster.calls["dry-run"] == asked
    assert make.ref("ConfigMap", "d") not in world.cluster.objects
    assert (await world.state()).last.plan_id == saved.id


async def test_a_fresh_plan_of_the_same_world_has_the_id_of_the_saved_one(one_to_change):
    saved = await save(one_to_change)

    assert (await one_to_change.plan()).id == saved.id


@pytest.mark.parametrize("name", ["a", "b"])
async def test_a_changed_object_refuses_the_plan_and_names_the_field(one_to_change, make, name):
    saved = await save(one_to_change)
    await edit(one_to_change, make.ref("ConfigMap", name), lambda b: b["data"].update(k="theirs"))

    message = await refusal(one_to_change, saved)

    assert f"ConfigMap/shop/{name} was changed meanwhile" in message
    assert message.endswith(": data.k")


@pytest.mark.parametrize("name", ["a", "b", "d"])
async def test_a_label_is_a_change(one_to_change, make, name):
    saved = await save(one_to_change)
    ref = make.ref("ConfigMap", name)
    await edit(one_to_change, ref, lambda body: body["metadata"]["labels"].update(tier="gold"))

    assert (await refusal(one_to_change, saved)).endswith(": metadata.labels.tier")


async def test_a_deleted_object_refuses_the_plan(one_to_change, make):
    saved = await save(one_to_change)
    request = DeleteRequest(ref=make.ref("ConfigMap", "b"), api_version="v1")
    await one_to_change.cluster.delete(request)

    assert "ConfigMap/shop/b was deleted meanwhile" in await refusal(one_to_change, saved)


async def test_an_object_that_appears_refuses_the_plan(one_to_change, make):
    saved = await save(one_to_change)
    body = {**make.config("c"), "metadata": {"name": "c", "namespace": "shop"}}
    request = ApplyRequest(ref=make.ref("ConfigMap", "c"), body=body, manager="kubectl")
    await one_to_change.cluster.apply(request)

    assert "ConfigMap/shop/c was created meanwhile" in await refusal(one_to_change, saved)


async def test_a_prune_whose_object_is_gone_is_already_so(one_to_change, make):
    saved = await save(one_to_change)
    request = DeleteRequest(ref=make.ref("ConfigMap", "d"), api_version="v1")
    await one_to_change.cluster.delete(request)
    report = await carry_out(one_to_change, saved)

    assert report.outcome is Outcome.SUCCEEDED
    assert any("already gone" in getattr(one, "text", "") for one in one_to_change.heard)
    assert make.ref("ConfigMap", "d") not in (await one_to_change.state()).by_ref


async def test_another_document_refuses_the_plan_and_names_its_part(one_to_change):
    saved = await save(one_to_change)
    one_to_change.declare(prune={"maxCount": 9})

    assert "document spec.prune.maxCount was changed" in await refusal(one_to_change, saved)


async def test_another_source_refuses_the_plan_and_names_the_objects(one_to_change, make):
    saved = await save(one_to_change)
    one_to_change.write(make.config("a", k="newer"), make.config("b"), make.config("e"))

    message = await refusal(one_to_change, saved)

    assert "ConfigMap/shop/a is rendered differently" in message
    assert "ConfigMap/shop/c is not rendered any more" in message
    assert "ConfigMap/shop/e is rendered now, too" in message
    assert "source path@" in message


async def test_another_site_refuses_the_plan_and_names_its_part(one_to_change):
    saved = await save(one_to_change)
    (one_to_change.folder / "site.toml").write_text('[site]\nname = "other"\n')

    assert "site site.name was changed" in await refusal(one_to_change, saved)


async def test_a_run_in_between_refuses_the_plan_and_is_named(one_to_change, make):
    saved = await save(one_to_change)
    one_to_change.write(make.config("a"), make.config("b"), make.config("f"))
    await one_to_change.rollout()
    one_to_change.write(make.config("a", k="new"), make.config("b"), make.config("c"))

    assert "since then there is revision 2, succeeded" in await refusal(one_to_change, saved)


async def test_an_expired_plan_is_refused(one_to_change):
    saved = await save(one_to_change)
    old = replace(saved, expires_at=saved.plan.made_at - timedelta(seconds=1))

    assert "expired at" in await refusal(one_to_change, old)


async def test_a_plan_of_other_rules_is_refused(one_to_change):
    saved = await save(one_to_change)
    other = replace(saved, basis=replace(saved.basis, rules=0, made_by="rollwright 0.0.1"))

    assert "rollwright 0.0.1, whose rules differ" in await refusal(one_to_change, other)


async def test_a_file_that_was_put_together_by_hand_is_refused(one_to_change):
    saved = await save(one_to_change)
    forged = json.loads(encode(saved))
    forged["execution"]["plan"]["waves"][0]["steps"][0]["changes"][0]["operation"] = "adopt"
    shown = replace(saved, plan=_plan_of(forged, saved))

    assert "holds another plan" in await refusal(one_to_change, shown)


def _plan_of(document, saved):
    read = from_plain(document["execution"]["plan"], Plan, REBUILT)
    return replace(read, id=saved.id, made_at=saved.plan.made_at)


async def test_a_second_apply_writes_nothing_and_succeeds(one_to_change):
    saved = await save(one_to_change)
    await carry_out(one_to_change, saved)
    calls = dict(one_to_change.cluster.calls)
    before = await one_to_change.state()
    report = await carry_out(one_to_change, saved)

    writing = ("apply", "create", "patch", "delete", "dry-run")
    assert (report.outcome, report.run_id) == (Outcome.SUCCEEDED, "")
    assert [one_to_change.cluster.calls[one] for one in writing] == [calls[o] for o in writing]
    assert await one_to_change.state() == before


async def test_drift_after_the_plan_was_applied_refuses_its_second_apply(one_to_change, make):
    saved = await save(one_to_change)
    await carry_out(one_to_change, saved)
    await edit(one_to_change, make.ref("ConfigMap", "a"), lambda b: b["data"].update(k="theirs"))

    assert "ConfigMap/shop/a was changed meanwhile" in await refusal(one_to_change, saved)


async def test_a_run_of_the_same_plan_that_broke_off_is_resumed(one_to_change, make):
    world = one_to_change
    saved = await save(world)
    a, c = make.ref("ConfigMap", "a"), make.ref("ConfigMap", "c")

    async def crash(site, run, wave):
        for change in (one for step in wave.steps for one in step.changes):
            if change.ref in {a, c}:
                await run.cluster.apply(ApplyRequest(ref=change.ref, body=change.wanted.body))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await carry_out(world, saved, replace(DIRECT, execute=crash))
    before = len(world.cluster.sent("apply"))
    report = await carry_out(world, saved)

    assert report.outcome is Outcome.SUCCEEDED
    assert {a, c}.isdisjoint(one.ref for one in world.cluster.sent("apply")[before:])
    assert make.ref("ConfigMap", "d") not in world.cluster.objects
    assert {ref.name for ref in (await world.state()).by_ref} == {"a", "b", "c"}


async def test_a_run_of_another_plan_that_broke_off_refuses_this_one(one_to_change, make):
    saved = await save(one_to_change)
    one_to_change.write(make.config("a", k="third"))

    async def crash(site, run, wave):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with one_to_change.site() as site:
            stages = replace(DIRECT, execute=crash)
            await operations.roll_out(site, library.load(one_to_change.folder), stages)
    one_to_change.write(make.config("a", k="new"), make.config("b"), make.config("c"))

    assert "has not ended" in await refusal(one_to_change, saved)


class _Moving:
    """A cluster in which somebody writes just before every apply."""

    def __init__(self, world, change):
        self.world, self.change, self.count = world, change, 0
        self.inner = world.cluster.apply

    async def __call__(self, request):
        if request.ref.name == "a" and self.count < self.times:
            self.count += 1
            self.world.cluster.put(self.changed(request.ref))
        return await self.inner(request)

    times = 1

    def changed(self, ref):
        body = deepcopy(self.world.cluster.objects[ref])
        self.change(body, self.count)
        return body


def moving(world, change, times=1):
    mover = _Moving(world, change)
    mover.times = times
    world.cluster.apply = mover
    return mover


def _status(body, count):
    body["status"] = {"seen": count}


async def test_a_status_that_moves_between_reading_and_writing_is_tried_again(one_to_change):
    saved = await save(one_to_change)
    moving(one_to_change, _status, times=3)

    assert (await carry_out(one_to_change, saved)).outcome is Outcome.SUCCEEDED


async def test_an_object_that_never_rests_fails_its_change(one_to_change):
    saved = await save(one_to_change)
    moving(one_to_change, _status, times=99)

    report = await carry_out(one_to_change, saved)

    assert (report.outcome, "changes too often" in report.message) == (Outcome.FAILED, True)


async def test_a_field_that_moves_between_reading_and_writing_is_not_overwritten(
    one_to_change, make
):
    saved = await save(one_to_change)
    moving(one_to_change, lambda body, _: body["data"].update(k="theirs"))

    report = await carry_out(one_to_change, saved)

    assert "approved diff no longer matches" in report.message
    assert one_to_change.cluster.objects[make.ref("ConfigMap", "a")]["data"] == {"k": "theirs"}


async def test_guards_that_were_breached_are_asked_about_at_the_rollout(world, make):
    world.write(*(make.config(name) for name in "abcde"))
    await world.rollout()
    world.write(make.config("a"))
    saved = await save(world)

    with pytest.raises(GuardRefused):
        await carry_out(world, saved)

    assert (await carry_out(world, saved, DIRECT.allowing_prune())).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("length", [12, 64])
async def test_an_approval_that_names_the_plan_lets_it_pass(world, make, length):
    world.write(*(make.config(name) for name in "abcde"))
    await world.rollout()
    world.write(make.config("a"))
    world.declare(approval="always")
    plan = await world.plan()
    stages = approving(DIRECT, plan.id.removeprefix("sha256:")[:length])

    report = await carry_out(world, await save(world), stages)

    assert report.outcome is Outcome.SUCCEEDED


async def test_an_approval_of_another_plan_lets_nothing_pass(one_to_change):
    stages = approving(DIRECT, "0" * 12)

    with pytest.raises(Refused, match=r"approval is for plan 000000000000, .* now is sha256:"):
        await carry_out(one_to_change, await save(one_to_change), stages)


@pytest.mark.parametrize("text", ["", "abc", "sha256:", "0" * 11, "0" * 65, "xyzxyzxyzxyz"])
def test_what_is_too_short_to_name_a_plan_is_no_id(text):
    with pytest.raises(InvalidDocument, match="no plan id"):
        read_plan_id(text)


async def test_a_secret_is_in_the_file_by_keyed_digests_only(world, make):
    body = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"password": "hunter2"},
    }  # fmt: skip
    world.write(body, make.config("a"))
    await world.rollout()
    world.write({**body, "stringData": {"password": "hunter3"}}, make.config("a"))
    text = encode(await save(world)).decode()

    assert "hunter" not in text
    assert (await carry_out(world, await save(world))).outcome is Outcome.SUCCEEDED


async def test_the_server_failing_while_the_world_is_read_is_no_failed_run(one_to_change):
    saved = await save(one_to_change)
    one_to_change.cluster.fail("list", "ConfigMap", ClusterError("no", status=503))

    with pytest.raises(ClusterError) as caught:
        await carry_out(one_to_change, saved)

    assert caught.value.exit_code == 3


async def test_the_id_covers_what_is_unknown_of_the_deletions(one_to_change, make):
    plan, spec = await one_to_change.plan(), library.load(one_to_change.folder).spec
    unknown = Effect(
        rule="BR-02", ref=make.ref("ConfigMap", "d"), text="nobody knows", is_unknown=True
    )
    blasted = with_blast(plan, (unknown,))

    assert blasted.id != plan.id
    assert [engine.identity_of(one, spec) for one in (plan, blasted)] == [plan.id, blasted.id]


async def test_many_reasons_are_listed_only_so_far(one_to_change, make):
    saved = await save(one_to_change)
    one_to_change.write(*(make.config(f"x{number}") for number in range(40)))

    message = await refusal(one_to_change, saved)

    assert len(message.splitlines()) == engine.REASONS_SHOWN + 2
    assert message.splitlines()[-1].endswith("more")


async def test_another_cluster_is_the_one_reason_told_of_objects(one_to_change):
    saved = await save(one_to_change)
    other = replace(saved, plan=replace(saved.plan, cluster_id="another"))

    message = await refusal(one_to_change, other)

    assert "is another cluster" in message
    assert "ConfigMap" not in message


async def test_a_suspended_rollout_is_refused_with_its_saved_plan_too(world, make):
    world.declare(suspend=True)
    world.write(make.config("a"))

    with pytest.raises(Refused, match="is suspended"):
        await carry_out(world, await save(world))
