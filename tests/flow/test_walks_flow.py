"""The other walks as flows: what they return, which state they end in, what Prefect shows."""

from __future__ import annotations

import json

import pytest

from rollwright import library
from rollwright.engine.site import open_site
from rollwright.errors import NotFound
from rollwright.rollouts.report import Outcome

pytestmark = [
    pytest.mark.flow,
    pytest.mark.cluster,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.usefixtures("server", "site"),
]


def config_map(name: str, value: str = "1") -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: '{value}'}}\n"
    )


async def keys_of(record, state):
    found = await record.artifacts(state.state_details.flow_run_id)
    return sorted(one["key"] for one in found)


async def test_a_plan_changes_nothing_and_is_the_library_s(declare, namespace, record, kubectl):
    from rollwright.flows import plan

    folder = declare(namespace, namespace, config_map("a"))
    state = await plan(str(folder), return_state=True)
    made = await state.aresult()

    assert (state.type, state.name) == ("COMPLETED", "Planned")
    assert made.id == (await library.plan(folder)).id
    assert "configmap/a" not in kubectl("get", "configmaps", "-n", namespace, "-o", "name")
    assert await keys_of(record, state) == [f"diff-{namespace}--here", f"plan-{namespace}--here"]


async def test_a_plan_without_a_change_says_so(declare, namespace, rollout):
    from rollwright.flows import plan

    folder = declare(namespace, namespace, config_map("a"))
    await rollout(str(folder))

    assert (await plan(str(folder), return_state=True)).name == "NoChange"


async def test_drift_is_found_and_shown(declare, namespace, rollout, record, kubectl):
    from rollwright.flows import drift

    folder = declare(namespace, namespace, config_map("a"))
    await rollout(str(folder))
    before = await drift(str(folder), return_state=True)
    patch = '{"data": {"key": "2"}}'
    kubectl("patch", "configmap", "a", "-n", namespace, "--type=merge", "-p", patch)
    after = await drift(str(folder), return_state=True)

    assert (before.name, after.name) == ("NoDrift", "Drifted")
    assert [one.ref.name for one in (await after.aresult()).objects] == ["a"]
    assert await keys_of(record, after) == [f"drift-{namespace}--here"]


async def test_drift_of_what_was_never_rolled_out_fails(declare, namespace):
    from rollwright.flows import drift

    with pytest.raises(NotFound, match=namespace):
        await drift(str(declare(namespace, namespace, config_map("a"))))


async def test_a_rollback_brings_the_former_revision_back(
    declare, namespace, rollout, record, kubectl
):
    from rollwright.flows import rollback

    folder = declare(namespace, namespace, config_map("a", "1"))
    await rollout(str(folder))
    declare(namespace, namespace, config_map("a", "2"))
    await rollout(str(folder))
    state = await rollback(str(folder), reason="it was better", actor="mia", return_state=True)
    live = json.loads(kubectl("get", "configmap", "a", "-n", namespace, "-o", "json"))
    last = (await library.history(folder)).revisions[0]

    assert (state.type, state.name) == ("COMPLETED", "RolledBack")
    assert live["data"] == {"key": "1"}
    assert (last.kind, last.actor, last.rolled_back_to) == ("rollback", "mia", 1)
    assert last.url.endswith(str(state.state_details.flow_run_id))
    assert f"result-{namespace}--here" in await keys_of(record, state)


async def test_a_flow_goes_to_the_cluster_it_is_told(declare, namespace, rollout, sandbox, site):
    more = f'[clusters.there]\nkubeconfig = "{sandbox.kubeconfig}"\n'
    (site / "site.toml").write_text((site / "site.toml").read_text() + more)
    folder = declare(namespace, namespace, config_map("a"))
    report = await rollout(str(folder), cluster="there")

    assert report.cluster == "there"


class TestManyClusters:
    @pytest.fixture
    def folder(self, declare, namespace, sandbox, site):
        """Two names of one cluster, and one that nobody can reach."""
        more = (
            f'[clusters.there]\nkubeconfig = "{sandbox.kubeconfig}"\nlabels = {{env = "prod"}}\n'
            '[clusters.gone]\nkubeconfig = "nowhere.yaml"\n'
        )
        (site / "site.toml").write_text((site / "site.toml").read_text() + more)
        return str(declare(namespace, namespace, config_map("a")))

    async def test_each_cluster_has_a_flow_run_of_its_own(self, folder, record, namespace):
        from rollwright.flows import fan_out

        state = await fan_out(
            folder, clusters=["here"], selector={"env": "prod"}, serial=[1], return_state=True
        )
        report = await state.aresult()
        runs = [await record.flow_run(one.url.rsplit("/", 1)[1]) for one in report.results]

        assert (state.type, state.name) == ("COMPLETED", "RolledOut")
        assert [(run["state_name"], run["name"].split(" @")[0]) for run in runs] == [
            ("RolledOut", f"rollout {namespace} -> here"),
            ("NoChange", f"rollout {namespace} -> there"),
        ]
        assert await keys_of(record, state) == [f"fan-out-{namespace}"]

    async def test_a_cluster_that_fails_stops_it(self, folder):
        from rollwright.flows import fan_out

        state = await fan_out(
            folder, clusters=["here", "gone", "there"], serial=[1], return_state=True
        )

        assert (state.type, state.name) == ("FAILED", "Stopped")
        assert "1 succeeded, 1 failed, 1 not begun" in str(state.message)


async def test_a_superseded_run_ends_as_such(declare, namespace, rollout):
    from rollwright.engine.custody.desired import move_desired
    from rollwright.engine.operations import manual_trigger

    folder = declare(namespace, namespace, config_map("a"))
    async with open_site(library.load(folder)) as site:
        spec = library.load(folder).spec
        places = [
            (await move_desired(site, spec, manual_trigger(spec.name))).sequence for _ in range(2)
        ]
    states = [
        await rollout(str(folder), trigger=f"t{place}", sequence=place, return_state=True)
        for place in places
    ]

    assert [(state.type, state.name) for state in states] == [
        ("COMPLETED", "Superseded"),
        ("COMPLETED", "RolledOut"),
    ]
    assert (await states[0].aresult()).outcome is Outcome.SUPERSEDED
