"""The action Job: what it creates, waits for, keeps of the logs, and finds again."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import timedelta

import pytest
from pydantic import ValidationError

from rollwright.actions.job import Job
from rollwright.actions.job_body import RUN_OF, name_in
from rollwright.errors import ClusterError, LockLost
from rollwright.plugins.contracts import ActionRequest
from rollwright.rollouts.manifest import Manifest, ObjectRef, Origin, ref_of
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import Outcome
from rollwright.testing.fake import FakeCluster

COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1}
FAILED = {
    "conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "limit"}
    ],
    "failed": 1,
}
OURS = "rollwright.dev/rollout"


def a_job(name="migrate", *, kind="Job", spec=None, **metadata):
    return {
        "apiVersion": "batch/v1" if kind == "Job" else "v1", "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "labels": {OURS: "shop"}, **metadata},
        "spec": spec or {},
    }  # fmt: skip


def manifest(body):
    return Manifest(body=body, ref=ref_of(body), key="job.yaml", origin=Origin(file="job.yaml"))


@pytest.fixture
def cluster():
    return FakeCluster()


@pytest.fixture
def request_for(cluster):
    def request_for(*bodies, run_id="run1", step="schema", **rest):
        step = Step(name=step, action="Job", changes=())
        manifests = tuple(manifest(one) for one in bodies or (a_job(),))
        return ActionRequest(
            step=step, cluster=cluster, rollout="shop", run_id=run_id, manifests=manifests, **rest
        )

    return request_for


class Life:
    """What happens in the cluster while the action runs."""

    def __init__(self, cluster):
        self.cluster = cluster

    async def until(self, is_it, turns=5000):
        for _ in range(turns):
            if is_it():
                return
            await asyncio.sleep(0)
        raise AssertionError("nothing happened")

    async def created(self, count=1):
        await self.until(lambda: len(self.cluster.sent("create")) >= count)
        await self.until(lambda: len(self.cluster.sent("watch")) >= 1)

    def ref(self, name="migrate-run1", kind="Job"):
        return ObjectRef("batch" if kind == "Job" else "", kind, "shop", name)

    def set(self, status, name="migrate-run1", kind="Job", **metadata):
        body = self.cluster.objects[self.ref(name, kind)]
        self.cluster.put({**body, "metadata": {**body["metadata"], **metadata}, "status": status})

    def pod(self, name="pod-1", owner="migrate-run1", code=1, reason="Error"):
        uid = self.cluster.objects[self.ref(owner)]["metadata"]["uid"]
        ended = {"terminated": {"exitCode": code, "reason": reason}}
        self.cluster.put(
            {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": name, "namespace": "shop", "labels": {"job-name": owner},
                    "ownerReferences": [{"uid": uid, "kind": "Job", "controller": True}],
                },
                "status": {
                    "phase": "Failed" if code else "Succeeded",
                    "containerStatuses": [{"name": "main", "state": ended, "restartCount": 0}],
                },
            }
        )  # fmt: skip


@pytest.fixture
def life(cluster):
    return Life(cluster)


async def finished(action, request, life, status=COMPLETE, **where):
    running = asyncio.ensure_future(action.run(request))
    await life.created()
    life.set(status, **where)
    return await running


async def test_a_job_that_completes_succeeds(request_for, life):
    result = await finished(Job(), request_for(), life)

    assert (result.step, result.outcome) == ("schema", Outcome.SUCCEEDED)
    assert "migrate-run1" in result.message


async def test_it_is_created_under_a_name_and_labels_of_its_own(request_for, life, cluster):
    await finished(Job(), request_for(), life)

    [body] = cluster.sent("create")
    assert body["metadata"]["name"] == "migrate-run1"
    assert body["metadata"]["labels"] == {RUN_OF: "shop"}
    assert body["spec"]["ttlSecondsAfterFinished"] == 86_400


async def test_its_own_time_to_live_stays(request_for, life, cluster):
    request = request_for(a_job(spec={"ttlSecondsAfterFinished": 5}))
    await finished(Job(), request, life)

    [body] = cluster.sent("create")
    assert body["spec"]["ttlSecondsAfterFinished"] == 5


async def test_a_failed_job_says_why_and_quotes_its_log(request_for, life, cluster):
    cluster.log("pod-1", "main", "connecting\nrelation does not exist\n")
    running = asyncio.ensure_future(Job().run(request_for()))
    await life.created()
    life.pod(code=3)
    life.set(FAILED)
    result = await running

    assert result.outcome is Outcome.FAILED
    assert "exit code 3" in result.message
    assert '"relation does not exist"' in result.message
    assert result.logs == {"pod-1/main": "connecting\nrelation does not exist\n"}
    [change] = result.changes
    assert change.status is not None
    texts = [one.text for one in change.status.evidence if one.kind == "Log"]
    assert texts == ["connecting", "relation does not exist"]


async def test_a_job_out_of_memory_says_so(request_for, life):
    running = asyncio.ensure_future(Job().run(request_for()))
    await life.created()
    life.pod(code=137, reason="OOMKilled")
    life.set(FAILED)
    result = await running

    assert "OOMKilled" in result.message


@pytest.mark.parametrize(
    ("keep", "code", "kept"),
    [
        ("onFailure", 0, False),
        ("onFailure", 1, True),
        ("always", 0, True),
        ("never", 1, False),
    ],
)
async def test_logs_are_kept_as_asked(request_for, life, cluster, keep, code, kept):
    cluster.log("pod-1", "main", "words\n")
    running = asyncio.ensure_future(Job(keepLogs=keep).run(request_for()))
    await life.created()
    life.pod(code=code)
    life.set(FAILED if code else COMPLETE)
    result = await running

    assert bool(result.logs) is kept


async def test_only_the_last_lines_are_kept(request_for, life, cluster):
    cluster.log("pod-1", "main", "".join(f"{number}\n" for number in range(50)))
    running = asyncio.ensure_future(Job(tail=2).run(request_for()))
    await life.created()
    life.pod()
    life.set(FAILED)
    result = await running

    assert result.logs == {"pod-1/main": "48\n49\n"}


async def test_no_value_of_a_secret_is_repeated(request_for, life, cluster):
    value = "hunter2-and-more"
    told = f"password {value}\nin base64 {b64encode(value.encode()).decode()}\n"
    cluster.log("pod-1", "main", told)
    running = asyncio.ensure_future(Job().run(request_for(hidden=frozenset({value}))))
    await life.created()
    life.pod()
    life.set(FAILED)
    result = await running

    assert value not in repr(result) + str(result.logs)
    assert b64encode(value.encode()).decode() not in repr(result) + str(result.logs)
    assert result.logs["pod-1/main"].startswith("password ***")


async def test_the_second_time_a_finished_job_counts(request_for, life, cluster):
    first = await finished(Job(), request_for(), life)
    again = await Job().run(request_for())

    assert (first.outcome, again.outcome) == (Outcome.SUCCEEDED, Outcome.SUCCEEDED)
    assert len(cluster.sent("create")) == 1


async def test_a_resumed_run_waits_for_the_job_that_runs(request_for, life, cluster):
    killed = asyncio.ensure_future(Job().run(request_for()))
    await life.created()
    killed.cancel()
    await asyncio.wait([killed])
    resumed = asyncio.ensure_future(Job().run(request_for()))
    await life.until(lambda: len(cluster.sent("watch")) >= 3)
    life.set(COMPLETE)
    result = await resumed

    assert result.outcome is Outcome.SUCCEEDED
    assert len(cluster.sent("create")) == 1


async def test_a_job_that_failed_before_the_run_was_killed_is_not_run_again(
    request_for, life, cluster
):
    await finished(Job(), request_for(), life, FAILED)
    again = await Job().run(request_for())

    assert again.outcome is Outcome.FAILED
    assert len(cluster.sent("create")) == 1


async def test_jobs_of_former_runs_go_first(request_for, life, cluster):
    await finished(Job(), request_for(), life)
    running = asyncio.ensure_future(Job().run(request_for(run_id="run2")))
    await life.created(2)
    life.set(COMPLETE, name="migrate-run2")
    await running

    assert sorted(ref.name for ref in cluster.objects) == ["migrate-run2"]


async def test_jobs_of_other_steps_and_rollouts_stay(request_for, life, cluster):
    await finished(Job(), request_for(step="other"), life)
    cluster.put(a_job("foreign", labels={RUN_OF: "elsewhere"}))
    running = asyncio.ensure_future(Job().run(request_for(run_id="run2")))
    await life.created(2)
    life.set(COMPLETE, name="migrate-run2")
    await running

    names = sorted(ref.name for ref in cluster.objects)
    assert names == ["foreign", "migrate-run1", "migrate-run2"]


async def test_without_that_policy_former_jobs_stay(request_for, life, cluster):
    await finished(Job(deletePolicy=[]), request_for(), life)
    running = asyncio.ensure_future(Job(deletePolicy=[]).run(request_for(run_id="run2")))
    await life.created(2)
    life.set(COMPLETE, name="migrate-run2")
    await running

    assert cluster.sent("delete") == ()


async def test_it_waits_until_a_former_job_with_finalizers_is_gone(request_for, life, cluster):
    await finished(Job(), request_for(), life)
    life.set(COMPLETE, finalizers=["example.com/slow"])
    running = asyncio.ensure_future(Job().run(request_for(run_id="run2")))
    await life.until(lambda: cluster.sent("delete"))
    await life.until(lambda: len(cluster.sent("watch")) >= 3)
    assert len(cluster.sent("create")) == 1
    cluster.remove(life.ref())
    await life.created(2)
    life.set(COMPLETE, name="migrate-run2")

    assert (await running).outcome is Outcome.SUCCEEDED


async def test_a_former_job_that_stays_is_a_failure_in_time(request_for, life, cluster):
    await finished(Job(), request_for(), life)
    life.set(COMPLETE, finalizers=["example.com/never"])
    result = await Job(timeout="50ms").run(request_for(run_id="run2"))

    assert result.outcome is Outcome.TIMED_OUT
    assert "still being deleted" in result.message


@pytest.mark.parametrize(
    ("policy", "status", "is_gone"),
    [
        ("onSuccess", COMPLETE, True),
        ("onSuccess", FAILED, False),
        ("onFailure", FAILED, True),
        ("onFailure", COMPLETE, False),
    ],
)
async def test_what_has_ended_goes_by_its_policy(
    request_for, life, cluster, policy, status, is_gone
):
    await finished(Job(deletePolicy=[policy]), request_for(), life, status)

    assert (life.ref() not in cluster.objects) is is_gone


async def test_the_same_name_is_taken_again_once_the_former_job_is_gone(request_for, life, cluster):
    action = Job(name="same")
    await finished(action, request_for(), life, name="migrate")
    running = asyncio.ensure_future(action.run(request_for(run_id="run2")))
    await life.created(2)
    life.set(COMPLETE, name="migrate")

    assert (await running).outcome is Outcome.SUCCEEDED
    assert len(cluster.sent("delete")) == 1


async def test_a_foreign_job_of_that_name_is_left_alone(request_for, cluster):
    cluster.put(a_job("migrate-run1"))
    result = await Job().run(request_for())

    assert result.outcome is Outcome.FAILED
    assert "no run of this rollout made it" in result.message
    assert cluster.sent("delete") == cluster.sent("create") == ()


async def test_the_same_name_without_room_is_refused(request_for, life, cluster):
    action = Job(name="same", deletePolicy=[])
    await finished(action, request_for(), life, name="migrate")
    result = await action.run(request_for(run_id="run2"))

    assert result.outcome is Outcome.FAILED
    assert "beforeCreation" in result.hint


async def test_a_job_that_somebody_deletes_has_failed(request_for, life, cluster):
    running = asyncio.ensure_future(Job().run(request_for()))
    await life.created()
    await life.until(lambda: len(cluster.sent("watch")) >= 2)
    cluster.remove(life.ref())
    result = await running

    assert result.outcome is Outcome.FAILED
    assert "was deleted before it had ended" in result.message


async def test_a_job_that_was_deleted_and_made_anew_is_not_ours(request_for, life, cluster):
    running = asyncio.ensure_future(Job().run(request_for()))
    await life.created()
    body = dict(cluster.objects[life.ref()])
    cluster.remove(life.ref())
    cluster.put({**body, "metadata": {**body["metadata"], "uid": "another"}, "status": COMPLETE})
    result = await running

    assert result.outcome is Outcome.FAILED


async def test_a_job_that_had_ended_before_it_was_deleted_counts(request_for, life, cluster):
    running = asyncio.ensure_future(Job().run(request_for()))
    await life.created()
    life.set(COMPLETE, deletionTimestamp="2025-01-01T00:00:00Z")
    result = await running

    assert result.outcome is Outcome.SUCCEEDED


async def test_time_runs_out_with_the_reason(request_for, life):
    result = await Job(timeout="50ms").run(request_for())

    assert result.outcome is Outcome.TIMED_OUT
    assert "not done within 50ms: the Job has not started" in result.message


async def test_a_suspended_job_is_no_success(request_for, life):
    suspended = {"conditions": [{"type": "Suspended", "status": "True"}]}
    running = asyncio.ensure_future(
        Job(timeout="80ms").run(request_for(a_job(spec={"suspend": True})))
    )
    await life.created()
    life.set(suspended)
    result = await running

    assert result.outcome is Outcome.TIMED_OUT
    assert "suspended" in result.message


@pytest.mark.parametrize(
    ("phase", "outcome"), [("Succeeded", Outcome.SUCCEEDED), ("Failed", Outcome.FAILED)]
)
async def test_a_pod_runs_to_its_end(request_for, life, phase, outcome):
    request = request_for(a_job(kind="Pod", spec={"restartPolicy": "Never"}))
    running = asyncio.ensure_future(Job().run(request))
    await life.created()
    life.set({"phase": "Running"}, kind="Pod")
    await asyncio.sleep(0)
    assert not running.done()
    life.set({"phase": phase}, kind="Pod")

    assert (await running).outcome is outcome


async def test_nothing_else_can_be_run(request_for, cluster):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}}
    result = await Job().run(request_for(a_job(), body))

    assert result.outcome is Outcome.FAILED
    assert "ConfigMap/shop/c: neither a Job nor a Pod" in result.message
    assert cluster.sent("create") == ()


async def test_several_jobs_run_together_and_all_come_to_their_end(request_for, life, cluster):
    request = request_for(a_job("one"), a_job("two"))
    running = asyncio.ensure_future(Job().run(request))
    await life.created(2)
    life.set(FAILED, name="one-run1")
    life.set(COMPLETE, name="two-run1")
    result = await running

    assert [one.outcome for one in result.changes] == [Outcome.FAILED, Outcome.SUCCEEDED]
    assert result.outcome is Outcome.FAILED
    assert result.message.startswith("Job/shop/one")


@pytest.mark.parametrize("call", ["get", "list", "create", "watch"])
async def test_a_refusal_is_a_value(request_for, cluster, call):
    cluster.fail(
        call,
        "Job" if call in {"list", "watch"} else ObjectRef("batch", "Job", "shop", "migrate-run1"),
        ClusterError("no, you may not", status=403),
    )
    result = await Job().run(request_for())

    assert result.outcome is Outcome.FAILED
    assert "no, you may not" in result.message


async def test_pods_that_nobody_may_see_do_not_fail_it(request_for, life, cluster):
    cluster.fail("watch", "Pod", ClusterError("no", status=403))
    cluster.fail("list", "Pod", ClusterError("no", status=403))

    assert (await finished(Job(), request_for(), life)).outcome is Outcome.SUCCEEDED


async def test_a_run_that_stops_leaves_the_job_to_be_found_again(request_for, life):
    is_stopping = False
    request = request_for(must_stop=lambda: is_stopping)
    running = asyncio.ensure_future(Job().run(request))
    await life.created()
    is_stopping = True
    life.set({"active": 1})
    result = await running

    assert result.outcome is Outcome.CANCELLED
    assert "goes on in the cluster" in result.message


async def test_a_lost_lock_is_told_as_such(request_for, cluster):
    def lost():
        raise LockLost("the lease is gone")

    with pytest.raises(LockLost):
        await Job().run(request_for(must_stop=lost))

    assert cluster.sent("create") == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("migrate", "migrate-run1"),
        ("a" * 58, "a" * 58 + "-run1"),
    ],
)
def test_names_that_fit_are_kept(name, expected):
    assert name_in(manifest(a_job(name)), "run1", is_unique=True) == expected


def test_long_names_stay_apart():
    names = {
        name_in(manifest(a_job("a" * 62 + last)), "0123456789ab", is_unique=True) for last in "bc"
    }

    assert len(names) == 2
    assert {len(name) for name in names} == {63}


def test_a_generated_name_has_the_run_in_it():
    body = a_job()
    body["metadata"] = {"generateName": "migrate-", "namespace": "shop"}

    assert name_in(manifest(body), "run1", is_unique=True) == "migrate-run1"


@pytest.mark.parametrize(
    "options", [{"tail": 0}, {"tail": 1001}, {"keepLogs": "maybe"}, {"name": "x"}]
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValidationError):
        Job.model_validate(options)


def test_it_says_what_it_will_do():
    assert str(Job()) == (
        "run to its end as <name>-<run id>, after Jobs of former runs are deleted;"
        " keep its log if it fails"
    )


def test_its_timeout_is_its_own():
    assert Job(timeout="90s").timeout == timedelta(seconds=90)
