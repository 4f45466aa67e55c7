"""What is told about runs: to whom, how often, and never at the cost of a run."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from rollwright.engine import operations
from rollwright.engine.custody.notes import read_notes
from rollwright.engine.progress import Note
from rollwright.engine.telling import courier, letters
from rollwright.errors import ApprovalNeeded, RolloutError
from rollwright.rollouts.feedback import Event
from rollwright.rollouts.report import Outcome

SINK = """
from typing import ClassVar
from pydantic import BaseModel
from rollwright.errors import RolloutError, Unreachable
from rollwright.plugins.options import OPTIONS

HEARD = []


class Ear(BaseModel):
    model_config = OPTIONS

    name: str = "ear"
    fails: str = ""
    hangs: bool = False

    async def tell(self, feedback):
        if self.hangs:
            import asyncio
            await asyncio.Event().wait()
        if self.fails == "passing":
            HEARD.append((self.name, "tried", feedback))
            raise Unreachable("nobody answers")
        if self.fails == "for good":
            HEARD.append((self.name, "tried", feedback))
            raise RolloutError("says no")
        if self.fails == "defect":
            raise ZeroDivisionError("with a secret: hunter2")
        HEARD.append((self.name, str(feedback.event), feedback))


class Board(Ear):
    usual_events: ClassVar = frozenset({"planned", "started", "succeeded", "failed", "recovered"})

    def shows(self, feedback):
        return {"succeeded": "good", "recovered": "good", "failed": "bad"}.get(str(feedback.event), "pending")
"""

ALL = [str(one) for one in Event]


@pytest.fixture
def ear(world, monkeypatch):
    """A site whose sinks are what a test declares; what they heard is a list."""
    monkeypatch.setattr(courier, "HASTY", (0.0, 0.0, 0.0, 0.0))
    (world.folder / "ear.py").write_text(SINK)
    world.write(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
    )
    return Ears(world)


class Ears:
    def __init__(self, world):
        self.world, self.heard = world, []

    def declare(self, **sinks):
        lines = ["[plugins.feedback]", 'ear = "ear.py:Ear"', 'board = "ear.py:Board"']
        for name, given in sinks.items():
            entry = {"use": "ear", **given, "with": {"name": name, **given.get("with", {})}}
            lines += [f"[feedback.{name}]", *(f"{key} = {toml(one)}" for key, one in entry.items())]
        (self.world.folder / "site.toml").write_text("\n".join(lines))

    async def rollout(self, **options):
        async with self.world.site() as site:
            try:
                return await operations.roll_out(site, site.rollout, **options)
            finally:
                await self.take(site)

    async def take(self, site):
        if not site.loaded.file.plugins.feedback:
            return
        heard = site.registry.find("feedback", "ear").tell.__globals__["HEARD"]
        await site.courier.close()
        self.heard += heard
        heard.clear()

    @property
    def events(self):
        return [(name, event) for name, event, _ in self.heard]

    def write(self, value):
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a"},
            "data": {"k": value},
        }
        self.world.write(body)

    async def notes(self):
        async with self.world.site() as site:
            return await letters.undelivered(site, site.rollout.spec), await letters.recall_told(
                site, site.rollout.spec
            )

    def break_it(self):
        self.world.write({"apiVersion": "v1", "kind": "Widget", "metadata": {"name": "x"}})


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


async def test_without_sinks_nothing_is_noted(world, make):
    world.write(make.config("a", k="1"))
    await world.rollout()
    async with world.site() as site:
        told = await letters.recall_told(site, site.rollout.spec)

    assert told.records == ()


async def test_a_sink_hears_of_failures_and_that_they_are_over(ear):
    ear.declare(team={})
    await ear.rollout()
    ear.break_it()
    with pytest.raises(RolloutError):
        await ear.rollout()
    ear.write("2")
    await ear.rollout()

    assert ear.events == [("team", "failed"), ("team", "recovered")]
    assert ear.heard[-1][2].message.startswith("recovered after ")


async def test_a_success_after_a_success_is_told_where_it_is_asked_for(ear):
    ear.declare(quiet={}, eager={"when": {"outcomes": ["succeeded"]}})
    await ear.rollout()
    ear.write("2")
    await ear.rollout()

    assert ear.events == [("eager", "succeeded")] * 2


async def test_a_success_that_changed_nothing_is_told_once_per_revision(ear):
    ear.declare(team={"when": {"events": ["succeeded"]}})
    for _ in range(3):
        await ear.rollout()

    assert ear.events == [("team", "succeeded")]


async def test_every_event_of_a_run_is_told_in_order(ear):
    ear.declare(team={"when": {"events": ALL}})
    report = await ear.rollout()

    assert [event for _, event in ear.events] == ["planned", "started", "stepEnded", "succeeded"]
    told = ear.heard[-1][2]
    assert (told.rollout, told.revision, told.run_id) == ("shop", report.plan.source, report.run_id)
    assert told.counts == {"create": 1}


async def test_the_same_failure_is_told_once_within_five_minutes(ear):
    ear.declare(team={})
    ear.break_it()
    for _ in range(3):
        with pytest.raises(RolloutError):
            await ear.rollout()

    assert ear.events == [("team", "failed")]


async def test_a_plan_that_waits_is_told_once(ear):
    ear.declare(team={})
    ear.world.declare(approval="always")
    for _ in range(2):
        with pytest.raises(ApprovalNeeded):
            await ear.rollout()

    assert ear.events == [("team", "approvalNeeded")]
    assert ear.heard[0][2].outcome == "waiting"


async def test_once_per_value_of_a_field(ear):
    ear.declare(team={"when": {"events": ["succeeded", "failed"]}, "oncePer": "rollout"})
    await ear.rollout()
    ear.write("2")
    await ear.rollout()

    assert ear.events == [("team", "succeeded")]


@pytest.mark.parametrize(
    "when",
    [
        {"rollouts": ["other-*"]}, {"clusters": ["prod"]}, {"labels": {"team": "x"}},
        {"reasons": ["LockHeld"]}, {"include": ["*nothing like it*"]}, {"exclude": ["*"]},
    ],
    ids=lambda when: next(iter(when)),
)  # fmt: skip
async def test_a_rule_that_does_not_hold_tells_nothing(ear, when):
    ear.declare(team={"when": {"events": ALL, **when}})
    await ear.rollout()

    assert ear.events == []


async def test_a_sink_that_fails_is_tried_five_times_and_its_letter_is_kept(ear):
    ear.declare(team={"with": {"fails": "passing"}, "when": {"outcomes": ["succeeded"]}})
    report = await ear.rollout()
    lost, told = await ear.notes()

    assert report.outcome is Outcome.SUCCEEDED
    assert len(ear.heard) == 5
    assert [(one.sink, one.tries, one.error) for one in lost] == [("team", 5, "nobody answers")]
    assert [one.result for one in told.records] == ["nobody answers"]


@pytest.mark.parametrize("fails", ["for good", "defect"])
async def test_a_refusal_or_a_defect_is_not_tried_again(ear, fails):
    ear.declare(team={"with": {"fails": fails}, "when": {"outcomes": ["succeeded"]}})
    report = await ear.rollout()
    lost, _ = await ear.notes()

    assert (report.outcome, [one.tries for one in lost]) == (Outcome.SUCCEEDED, [1])
    assert "hunter2" not in lost[0].error


async def test_what_was_not_told_can_be_sent_again(ear):
    ear.declare(team={"with": {"fails": "for good"}, "when": {"outcomes": ["succeeded"]}})
    await ear.rollout()
    ear.declare(team={})
    ear.heard.clear()
    async with ear.world.site() as site:
        spec = site.rollout.spec
        results = await letters.send_again(site, spec, await letters.undelivered(site, spec))
        await ear.take(site)
    lost, told = await ear.notes()

    assert ([error for _, error in results], ear.events) == ([""], [("team", "succeeded")])
    assert lost == ()
    assert told.records[-1].result == "told"


async def test_one_that_still_fails_stays(ear):
    ear.declare(team={"with": {"fails": "for good"}, "when": {"outcomes": ["succeeded"]}})
    await ear.rollout()
    async with ear.world.site() as site:
        spec = site.rollout.spec
        await letters.send_again(site, spec, await letters.undelivered(site, spec))
    lost, _ = await ear.notes()

    assert [one.tries for one in lost] == [2]


async def test_a_sink_that_hangs_keeps_no_run_and_its_process_for_a_limited_time(ear, monkeypatch):
    ear.declare(team={"with": {"hangs": True}, "when": {"outcomes": ["succeeded"]}})
    async with asyncio.timeout(20), ear.world.site() as site:
        report = await operations.roll_out(site, site.rollout)
        while not site.courier._lines:
            await asyncio.sleep(0)
        monkeypatch.setattr(courier, "PATIENCE", timedelta(milliseconds=50))
    lost, _ = await ear.notes()

    assert report.outcome is Outcome.SUCCEEDED
    assert [one.error for one in lost] == ["there was no answer in time"]


async def test_a_run_of_a_service_does_not_wait_at_all(ear):
    ear.declare(team={"with": {"hangs": True}, "when": {"outcomes": ["succeeded"]}})
    async with asyncio.timeout(5), ear.world.site() as site:
        site.courier.is_steady = True
        site.courier.settle = never
        report = await operations.roll_out(site, site.rollout)
        site.courier.tasks.clear()
        del site.courier.settle
        for one in site.courier._carrying:
            one.cancel()

    assert report.outcome is Outcome.SUCCEEDED


async def never(*_about):
    await asyncio.Event().wait()


async def test_a_sink_that_cannot_be_made_fails_no_run(ear):
    ear.declare(team={"use": "nobody"})
    report = await ear.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert any(
        "no feedback 'nobody'" in one.text for one in ear.world.heard if isinstance(one, Note)
    )


async def test_a_rollout_names_sinks_of_the_site(ear):
    ear.declare(
        team={"onlyNamed": True, "when": {"outcomes": ["succeeded"]}}, other={"onlyNamed": True}
    )
    ear.world.declare(feedback=["team"])
    await ear.rollout()

    assert ear.events == [("team", "succeeded")]


async def test_a_rollout_has_sinks_of_its_own(ear):
    ear.declare()
    use = {"use": "ear", "with": {"name": "own"}, "when": {"outcomes": ["succeeded"]}}
    ear.world.declare(feedback=[use, "nobody"])
    await ear.rollout()

    assert ear.events == [("own", "succeeded")]


async def test_groups_and_steps_have_sinks(ear):
    ear.declare(group={"onlyNamed": True}, step={"onlyNamed": True})
    step = {"name": "one", "object": "all.yaml", "feedback": ["step"]}
    ear.world.declare(groups=[{"name": "g", "steps": [step], "feedback": ["group"]}])
    await ear.rollout()

    assert sorted(ear.events) == [("group", "groupEnded"), ("step", "stepEnded")]
    assert {(one.group, one.step) for _, _, one in ear.heard} == {("g", ""), ("g", "one")}


async def test_a_state_is_shown_once_and_ends_with_the_run(ear):
    ear.declare(board={"use": "board"})
    await ear.rollout()
    await ear.rollout()

    assert ear.events[-1] == ("board", "succeeded")
    assert [event for _, event in ear.events].count("succeeded") == 1


async def test_a_state_that_was_not_shown_is_shown_by_the_next_run(ear):
    ear.declare(board={"use": "board", "with": {"fails": "for good"}})
    await ear.rollout()
    ear.declare(board={"use": "board"})
    ear.heard.clear()
    await ear.rollout()

    assert ear.events == [("board", "succeeded")]


async def test_what_a_rule_adds_goes_along(ear):
    ear.declare(team={"when": {"outcomes": ["succeeded"]}, "metadata": {"channel": "ops"}})
    await ear.rollout()

    assert ear.heard[0][2].machine["metadata"] == {"channel": "ops"}


async def test_a_refusal_is_nothing_to_tell(ear):
    ear.declare(team={"when": {"events": ALL}})
    ear.world.declare(suspend=True)
    with pytest.raises(RolloutError):
        await ear.rollout()

    assert [event for _, event in ear.events] == ["planned"]


# ------------------------------------------------------------------ once, whatever happens


AT_THE_END = {"when": {"outcomes": ["succeeded"]}}


async def test_what_a_crash_kept_from_being_told_is_told_by_the_next_run_once(ear, monkeypatch):
    ear.declare(team=AT_THE_END)
    with monkeypatch.context() as killed:
        killed.setattr("rollwright.engine.telling.telling.Telling.conclude", nothing)
        await ear.rollout()
    crashed, ear.heard = ear.events, []
    for _ in range(2):
        await ear.rollout()

    assert crashed == []
    assert [(event, told.number) for _, event, told in ear.heard] == [("succeeded", 1)]
    assert ear.heard[0][2].lines[0].startswith("told late")


def nothing(*_about):
    return None


async def test_who_is_new_hears_nothing_of_what_was_before(ear):
    for value in "12":
        ear.write(value)
        await ear.rollout()
    ear.declare(team=AT_THE_END)
    ear.write("3")
    await ear.rollout()

    assert [told.number for _, _, told in ear.heard] == [3]


async def test_two_processes_tell_the_same_once(ear):
    ear.declare(team={"when": {"events": ["failed"]}, "oncePer": "revision"})
    ear.break_it()
    async with ear.world.site() as one, ear.world.site() as other:
        runs = (operations.roll_out(site, site.rollout) for site in (one, other))
        await asyncio.gather(*runs, return_exceptions=True)
        await ear.take(one)
        await ear.take(other)

    assert ear.events == [("team", "failed")]


async def test_a_sink_that_hangs_makes_no_other_hear_the_same_twice(ear):
    ear.declare(deaf={"with": {"hangs": True}}, team={})
    ear.break_it()
    async with ear.world.site() as site:
        site.courier.is_steady = True
        for _ in range(3):
            with pytest.raises(RolloutError):
                await operations.roll_out(site, site.rollout)
        for one in [letter for line in site.courier._lines.values() for letter in line]:
            one.done.set()
        await ear.take(site)

    assert ear.events == [("team", "failed")]


async def test_who_was_told_is_noted_before_those_who_are_slow(ear, monkeypatch):
    monkeypatch.setattr("rollwright.engine.telling.desk._SOON", timedelta(milliseconds=10))
    ear.declare(deaf={"with": {"hangs": True}, **AT_THE_END}, team=AT_THE_END)
    async with asyncio.timeout(20), ear.world.site() as site:
        await operations.roll_out(site, site.rollout)
        spec = site.rollout.spec
        while not (records := (await letters.recall_told(site, spec)).records):
            await asyncio.sleep(0.01)
        on_its_way = letters._lost_in(await read_notes(site, spec))
        monkeypatch.setattr(courier, "PATIENCE", timedelta(0))

    assert [(one.sink, one.result) for one in records] == [("team", "told")]
    assert [one.sink for one in on_its_way] == ["deaf"]


async def test_what_was_left_on_its_way_is_taken_over_later(ear, monkeypatch):
    ear.declare(team=AT_THE_END)
    with monkeypatch.context() as killed:
        killed.setattr("rollwright.engine.telling.courier.Courier.post", nothing)
        killed.setattr("rollwright.engine.telling.desk.keep_told", never)
        killed.setattr("rollwright.engine.telling.courier.Courier.close", at_once)
        await ear.rollout()
    await ear.rollout()
    on_its_way, ear.heard = (await ear.notes(), ear.events), []
    monkeypatch.setattr(letters, "UNDER_WAY", timedelta(0))
    await ear.rollout()

    assert on_its_way[0][0] == ()
    assert on_its_way[1] == []
    assert [(event, told.number) for _, event, told in ear.heard] == [("succeeded", 1)]
    assert (await ear.notes())[0] == ()


async def at_once(*_about):
    return None


async def test_a_defect_of_one_sink_keeps_no_other_untold(ear):
    ear.declare(broken={"use": "broken"}, team=AT_THE_END)
    site_file = ear.world.folder / "site.toml"
    site_file.write_text(site_file.read_text().replace("[feedback.broken]", BROKEN, 1))
    (ear.world.folder / "ear.py").write_text(SINK + BROKEN_SINK)
    await ear.rollout()

    assert ear.events == [("team", "succeeded")]


BROKEN = 'broken = "ear.py:Broken"\n[feedback.broken]'
BROKEN_SINK = """

class Broken(Ear):
    usual_events: ClassVar = frozenset({"succeeded"})

    def shows(self, feedback):
        raise ZeroDivisionError
"""


async def test_many_that_still_fail_are_tried_once_for_each_sink(ear):
    ear.declare(team={"with": {"fails": "passing"}, "when": {"events": ["started", "succeeded"]}})
    await ear.rollout()
    ear.heard.clear()
    async with ear.world.site() as site:
        spec = site.rollout.spec
        results = await letters.send_again(site, spec, await letters.undelivered(site, spec))
        await ear.take(site)

    assert [error for _, error in results] == ["nobody answers"] * 2
    assert len(ear.heard) == 5


async def test_the_page_of_a_run_is_where_the_site_says(ear):
    ear.declare(team=AT_THE_END)
    site_file = ear.world.folder / "site.toml"
    link = '[site]\nlink = "https://ci.example/{rollout}/{run}?c={cluster}"\n'
    site_file.write_text(link + site_file.read_text())
    report = await ear.rollout()
    [(_, _, told)] = ear.heard

    assert told.url == f"https://ci.example/shop/{report.run_id}?c=fake"
    assert told.machine["url"] == told.url
