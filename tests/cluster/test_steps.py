"""Groups of steps on a real control plane: what runs when, and what each action does."""

from __future__ import annotations

import asyncio
import sys

import pytest

from rollwright.rollouts.change import Operation
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster


@pytest.fixture
def named():
    """The outcome of each step that was started, by its name."""

    def named(report):
        return {one.step: one.outcome.value for one in report.results}

    return named


def step(name, key, action: object = "Apply", **more):
    return {"name": name, "object": key, "action": action, **more}


def group(name, *steps, **more):
    return {"name": name, "steps": list(steps), **more}


SUCCEEDED = {
    "fieldComparisons": {
        "expectedValues": [{"name": "done", "path": "{.status.succeeded}", "value": {"static": 1}}]
    }
}


@pytest.fixture
def three_groups(shop, make):
    """A database whose migration is a Job, the application, the public Service."""

    def three_groups(behavior="", **more):
        shop.write(
            make.job("migrate", behavior), make.deployment("web"),
            make.service("web"), make.config("undone"),
        )  # fmt: skip
        database = group(
            "database",
            step("schema", "job-migrate.yaml", success=[{"healthy": {}}, SUCCEEDED]),
            onRollback=[step("undo", "configmap-undone.yaml")],
        )
        application = group(
            "application", step("web", "deployment-web.yaml", success=[{"healthy": {}}])
        )
        public = group("public", step("service", "service-web.yaml"))
        shop.declare(groups=[database, application, public], health={"timeout": "40s"}, **more)

    return three_groups


async def test_three_groups_run_one_after_another(shop, three_groups, named):
    three_groups()
    report = await shop.rollout()

    assert named(report) == {
        "database/schema": "succeeded",
        "application/web": "succeeded",
        "public/service": "succeeded",
    }


async def test_what_three_groups_brought_about_is_done(shop, three_groups):
    three_groups()
    await shop.rollout()

    assert (await shop.plan()).is_done


async def test_after_a_group_that_failed_nothing_runs(shop, three_groups, named):
    three_groups("fail")
    report = await shop.rollout()
    absent = await shop.get("Deployment", "web")

    assert (named(report), absent) == (
        {
            "database/schema": named(report)["database/schema"],
            "application/web": "not-started",
            "public/service": "not-started",
        },
        None,
    )
    assert report.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}


async def test_steps_for_a_rollback_run_when_the_rollout_goes_back(shop, three_groups, named):
    three_groups("fail", onFailure="rollback")
    report = await shop.rollout()
    undone = await shop.get("ConfigMap", "undone")

    assert (named(report)["database/onRollback/undo"], undone is not None) == ("succeeded", True)


async def test_without_a_rollback_its_steps_do_not_run(shop, three_groups):
    three_groups("fail")
    await shop.rollout()

    assert await shop.get("ConfigMap", "undone") is None


@pytest.mark.parametrize("parallel", [False, True])
async def test_a_step_may_fail_and_the_run_goes_on(shop, make, named, parallel):
    shop.write(make.config("a"), make.config("b"), make.config("c"))
    broken = step(
        "a", "configmap-a.yaml", timeout="1s", continueOnError=True,
        success=[{"condition": {"type": "Never"}}],
    )  # fmt: skip
    first = group("first", broken, step("b", "configmap-b.yaml"), parallel=parallel)
    shop.declare(groups=[first, group("second", step("c", "configmap-c.yaml"))])
    report = await shop.rollout()

    assert (report.outcome, named(report)) == (
        Outcome.SUCCEEDED,
        {"first/a": "timed-out", "first/b": "succeeded", "second/c": "succeeded"},
    )


async def test_a_step_that_may_fail_holds_up_nothing_that_runs_beside_it(shop, make, named):
    shop.write(make.config("a"), make.deployment("web"))
    broken = step(
        "a", "configmap-a.yaml", timeout="1s", continueOnError=True,
        success=[{"condition": {"type": "Never"}}],
    )  # fmt: skip
    shop.declare(groups=[group("g", broken, step("web", "deployment-web.yaml"), parallel=True)])
    report = await shop.rollout()

    assert (report.outcome, named(report)) == (
        Outcome.SUCCEEDED,
        {"g/a": "timed-out", "g/web": "succeeded"},
    )


async def test_what_waits_in_vain_for_a_step_beside_it_was_not_started(shop, make, named):
    shop.write(make.config("a"), make.deployment("web"))
    broken = step("a", "configmap-a.yaml", timeout="1s", success=[{"condition": {"type": "Never"}}])
    shop.declare(groups=[group("g", broken, step("web", "deployment-web.yaml"), parallel=True)])
    report = await shop.rollout()

    assert (report.outcome, named(report)) == (
        Outcome.TIMED_OUT,
        {"g/a": "timed-out", "g/web": "not-started"},
    )


async def test_steps_that_run_together_all_run_to_their_end(shop, make, named):
    shop.write(make.config("a"), make.config("b"), make.config("c"))
    broken = step("a", "configmap-a.yaml", timeout="1s", success=[{"condition": {"type": "Never"}}])
    first = group("first", broken, step("b", "configmap-b.yaml"), parallel=True)
    shop.declare(groups=[first, group("second", step("c", "configmap-c.yaml"))])
    report = await shop.rollout()

    assert (report.outcome, named(report)) == (
        Outcome.TIMED_OUT,
        {"first/a": "timed-out", "first/b": "succeeded", "second/c": "not-started"},
    )


async def test_a_document_may_leave_objects_alone(shop, make):
    shop.write(make.config("a"), make.config("b"))
    await shop.rollout()
    shop.declare(groups=[group("one", step("a", "configmap-a.yaml"))], rest="ignore")
    shop.write(make.config("b", key="changed"))
    await shop.rollout()
    left = await shop.get("ConfigMap", "b")

    assert left.body["data"] == {"key": "value"}


# ------------------------------------------------------------------ each action, each object

NEW, OLD = {"key": "value"}, {"key": "old"}


@pytest.fixture
async def met(shop, make, kubectl, tmp_path):
    """Bring an object into a state, and return what a plan with one step does to it."""

    async def met(state, action):
        shop.write(make.config("it"))
        if state == "equal":
            await shop.rollout()
        elif state == "different":
            shop.write(make.config("it", **OLD))
            await shop.rollout()
            shop.write(make.config("it"))
        elif state == "foreign":
            kubectl("create", "configmap", "it", "-n", shop.name, "--from-literal=key=old")
        shop.declare(groups=[group("g", {**step("s", "configmap-it.yaml"), "action": action})])

    return met


CONTENT = {"type": "merge", "patch": {"data": {"key": "value"}}}
PATCH = {"use": "Patch", "with": CONTENT}
CREATE, UPDATE, ADOPT = Operation.CREATE, Operation.UPDATE, Operation.ADOPT
KEEP, PRUNE, AGAIN = Operation.KEEP, Operation.PRUNE, Operation.REPLACE
CASES = [
    ("Apply", "absent", CREATE, NEW), ("Apply", "equal", KEEP, NEW),
    ("Apply", "different", UPDATE, NEW), ("Apply", "foreign", ADOPT, NEW),
    ("CreateOrUpdate", "different", UPDATE, NEW),
    ("CreateIfNotExist", "absent", CREATE, NEW), ("CreateIfNotExist", "equal", KEEP, NEW),
    ("CreateIfNotExist", "different", KEEP, OLD), ("CreateIfNotExist", "foreign", KEEP, OLD),
    ("CreateOnly", "absent", CREATE, NEW), ("CreateOnly", "equal", KEEP, NEW),
    ("CreateOnly", "different", KEEP, OLD), ("CreateOnly", "foreign", KEEP, OLD),
    ("Replace", "absent", CREATE, NEW), ("Replace", "equal", KEEP, NEW),
    ("Replace", "different", UPDATE, NEW), ("Replace", "foreign", ADOPT, NEW),
    ("Recreate", "absent", CREATE, NEW), ("Recreate", "equal", AGAIN, NEW),
    ("Recreate", "different", AGAIN, NEW), ("Recreate", "foreign", AGAIN, NEW),
    ("DeleteIfExist", "absent", KEEP, None), ("DeleteIfExist", "equal", PRUNE, None),
    ("DeleteIfExists", "different", PRUNE, None), ("DeleteIfExist", "foreign", PRUNE, None),
    (PATCH, "equal", KEEP, NEW), (PATCH, "different", UPDATE, NEW),
    (PATCH, "foreign", UPDATE, NEW), ("Wait", "equal", KEEP, NEW),
    ("Wait", "different", KEEP, OLD), ("Wait", "foreign", KEEP, OLD),
]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "state", "operation", "data"), CASES, ids=lambda one: str(one)[:16]
)
async def test_an_action_does_to_an_object_what_is_planned(
    shop, met, action, state, operation, data
):
    await met(state, action)
    plan = await shop.plan()
    report = await shop.rollout()
    found = await shop.get("ConfigMap", "it")
    planned = [one.operation for one in plan.changes]

    assert (planned, report.outcome, found.body["data"] if found else None) == (
        [operation],
        Outcome.SUCCEEDED,
        data,
    )


@pytest.mark.parametrize(
    "action", ["Apply", "CreateIfNotExist", "CreateOnly", "Replace", "DeleteIfExist", PATCH, "Wait"]
)
@pytest.mark.parametrize("state", ["equal", "different", "foreign"])
async def test_what_an_action_has_done_is_done(shop, met, action, state):
    await met(state, action)
    await shop.rollout()

    assert (await shop.plan()).is_done


async def test_a_patch_of_what_is_not_there_fails(shop, met):
    await met("absent", PATCH)
    report = await shop.rollout()

    assert report.outcome is Outcome.FAILED


async def test_a_patch_may_be_sent_once_for_ever(shop, met, kubectl):
    once = {"use": "Patch", "with": {**CONTENT, "mode": "ApplyOnce"}}
    await met("foreign", once)
    await shop.rollout()
    change = '{"data": {"key": "mine"}}'
    kubectl("patch", "configmap", "it", "-n", shop.name, "--type=merge", "-p", change)
    plan = await shop.plan()

    assert [one.operation for one in plan.changes] == [KEEP]


async def test_an_object_is_deleted_and_made_again_in_one_rollout(shop, make, met):
    await met("equal", "Apply")
    before = await shop.get("ConfigMap", "it")
    first = group("first", step("gone", "configmap-it.yaml", "DeleteIfExist"))
    shop.declare(groups=[first, group("second", step("made", "configmap-it.yaml"))])
    report = await shop.rollout()
    after = await shop.get("ConfigMap", "it")

    assert (report.outcome, after.uid != before.uid) == (Outcome.SUCCEEDED, True)


async def test_five_hundred_steps_cost_what_their_objects_cost(shop, make, capsys):
    names = [f"c{number:03d}" for number in range(500)]
    shop.write(*(make.config(name) for name in names))
    steps = [step(name, f"configmap-{name}.yaml") for name in names]
    shop.declare(groups=[group("all", *steps)])
    report = await shop.rollout()
    spent = [(one.ended_at - one.started_at).total_seconds() for one in report.results]
    with capsys.disabled():
        seconds = (report.results[-1].ended_at - report.results[0].started_at).total_seconds()
        print(f"\n500 steps: {seconds:.2f} s, {sum(spent):.2f} s of them inside")

    assert (report.outcome, report.calls["apply"]) == (Outcome.SUCCEEDED, 500)


async def test_a_job_that_fails_takes_everything_back(shop, make, named):
    shop.write(make.config("a", key="good"), make.config("undone"))
    first = group("first", step("a", "configmap-a.yaml"))
    shop.declare(groups=[first], rest="last")
    await shop.rollout()
    shop.write(make.config("a", key="bad"), make.job("migrate", "fail"))
    job = step("job", "job-migrate.yaml", {"use": "Job"})
    undo = group(
        "first", step("a", "configmap-a.yaml"), onRollback=[step("u", "configmap-undone.yaml")]
    )
    shop.declare(groups=[undo, group("second", job)], onFailure="rollback")
    report = await shop.rollout()
    live = await shop.get("ConfigMap", "a")

    assert (named(report)["second/job"], report.rollback.outcome, live.body["data"]) == (
        "failed",
        Outcome.SUCCEEDED,
        {"key": "good"},
    )


async def test_a_job_of_a_step_runs_in_each_run_that_has_something_to_do(shop, make, named):
    shop.write(make.config("a"), make.job("migrate"))
    job = step("job", "job-migrate.yaml", {"use": "Job"})
    shop.declare(groups=[group("g", job, step("a", "configmap-a.yaml"))])
    first = await shop.rollout()
    is_done = (await shop.plan()).is_done
    shop.write(make.config("a", key="new"))
    second = await shop.rollout()

    assert (named(first)["g/job"], is_done, named(second)["g/job"]) == (
        "succeeded",
        True,
        "succeeded",
    )


async def test_a_step_that_waits_begins_with_an_object_that_is_not_there_yet(shop, make, kubectl):
    shop.write(make.config("theirs"))
    waits = step("wait", "configmap-theirs.yaml", "Wait", timeout="20s")
    shop.declare(groups=[group("g", waits)])

    async def create():
        kubectl("create", "configmap", "theirs", "-n", shop.name)

    report, _ = await asyncio.gather(shop.rollout(), create())

    assert report.outcome is Outcome.SUCCEEDED


DEADLY = """
from __future__ import annotations
import os
from pathlib import Path
from pydantic import BaseModel
from rollwright.rollouts.report import Outcome, StepResult

LOG = Path(__file__).parent / "ran.log"


class Deadly(BaseModel):
    is_deadly: bool = False

    async def run(self, request):
        before = LOG.read_text() if LOG.exists() else ""
        LOG.write_text(f"{before}{request.step.name} {request.run_id}\\n")
        if self.is_deadly and before.count("deadly") == 0:
            os.kill(os.getpid(), 9)
        return StepResult(step=request.step.name, outcome=Outcome.SUCCEEDED)
"""


@pytest.mark.parametrize("action", ["Recreate", "DeleteIfExist", "Replace", PATCH])
async def test_after_a_kill_no_step_that_had_finished_runs_again(shop, make, action):
    lease = {"use": "lease", "namespace": shop.name, "ttl": "2s", "renewEvery": "500ms"}
    shop.settle(locks=lease)
    (shop.folder / "mine.py").write_text(DEADLY)
    with (shop.folder / "site.toml").open("a") as site:
        site.write('\n[plugins.actions]\nDeadly = "mine.py:Deadly"\n')
    shop.write(make.config("it", **OLD))
    await shop.rollout()
    shop.write(make.config("it"))
    deadly = {"use": "Deadly", "with": {"is_deadly": True}}
    steps = (
        {"name": "first", "action": "Deadly"}, step("it", "configmap-it.yaml", action),
        {"name": "deadly", "action": deadly}, step("again", "configmap-it.yaml"),
    )  # fmt: skip
    shop.declare(groups=[group("g", *steps)])
    command = [sys.executable, "-m", "rollwright", "rollout", str(shop.folder), "--yes"]
    killed = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    code = await killed.wait()
    before = await shop.get("ConfigMap", "it")
    report = await shop.rollout()
    after = await shop.get("ConfigMap", "it")
    lines = [line.split() for line in (shop.folder / "ran.log").read_text().splitlines()]
    is_same = before is None or before.uid == after.uid
    names, run_ids = [one[0] for one in lines], {one[1] for one in lines}

    assert (code, report.outcome, names, len(run_ids), is_same) == (
        -9,
        Outcome.SUCCEEDED,
        ["g/first", "g/deadly", "g/deadly"],
        1,
        True,
    )
