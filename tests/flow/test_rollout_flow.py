"""The flow against a real control plane: the same walk, and Prefect knows how it ended."""

from __future__ import annotations

import asyncio

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.documents import load_rollout
from rollwright.engine.site import open_site
from rollwright.errors import NotFound, Refused, RolloutError
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.statuses import describe_status

pytestmark = [
    pytest.mark.flow,
    pytest.mark.cluster,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

STAGES = ["fetch", "render", "state", "read", "forecast", "plan"]
NEVER_READY = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, sandbox.rollwright.dev/behavior: never-ready}}
    spec: {containers: [{name: web, image: example.com/web:1}]}
"""


def config_map(name: str, value: str = "1") -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: '{value}'}}\n"
    )


def names_in(kubectl, namespace: str) -> list[str]:
    found = kubectl("get", "configmaps", "-n", namespace, "-o", "name").split()
    return sorted(one.removeprefix("configmap/") for one in found if "kube-root-ca" not in one)


def essence(report):
    """What a report says, without instants and ids."""
    return report.outcome, [
        (one.ref.kind, one.ref.name, one.operation, one.outcome, one.message)
        for one in report.changes
    ]


async def planned(folder):
    loaded = load_rollout(folder)
    async with open_site(loaded) as site:
        return await operations.plan(site, loaded)


async def rolled_out_directly(folder):
    loaded = load_rollout(folder)
    async with open_site(loaded) as site:
        return await operations.roll_out(site, loaded)


@pytest.mark.usefixtures("site")
class TestRollout:
    async def test_the_plan_is_the_one_of_the_direct_walk(self, rollout, declare, namespace):
        folder = declare(namespace, namespace, config_map("a"), config_map("b"))
        plan = await planned(folder)

        assert (await rollout(str(folder))).plan.id == plan.id

    async def test_the_results_are_those_of_the_direct_walk(self, rollout, declare, namespace):
        folder = declare(namespace, namespace, config_map("a"), config_map("b"))
        await rolled_out_directly(folder)
        declare(namespace, namespace, config_map("a", "2"), config_map("c"))
        direct = await rolled_out_directly(folder)
        declare(namespace, namespace, config_map("a"), config_map("b"))
        await rolled_out_directly(folder)
        declare(namespace, namespace, config_map("a", "2"), config_map("c"))

        assert essence(await rollout(str(folder))) == essence(direct)

    async def test_every_stage_and_wave_is_one_task_run(self, rollout, declare, namespace, record):
        folder = declare(namespace, namespace, config_map("a"))
        state = await rollout(str(folder), return_state=True)
        names = [*STAGES, "begin", "apply-0", "finish", "feedback"]
        found = await record.task_runs(state.state_details.flow_run_id, len(names))

        assert sorted(run["name"] for run in found) == sorted(names)

    async def test_it_is_called_and_tagged_after_rollout_and_cluster(
        self, rollout, declare, namespace, record
    ):
        folder = declare(namespace, namespace, config_map("a"))
        state = await rollout(str(folder), return_state=True)
        run = await record.flow_run(state.state_details.flow_run_id)
        revision = (await state.aresult()).plan.source

        assert (run["name"], sorted(run["tags"])) == (
            f"rollout {namespace} -> here @ {revision[:24]}",
            ["cluster:here", f"rollout:{namespace}"],
        )

    async def test_a_run_that_wrote_is_rolled_out_and_a_second_changes_nothing(
        self, rollout, declare, namespace, record
    ):
        folder = declare(namespace, namespace, config_map("a"))
        states = [await rollout(str(folder), return_state=True) for _ in range(2)]

        assert [(state.type, state.name) for state in states] == [
            ("COMPLETED", "RolledOut"),
            ("COMPLETED", "NoChange"),
        ]

    async def test_a_run_without_a_change_takes_no_further_stage(
        self, rollout, declare, namespace, record
    ):
        folder = declare(namespace, namespace, config_map("a"))
        await rollout(str(folder))
        state = await rollout(str(folder), return_state=True)
        names = [*STAGES, "feedback"]
        found = await record.task_runs(state.state_details.flow_run_id, len(names))

        assert sorted(run["name"] for run in found) == sorted(names)

    async def test_its_artifacts_are_plan_diff_result_and_timeline(
        self, rollout, declare, namespace, record
    ):
        folder = declare(namespace, namespace, config_map("a"))
        state = await rollout(str(folder), return_state=True)
        found = await record.artifacts(state.state_details.flow_run_id)

        assert sorted((one["key"], one["type"]) for one in found) == [
            (f"diff-{namespace}--here", "markdown"),
            (f"plan-{namespace}--here", "table"),
            (f"result-{namespace}--here", "markdown"),
            (f"timeline-{namespace}--here", "markdown"),
        ]

    async def test_every_artifact_in_words_says_where_to_go_on_looking(
        self, rollout, declare, namespace, record
    ):
        folder = declare(namespace, namespace, config_map("a"))
        state = await rollout(str(folder), return_state=True)
        found = await record.artifacts(state.state_details.flow_run_id)
        words = [one["data"] for one in found if one["type"] == "markdown"]

        assert all(f"`rollwright status {namespace} --cluster here`" in one for one in words)

    async def test_status_shows_the_page_of_the_last_run(self, rollout, declare, namespace):
        folder = declare(namespace, namespace, config_map("a"))
        state = await rollout(str(folder), return_state=True)
        shown = text(describe_status(await library.status(folder)))

        assert f"/runs/flow-run/{state.state_details.flow_run_id}" in shown

    async def test_who_asked_stands_in_the_report(self, rollout, declare, namespace):
        folder = declare(namespace, namespace, config_map("a"))

        assert (await rollout(str(folder), actor="mia")).trigger.actor == "mia"

    def test_whoever_is_not_async_runs_it_too(self, rollout, declare, namespace):
        folder = declare(namespace, namespace, config_map("a"))

        assert asyncio.run(rollout(str(folder))).outcome == "succeeded"


HASTE = "  health: {timeout: 2s, progressTimeout: 5s}\n"


@pytest.mark.usefixtures("site")
class TestFailures:
    async def test_objects_that_do_not_become_ready_fail_the_run_and_its_wave(
        self, rollout, declare, namespace, record
    ):
        folder = declare(namespace, namespace, NEVER_READY, more=HASTE)
        state = await rollout(str(folder), return_state=True)
        runs = await record.task_runs(state.state_details.flow_run_id, 10)
        wave = next(run for run in runs if run["name"] == "apply-0")

        assert (state.type, state.name, wave["state_name"]) == ("FAILED", "NotReady", "NotReady")

    async def test_message_and_artifact_of_a_failed_run_name_the_object(
        self, rollout, declare, namespace, record
    ):
        folder = declare(namespace, namespace, NEVER_READY, more=HASTE)
        state = await rollout(str(folder), return_state=True)
        found = await record.artifacts(state.state_details.flow_run_id)
        artifact = next(one for one in found if one["key"].startswith("result-"))
        name = f"Deployment/{namespace}/web"

        assert name in state.message
        assert name in artifact["data"]

    async def test_awaiting_a_failed_run_raises(self, rollout, declare, namespace):
        folder = declare(namespace, namespace, NEVER_READY, more=HASTE)

        with pytest.raises(RolloutError, match=f"Deployment/{namespace}/web"):
            await rollout(str(folder))

    async def test_a_refused_run_says_why_and_writes_nothing(
        self, rollout, declare, namespace, kubectl
    ):
        folder = declare(namespace, namespace, config_map("a"), more="  suspend: true\n")
        state = await rollout(str(folder), return_state=True)

        assert (state.type, state.name) == ("FAILED", "Refused")
        assert f"{namespace} is suspended" in state.message
        assert names_in(kubectl, namespace) == []

    async def test_a_guard_on_deletes_refuses_until_it_is_allowed_to_pass(
        self, rollout, declare, namespace, kubectl
    ):
        strict = "  prune: {maxCount: 0}\n"
        folder = declare(namespace, namespace, config_map("a"), config_map("b"), more=strict)
        await rollout(str(folder))
        declare(namespace, namespace, config_map("a"), more=strict)
        with pytest.raises(Refused):
            await rollout(str(folder))
        before = names_in(kubectl, namespace)
        await rollout(str(folder), allow_prune=True)

        assert (before, names_in(kubectl, namespace)) == (["a", "b"], ["a"])

    async def test_a_rollout_that_is_not_there_fails_with_its_own_error(self, rollout, tmp_path):
        with pytest.raises(NotFound, match=r"none\.yaml"):
            await rollout(str(tmp_path / "none.yaml"))


@pytest.mark.usefixtures("site")
async def test_no_value_of_an_object_reaches_prefect(rollout, declare, namespace, record):
    from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    hidden, plain = "hidden-4f3c", "plain-7a1b"
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: %s}\n"
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: True}):
        folder = declare(namespace, namespace, secret % hidden, config_map("a", plain))
        state = await rollout(str(folder), return_state=True)
    run = state.state_details.flow_run_id
    logs = await record.logs(run, "Finished in state RolledOut")
    known = [
        await record.flow_run(run),
        await record.task_runs(run, 10),
        await record.artifacts(run),
        logs,
    ]

    assert any(line.startswith("apply-0: 2 created (") for line in logs)
    assert hidden not in str(known)
    assert plain not in str(known)
