"""Approvals by note: for exactly one plan, for a while, once, and on record."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.approval.answering import find_waits, the_one
from rollwright.engine.approval.approval_notes import DECISION, REQUEST, read_noted
from rollwright.engine.custody.notes import change_notes, notes_name, read_notes
from rollwright.engine.operations import named_spec
from rollwright.engine.progress import Note
from rollwright.errors import (
    ApprovalNeeded,
    GuardRefused,
    LockHeld,
    NotFound,
    Refused,
    Unreachable,
)
from rollwright.plugins.contracts import LockOwner
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.state import Journal

SPEC = named_spec("shop")
DAY = timedelta(hours=24)


@pytest.fixture
def asked(world, make):
    """A rollout of one object that was refused because nobody had approved it."""
    world.declare(approval="always")
    world.write(make.config("a"))
    return world


async def refused(world, **options) -> Refused:
    with pytest.raises(Refused) as caught:
        await world.rollout(**options)
    return caught.value


async def approve(world, **options) -> str:
    async with world.site() as site:
        return await library.approve(world.folder, site=site, **options)


async def reject(world, **options) -> str:
    async with world.site() as site:
        return await library.reject(world.folder, site=site, **options)


async def noted(world):
    async with world.site() as site:
        return await read_noted(site, SPEC)


async def change(world, kind, **fields):
    """Change fields of a note, as somebody with an editor could."""

    def changed(notes):
        return {**notes, kind: json.dumps({**json.loads(notes[kind]), **fields})}

    async with world.site() as site:
        await change_notes(site, SPEC, changed)


def has(world, make, name="a") -> bool:
    return make.ref("ConfigMap", name) in world.cluster.objects


# ------------------------------------------------------------------ asking


async def test_a_refused_run_leaves_what_it_asks_for(asked):
    error = await refused(asked)
    async with asked.site() as site:
        request = json.loads((await read_notes(site, SPEC))[REQUEST])
    plan = await asked.plan()

    assert (type(error), error.exit_code) == (ApprovalNeeded, 4)
    assert "rollwright approve shop" in (error.hint or "")
    assert (request["plan_id"], request["cluster_id"]) == (plan.id, plan.cluster_id)
    assert (request["reason"], request["summary"]) == ("approval: always", "1 to create")
    assert (request["revision"], request["trigger"]) == (plan.source, "manual")
    assert set(request) >= {"asked_at", "asked_by", "run"}


async def test_asking_again_for_the_same_plan_keeps_since_when(asked):
    await refused(asked)
    since = datetime.now(UTC) - timedelta(hours=3)
    await change(asked, REQUEST, asked_at=since.isoformat(), asked_by="grace@desk")

    await refused(asked)

    request = (await noted(asked)).request
    assert (request.asked_at, request.asked_by) == (since, "grace@desk")


async def test_a_request_that_has_expired_is_made_anew(asked):
    await refused(asked)
    long_ago = (datetime.now(UTC) - DAY).isoformat()
    await change(asked, REQUEST, expires_at=long_ago, asked_by="grace@desk")

    await refused(asked)

    assert (await noted(asked)).request.asked_by != "grace@desk"


async def test_another_plan_takes_the_place_of_the_one_that_waited(asked, make):
    await refused(asked)
    first = (await noted(asked)).request
    asked.write(make.config("b"))

    await refused(asked)

    assert (await noted(asked)).request.plan_id != first.plan_id


async def test_a_plan_that_needs_no_word_leaves_no_note(world, make):
    world.write(make.config("a"))

    await world.rollout()

    assert await world.store.load(notes_name("shop")) is None


async def test_a_store_that_takes_no_note_changes_no_refusal(asked, make):
    async def save(state, *, after):
        raise Unreachable("gone")

    asked.store = make.wrapped(asked.store, save=save)

    error = await refused(asked)

    assert "rollwright approve" not in (error.hint or "")
    assert any(
        "no approval can be asked for" in one.text for one in asked.heard if isinstance(one, Note)
    )


async def test_the_number_of_deletes_can_be_approved_as_well(world, make):
    world.write(*(make.config(name) for name in "abcde"))
    await world.rollout()
    world.write(make.config("a"))
    with pytest.raises(GuardRefused, match="%") as caught:
        await world.rollout()
    await approve(world)

    report = await world.rollout()

    assert "--allow-prune" in (caught.value.hint or "")
    assert report.outcome is Outcome.SUCCEEDED


async def test_what_no_approval_lets_pass_leaves_no_request(asked):
    asked.declare(suspend=True, approval="always")

    await refused(asked)

    assert (await noted(asked)).request is None


# ------------------------------------------------------------------ approved


async def test_exactly_the_approved_plan_is_carried_out_without_asking(asked, make):
    await refused(asked)
    told = await approve(asked, reason="looks right")

    report = await asked.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert (report.plan.id.removeprefix("sha256:")[:12] in told, has(asked, make)) == (True, True)


async def test_the_approval_goes_into_the_audit_trail_and_the_notes_are_used_up(asked):
    await refused(asked)
    await approve(asked, reason="looks right")

    report = await asked.rollout()

    (entry,) = (await asked.state()).audit
    found = await noted(asked)
    assert (entry.kind, report.plan.id in entry.message) == ("approval", True)
    assert ("looks right" in entry.message, "@" in entry.actor) == (True, True)
    assert (found.request, found.decision) == (None, None)


async def test_the_decision_is_saved_before_any_object_is_written(asked, make):
    await refused(asked)
    await approve(asked)
    store, seen = asked.store, []

    async def save(state, *, after):
        if state.rollout == "shop":
            seen.append(([one.kind for one in state.audit], asked.cluster.calls["apply"]))
        return await store.save(state, after=after)

    asked.store = make.wrapped(store, save=save)
    await asked.rollout()

    assert seen[0] == (["approval"], 0)


async def test_another_plan_is_not_covered_and_both_are_named(asked, make):
    await refused(asked)
    await approve(asked)
    old = (await noted(asked)).decision.plan_id.removeprefix("sha256:")[:12]
    asked.write(make.config("a"), make.config("b"))

    error = await refused(asked)

    now = (await asked.plan()).id.removeprefix("sha256:")[:12]
    assert f"approved was plan {old}; the world moved on: the plan is now {now}" in error.message
    assert not has(asked, make)


async def test_a_changed_cluster_is_another_plan(asked, make):
    await refused(asked)
    await approve(asked)
    body = {**make.config("a"), "data": {"k": "by hand"}}
    body["metadata"] = {"name": "a", "namespace": "shop"}
    asked.cluster.put(body)

    error = await refused(asked)

    assert "the world moved on" in error.message


async def test_an_approval_counts_once(asked, make):
    await refused(asked)
    await approve(asked)
    kept = (await asked.store.load(notes_name("shop"))).extra[DECISION]
    await asked.rollout()
    asked.cluster.objects.pop(make.ref("ConfigMap", "a"))
    async with asked.site() as site:
        await change_notes(site, SPEC, lambda notes: {**notes, DECISION: kept})

    error = await refused(asked)

    assert isinstance(error, ApprovalNeeded)


async def test_an_approval_expires(asked):
    await refused(asked)
    await approve(asked)
    await change(asked, DECISION, at=(datetime.now(UTC) - DAY).isoformat())

    error = await refused(asked)

    assert "no longer counts: it has expired" in error.message


async def test_an_approval_from_the_future_counts_for_nothing(asked):
    await refused(asked)
    await approve(asked)
    await change(asked, DECISION, at=(datetime.now(UTC) + DAY).isoformat())

    assert isinstance(await refused(asked), ApprovalNeeded)


async def test_how_long_an_approval_counts_is_configured(asked):
    (asked.folder / "site.toml").write_text('[approvals]\nexpires = "1h"\n')
    await refused(asked)
    await approve(asked)
    await change(asked, DECISION, at=(datetime.now(UTC) - timedelta(minutes=61)).isoformat())

    assert isinstance(await refused(asked), ApprovalNeeded)


async def test_an_approval_for_another_cluster_counts_for_nothing(asked):
    await refused(asked)
    await approve(asked)
    await change(asked, DECISION, cluster_id="another")

    assert "another cluster" in (await refused(asked)).message


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "7", '{"plan_id": 1}', '{"at": "soon"}'])
async def test_a_note_that_is_none_approves_nothing(asked, text):
    await refused(asked)
    await approve(asked)
    async with asked.site() as site:
        await change_notes(site, SPEC, lambda notes: {**notes, DECISION: text})

    assert isinstance(await refused(asked), ApprovalNeeded)


async def test_a_run_of_the_approved_plan_that_broke_off_goes_on_without_asking(asked):
    await refused(asked)
    plan = await asked.plan()
    async with asked.locks.hold(
        "shop", owner=LockOwner(id="x", actor="ada", operation="rollout"), wait=None
    ) as lock:
        token = lock.token
    from rollwright.rollouts.state import RolloutState

    journal = Journal(
        run_id="r1", plan_id=plan.id, owner="ada", token=token, started_at=datetime.now(UTC)
    )
    state = RolloutState(rollout="shop", cluster_id=plan.cluster_id, journal=journal, token=token)
    await asked.store.save(state, after="")

    report = await asked.rollout()

    assert (report.outcome, report.plan.id) == (Outcome.SUCCEEDED, plan.id)


async def test_a_secret_in_the_first_plan_does_not_change_its_id_after_asking(asked):
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}
    }  # fmt: skip
    asked.write(secret)
    await refused(asked)
    await approve(asked)

    assert (await asked.rollout()).outcome is Outcome.SUCCEEDED


# ------------------------------------------------------------------ rejected


async def test_a_rejected_plan_is_refused_with_who_and_why(asked, make):
    await refused(asked)
    await reject(asked, reason="not on a Friday")

    error = await refused(asked)

    assert ("not on a Friday" in error.message, "rejected by" in error.message) == (True, True)
    assert (isinstance(error, ApprovalNeeded), has(asked, make)) == (False, False)


async def test_a_rejected_plan_stays_refused(asked):
    await refused(asked)
    await reject(asked)
    await refused(asked)

    assert "rejected by" in (await refused(asked)).message


async def test_naming_the_plan_does_not_get_past_a_rejection(asked, make):
    await refused(asked)
    await reject(asked)

    error = await refused(asked, approved=(await asked.plan()).id)

    assert ("rejected by" in error.message, has(asked, make)) == (True, False)


async def test_a_rejection_goes_into_the_audit_trail_once(asked, make):
    asked.declare()
    await asked.rollout()
    asked.declare(approval="always")
    asked.write(make.config("b"))
    await refused(asked)
    await reject(asked, reason="no")
    await refused(asked)

    await refused(asked)

    assert [one.kind for one in (await asked.state()).audit] == ["rejection"]


async def test_a_rejection_is_refused_even_while_another_run_holds_the_lock(asked, make):
    asked.declare()
    await asked.rollout()
    asked.declare(approval="always")
    asked.write(make.config("b"))
    await refused(asked)
    await reject(asked)
    owner = LockOwner(id="x", actor="ada", operation="rollout")
    async with asked.locks.hold("shop", owner=owner, wait=None):
        error = await refused(asked)

    assert (isinstance(error, LockHeld), "rejected by" in error.message) == (False, True)


async def test_a_rejection_may_be_taken_back(asked):
    await refused(asked)
    await reject(asked)
    await approve(asked, reason="looked again")

    assert (await asked.rollout()).outcome is Outcome.SUCCEEDED


async def test_an_approval_may_be_taken_back_until_it_is_used(asked):
    await refused(asked)
    await approve(asked)
    await reject(asked)

    assert "rejected by" in (await refused(asked)).message


async def test_a_plan_that_is_rejected_while_its_run_waits_for_the_lock_is_not_begun(asked, make):
    await refused(asked)
    await approve(asked)
    locks = asked.locks

    def hold(key, **options):
        return _rejecting(asked, locks.hold(key, **options))

    asked.locks = make.wrapped(locks, hold=hold)

    error = await refused(asked)

    assert ("rejected by" in error.message, has(asked, make)) == (True, False)


def _rejecting(world, holding):
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def held():
        async with holding as lock:
            await reject(world)
            yield lock

    return held()


# ------------------------------------------------------------------ deciding


async def test_where_nothing_waits_there_is_nothing_to_approve(world):
    with pytest.raises(NotFound, match="nothing waits") as caught:
        await approve(world)

    assert "status" in (caught.value.hint or "")


async def test_a_request_that_has_expired_cannot_be_approved(asked):
    await refused(asked)
    await change(asked, REQUEST, expires_at=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())

    with pytest.raises(NotFound):
        await approve(asked)


async def test_saying_the_same_twice_is_told(asked):
    await refused(asked)
    await approve(asked)

    with pytest.raises(Refused, match="already"):
        await approve(asked)


async def test_another_plan_than_the_one_that_waits_cannot_be_approved(asked):
    await refused(asked)

    with pytest.raises(NotFound):
        await approve(asked, plan="0" * 64)


@pytest.mark.parametrize("way", ["rollout", "plan", "short plan", "run"])
async def test_what_waits_is_found_by_every_name_it_has(asked, way):
    await refused(asked)
    request = (await noted(asked)).request
    name = {
        "rollout": "shop",
        "plan": request.plan_id,
        "short plan": request.plan_id.removeprefix("sha256:")[:12],
        "run": request.run,
    }[way]

    async with asked.site() as site:
        found = the_one(await find_waits(site, name), name)

    assert (found.rollout, found.plan_id) == ("shop", request.plan_id)


async def test_an_unknown_name_finds_nothing(asked):
    await refused(asked)

    async with asked.site() as site:
        assert await find_waits(site, "f" * 12) == ()


async def test_several_that_wait_are_listed(asked):
    await refused(asked)
    async with asked.site() as site:
        (wait,) = await find_waits(site, "shop")

    with pytest.raises(Refused, match="several wait") as caught:
        the_one([wait, replace(wait, name="another")], "shop")

    assert ("another" in caught.value.message, wait.name in caught.value.message) == (True, True)


# ------------------------------------------------------------------ looking


async def test_status_shows_what_waits(asked, make):
    asked.declare()
    await asked.rollout()
    asked.declare(approval="always")
    asked.write(make.config("b"))
    await refused(asked)

    async with asked.site() as site:
        overview = await operations.status(site, "shop")

    assert overview.waiting == (await noted(asked)).request


async def test_status_shows_a_first_run_that_waits(asked):
    await refused(asked)

    async with asked.site() as site:
        overview = await operations.status(site, "shop")

    assert (overview.waiting is not None, overview.statuses) == (True, ())


async def test_what_was_answered_waits_no_more(asked, make):
    asked.declare()
    await asked.rollout()
    asked.declare(approval="always")
    asked.write(make.config("b"))
    await refused(asked)
    await approve(asked)

    async with asked.site() as site:
        assert (await operations.status(site, "shop")).waiting is None


async def test_the_notes_are_no_rollout(asked):
    await refused(asked)

    async with asked.site() as site:
        assert await operations.names(site) == ()


async def test_the_notes_go_with_the_rollout(asked):
    await refused(asked)
    await approve(asked)
    await asked.rollout()
    asked.write()
    async with asked.site() as site:
        removal = await operations.prepare_delete(site, "shop")
        await operations.delete(site, removal)

    assert await asked.store.list() == ()


async def test_a_hold_that_came_after_the_approval_still_refuses(asked, make):
    asked.declare()
    await asked.rollout()
    asked.declare(approval="always")
    asked.write(make.config("b"))
    await refused(asked)
    await approve(asked)
    async with asked.site() as site:
        await library.hold(asked.folder, reason="freeze", site=site)

    error = await refused(asked)

    assert ("held" in error.message, has(asked, make, "b")) == (True, False)
