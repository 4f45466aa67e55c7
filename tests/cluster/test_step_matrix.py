"""Every action on every state of an object, and every check in every end, on a real control plane.

Each test rolls out one parallel group with all the checks of a column, so that they share its time.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rollwright.errors import InvalidManifests, Refused
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

NEVER = "never-ready"
HERE = {"name": "key", "path": "{.data.key}", "value": {"static": "value"}}
ELSE = {"name": "key", "path": "{.data.key}", "value": {"static": "other"}}
ABSENT = {"name": "none", "path": "{.data.none}", "value": {"static": "other"}}
MANY = {"name": "all", "path": "{.data['key', 'more']}", "value": {"static": "value"}}


def key_of(body):
    return f"{body['kind'].lower()}-{body['metadata']['name']}.yaml"


def step(body, *, action: object = "Apply", **more):
    return {"name": body["metadata"]["name"], "object": key_of(body), "action": action, **more}


def compares(*values, **more):
    return {"fieldComparisons": {"expectedValues": list(values), **more}}


def passed(name, options=None):
    """A step that waits for one check."""
    return {"success": [{name: options or {}}]}


def watched(name, options=None, **more):
    """A step that waits for health, and for one check to fail."""
    return {"failure": [{"use": name, "with": options or {}}], **more}


@pytest.fixture
def roll(shop):
    """Roll out one parallel group; return what became of each step."""

    async def roll(*rows, tell=None, **spec):
        shop.write(*(body for body, _ in rows))
        # NB: workloads wait for the ConfigMaps beside them, but not for those that may fail.
        steps = [
            step(body, continueOnError=body["kind"] == "ConfigMap", **more) for body, more in rows
        ]
        shop.declare(groups=[{"name": "g", "steps": steps, "parallel": True}], **spec)
        report = await shop.rollout(**({"tell": tell} if tell else {}))
        return {
            one.step.removeprefix("g/"): (one.outcome.value, one.changes[0].message)
            for one in report.results
        }

    return roll


def outcomes(found):
    return {name: outcome for name, (outcome, _) in found.items()}


def unsaid(found, words):
    """The messages that do not hold what they should say."""
    return {name: found[name][1] for name in found if words.get(name, "") not in found[name][1]}


# ------------------------------------------------------------------ checks


async def test_checks_that_hold_pass(roll, make):
    found = await roll(
        (make.deployment("healthy"), passed("healthy")),
        (make.config("object-form"), {"success": [compares(HERE)]}),
        (make.config("list-form"), {"success": [{"fieldComparisons": [HERE]}]}),
        (make.deployment("condition"), passed("condition", {"type": "Available"})),
        (make.config("expression"), passed("expression", {"expr": "object.data.key == 'value'"})),
        (make.job("not-killed"), passed("JobOOMKilled")),
        (make.deployment("no-restarts"), passed("PodsRestarting")),
        (make.job("watched-job"), watched("JobOOMKilled")),
        (make.deployment("watched-pods"), watched("PodsRestarting")),
    )

    assert set(outcomes(found).values()) == {"succeeded"}, found


FAILURES = {
    "healthy": "exit code 2",
    "object-form": "Expected 1 result but found different amount",
    "list-form": "Expected 1 result but found different amount",
    "expression": "object.data.key == 'value' is true",
    "killed": "was OOMKilled",
    "watched-job": "was OOMKilled",
    "restarts": "was restarted",
    "watched-pods": "was restarted",
}


async def test_checks_that_can_hold_no_more_fail_and_say_why(roll, make):
    bad = {"expr": "false", "failure": "object.data.key == 'value'"}
    again = {"threshold": 1}
    job = {"restartPolicy": "OnFailure", "containers": [{"name": "main", "image": "shop/job:1"}]}
    killed, same = make.job("killed", "oom"), make.job("watched-job", "oom")
    for one in (killed, same):
        one["spec"]["template"]["spec"] = job
    found = await roll(
        (make.job("healthy", "fail"), passed("healthy")),
        (make.config("object-form", key="a", more="b"), {"success": [compares(MANY)]}),
        (
            make.config("list-form", key="a", more="b"),
            {"success": [{"fieldComparisons": [MANY]}]},
        ),
        (make.config("expression"), passed("expression", bad)),
        (killed, passed("JobOOMKilled")),
        (same, watched("JobOOMKilled")),
        (make.deployment("restarts", "crash-loop"), passed("PodsRestarting", again)),
        (make.deployment("watched-pods", "crash-loop"), watched("PodsRestarting", again)),
    )

    assert (outcomes(found), unsaid(found, FAILURES)) == (dict.fromkeys(FAILURES, "failed"), {})


def undecided(make, **limit):
    """One object under each check, which never decides anything about it."""
    wants_other = "object.data.key == 'other'"
    return [
        (make.deployment("healthy", NEVER), passed("healthy", limit)),
        (make.config("object-form"), {"success": [compares(ELSE, **limit)]}),
        (make.config("missing-path"), {"success": [compares(ABSENT, **limit)]}),
        (make.deployment("condition", NEVER), passed("condition", {"type": "Available", **limit})),
        (make.config("no-condition"), passed("condition", {"type": "Ready", **limit})),
        (make.config("expression"), passed("expression", {"expr": wants_other, **limit})),
        (make.config("no-field"), passed("expression", {"expr": "object.data.none == 1", **limit})),
    ]  # fmt: skip


def unlimited(make):
    """Checks that have no time of their own."""
    return [
        (make.config("list-form"), {"success": [{"fieldComparisons": [ELSE]}]}),
        (make.job("not-killed", NEVER), passed("JobOOMKilled")),
        (make.deployment("no-restarts", NEVER), passed("PodsRestarting")),
        (make.job("watched-job", NEVER), watched("JobOOMKilled")),
        (make.deployment("watched-pods", NEVER), watched("PodsRestarting")),
    ]


WAITED_FOR = {
    "healthy": "check healthy: not within 1 s: InProgress",
    "object-form": '{.data.key} is "value"',
    "missing-path": "{.data.none}",
    "condition": "condition Available is False",
    "no-condition": "there is no condition 'Ready' yet",
    "expression": "is false",
    "no-field": "has no value yet",
}


async def test_a_check_waits_as_long_as_it_says_itself(roll, make):
    found = await roll(*undecided(make, timeout="1s"))

    assert (outcomes(found), unsaid(found, WAITED_FOR)) == (
        dict.fromkeys(WAITED_FOR, "timed-out"),
        {},
    )


async def test_a_step_ends_all_its_checks_in_its_time(roll, make):
    rows = [*undecided(make), *unlimited(make)]
    found = await roll(*((body, {**more, "timeout": "1s"}) for body, more in rows))
    said = dict.fromkeys(found, " 1 s")

    assert (set(outcomes(found).values()), unsaid(found, said)) == ({"timed-out"}, {})


async def test_the_time_of_a_rollout_bounds_checks_that_name_none(roll, make):
    rows = [*undecided(make), *unlimited(make)]
    keeps_time = ("object-form", "list-form", "missing-path")
    rows = [one for one in rows if one[0]["metadata"]["name"] not in keeps_time]
    found = await roll(*rows, health={"timeout": "1s"})

    assert set(outcomes(found).values()) == {"timed-out"}, found


async def test_a_comparison_that_stands_still_runs_out_of_time(roll, make):
    still = compares(ELSE, timeout="1h", progressTimeout="1s")
    found = await roll((make.config("still"), {"success": [still]}))

    assert (outcomes(found), unsaid(found, {"still": "no compared value changed for 1 s"})) == (
        {"still": "timed-out"},
        {},
    )


@pytest.mark.parametrize("is_config", [True, False], ids=["ConfigMaps", "workloads"])
async def test_an_object_that_somebody_deletes_ends_every_wait_for_it(
    shop, roll, make, kubectl, listener, is_config
):
    """What waits for nothing beside it, so that all of them are there before they go."""
    rows = [*undecided(make, timeout="10m"), *unlimited(make)]
    rows = [one for one in rows if (one[0]["kind"] == "ConfigMap") is is_config]

    async def delete():
        for body, _ in rows:
            await listener.until_applied(body["metadata"]["name"])
        places = [f"{body['kind']}/{body['metadata']['name']}" for body, _ in rows]
        kubectl("delete", *places, "-n", shop.name, "--wait=false")

    found, _ = await asyncio.gather(roll(*rows, tell=listener, health={"timeout": "40s"}), delete())
    said = dict.fromkeys(found, "is not there any more")

    assert (set(outcomes(found).values()), unsaid(found, said)) == ({"failed"}, {})


# ------------------------------------------------------------------ waiting for what is not ours


async def test_what_is_waited_for_may_come_late_or_never(shop, roll, make, kubectl, listener):
    """Longer than a watch may lag behind a write, for what this run did not write (HL-04)."""

    async def create():
        await listener.until_applied("anchor")
        await asyncio.sleep(11)
        for name in ("late", "late-checked"):
            kubectl("create", "configmap", name, "-n", shop.name, "--from-literal=key=value")

    waits = {"action": "Wait"}
    rows: tuple[tuple[Any, dict[str, Any]], ...] = (
        (make.config("anchor"), {}),
        (make.config("late"), waits),
        (make.config("late-checked"), {**waits, "success": [compares(HERE)]}),
        (make.config("never"), waits),
        (make.config("never-in-time"), {**waits, "timeout": "1s"}),
        (make.config("never-checked"), {**waits, **passed("healthy")}),
    )
    found, _ = await asyncio.gather(roll(*rows, tell=listener, health={"timeout": "14s"}), create())
    good = dict.fromkeys(("anchor", "late", "late-checked"), "succeeded")
    late = dict.fromkeys(("never", "never-in-time", "never-checked"), "timed-out")
    said = {
        "never": "not within 14 s: it is not there",
        "never-in-time": "not within 1 s: the API server does not know it",
        "never-checked": "is not there",
    }

    assert (outcomes(found), unsaid(found, said)) == ({**good, **late}, {})


@pytest.mark.parametrize("action", ["Wait", "CreateIfNotExist", "CreateOnly"])
async def test_checks_see_an_object_of_others(shop, make, kubectl, action):
    body = make.config("it")
    kubectl("create", "configmap", "it", "-n", shop.name, "--from-literal=key=value")
    shop.write(body)
    checked = step(body, action=action, timeout="5s", success=[compares(HERE)])
    shop.declare(groups=[{"name": "g", "steps": [checked]}])

    assert (await shop.rollout()).outcome is Outcome.SUCCEEDED


# ------------------------------------------------------------------ actions


@pytest.fixture
def theirs(shop, make, kubectl):
    """Let an object be there that another manager made, and have one step act on it."""

    def theirs(action, **labels):
        kubectl("create", "configmap", "it", "-n", shop.name, "--from-literal=key=old")
        if labels:
            words = json.dumps({"metadata": {"labels": labels}})
            kubectl("patch", "configmap", "it", "-n", shop.name, "--type=merge", "-p", words)
        body = make.config("it")
        shop.write(body)
        shop.declare(groups=[{"name": "g", "steps": [step(body, action=action)]}])

    return theirs


PATCH = {"use": "Patch", "with": {"type": "merge", "patch": {"data": {"key": "value"}}}}
TAKES = ["Apply", "CreateOrUpdate", "Replace", "Recreate"]
LEAVES = ["CreateIfNotExist", "CreateOnly", PATCH, "Wait"]
DELETES = ["DeleteIfExist", "DeleteIfExists"]


def short(value):
    return value["use"] if isinstance(value, dict) else None


@pytest.mark.parametrize(
    ("action", "is_ours"),
    [*((one, True) for one in TAKES), *((one, False) for one in LEAVES)],
    ids=short,
)
async def test_who_an_object_of_others_belongs_to_shows_when_the_rollout_goes(
    shop, theirs, action, is_ours
):
    theirs(action)
    await shop.rollout()
    await shop.remove()
    left = await shop.get("ConfigMap", "it")

    assert (left is None) == is_ours


@pytest.mark.parametrize("action", [*TAKES, "CreateIfNotExist", "CreateOnly"])
async def test_what_an_action_made_goes_with_the_rollout(shop, make, action):
    body = make.config("it")
    shop.write(body)
    shop.declare(groups=[{"name": "g", "steps": [step(body, action=action)]}])
    await shop.rollout()
    await shop.remove()

    assert await shop.get("ConfigMap", "it") is None


@pytest.mark.parametrize("action", [*TAKES, "CreateIfNotExist", "CreateOnly"])
async def test_what_an_action_made_is_pruned(shop, make, action):
    body, other = make.config("it"), make.config("other")
    shop.write(body, other)
    steps = [step(body, action=action), step(other)]
    shop.declare(groups=[{"name": "g", "steps": steps}])
    await shop.rollout()
    shop.drop("it.yaml")
    shop.declare(groups=[{"name": "g", "steps": steps[1:]}], prune={"maxPercent": 100})
    await shop.rollout()

    assert await shop.get("ConfigMap", "it") is None


@pytest.mark.parametrize("action", [*TAKES, *DELETES])
async def test_an_object_of_another_rollout_is_neither_taken_nor_deleted(shop, theirs, action):
    theirs(action, **{"rollwright.dev/rollout": "another"})
    with pytest.raises(Refused):
        await shop.rollout()
    left = await shop.get("ConfigMap", "it")

    assert left.body["data"] == {"key": "old"}


@pytest.mark.parametrize(
    ("action", "value"),
    [("CreateIfNotExist", "old"), ("CreateOnly", "old"), (PATCH, "value"), ("Wait", "old")],
    ids=short,
)
async def test_an_object_of_another_rollout_may_be_met_by_what_leaves_it_there(
    shop, theirs, action, value
):
    theirs(action, **{"rollwright.dev/rollout": "another"})
    report = await shop.rollout()
    left = await shop.get("ConfigMap", "it")
    label = left.labels["rollwright.dev/rollout"]

    assert (report.outcome, left.body["data"]["key"], label) == (
        Outcome.SUCCEEDED,
        value,
        "another",
    )


IMAGE = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "shop/web:2"}]}}}}
PLACE = "/spec/template/spec/containers/0/image"
PATCHES = {
    "strategic": ({"patch": IMAGE}, Outcome.SUCCEEDED, "shop/web:2"),
    "as-text": ({"patch": json.dumps(IMAGE)}, Outcome.SUCCEEDED, "shop/web:2"),
    "merge": ({"type": "merge", "patch": IMAGE}, Outcome.SUCCEEDED, "shop/web:2"),
    "json": (
        {"type": "json", "patch": [{"op": "replace", "path": PLACE, "value": "shop/web:2"}]},
        Outcome.SUCCEEDED,
        "shop/web:2",
    ),
    "json-test": (
        {"type": "json", "patch": [{"op": "test", "path": PLACE, "value": "shop/web:3"}]},
        Outcome.FAILED,
        "shop/web:1",
    ),
    "refused": ({"patch": {"spec": {"replicas": "many"}}}, Outcome.FAILED, "shop/web:1"),
}


@pytest.mark.parametrize("name", PATCHES)
async def test_a_patch_is_read_by_its_type(shop, make, kubectl, name):
    options, outcome, image = PATCHES[name]
    body = make.deployment("web")
    shop.write(body)
    (shop.folder / "web.json").write_text(json.dumps(body))
    kubectl("create", "-n", shop.name, "-f", str(shop.folder / "web.json"))
    patch = step(body, action={"use": "Patch", "with": options})
    shop.declare(groups=[{"name": "g", "steps": [patch]}])
    try:
        ended = (await shop.rollout()).outcome
    except InvalidManifests:
        ended = Outcome.FAILED  # the dry run of the plan knows already
    live = await shop.get("Deployment", "web")
    found = live.body["spec"]["template"]["spec"]["containers"][0]["image"]

    assert (ended, found) == (outcome, image)


@pytest.mark.parametrize(
    ("state", "options", "outcome"),
    [
        ("absent", {}, Outcome.SUCCEEDED),
        ("absent", {"name": "same"}, Outcome.SUCCEEDED),
        ("foreign", {}, Outcome.SUCCEEDED),
        ("foreign", {"name": "same"}, Outcome.FAILED),
        ("former", {}, Outcome.SUCCEEDED),
        ("former", {"name": "same"}, Outcome.SUCCEEDED),
        ("former", {"name": "same", "deletePolicy": "onSuccess"}, Outcome.FAILED),
    ],
)
async def test_a_job_meets_what_has_its_name(shop, make, kubectl, state, options, outcome):
    job, config = make.job("migrate"), make.config("a")
    shop.write(job, config)
    run = step(job, action={"use": "Job", "with": options})
    former = step(job, action={"use": "Job", "with": {"name": "same"}})
    if state == "foreign":
        kubectl("create", "job", "migrate", "-n", shop.name, "--image=shop/theirs:1")
    elif state == "former":
        shop.declare(groups=[{"name": "g", "steps": [former, step(config)]}])
        await shop.rollout()
        shop.write(make.config("a", key="new"))
    shop.declare(groups=[{"name": "g", "steps": [run, step(config)]}])
    report = await shop.rollout()

    assert report.outcome is outcome


async def test_a_selector_lets_each_action_meet_all_that_it_selects(shop, make):
    shop.write(*(make.config(name) for name in ("a1", "a2", "b1")))
    await shop.rollout()
    gone = {
        "name": "gone",
        "select": {"kind": "ConfigMap", "name": "a*"},
        "action": "DeleteIfExist",
    }
    shop.declare(groups=[{"name": "g", "steps": [gone]}], rest="last")
    await shop.rollout()
    left = [await shop.get("ConfigMap", name) for name in ("a1", "a2", "b1")]

    assert [one is not None for one in left] == [False, False, True]
