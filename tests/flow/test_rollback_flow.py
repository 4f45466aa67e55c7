"""A rollout that goes back by itself, as a flow: the same stages as tasks, twice."""

from __future__ import annotations

import pytest

pytestmark = [
    pytest.mark.flow,
    pytest.mark.cluster,
    pytest.mark.usefixtures("site"),
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

GOING_BACK = "  onFailure: rollback\n  health: {timeout: 20s, progressTimeout: 3s}\n"
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, sandbox.rollwright.dev/behavior: BEHAVIOR}}
    spec: {containers: [{name: web, image: "nginx:1.29"}]}
"""


async def test_a_failed_flow_run_goes_back_and_the_next_one_is_refused(
    rollout, declare, namespace, record
):
    folder = declare(namespace, namespace, WEB.replace("BEHAVIOR", "normal"), more=GOING_BACK)
    await rollout(str(folder))
    declare(namespace, namespace, WEB.replace("BEHAVIOR", "image-pull-error"), more=GOING_BACK)

    failed = await rollout(str(folder), return_state=True)
    refused = await rollout(str(folder), return_state=True)

    runs = await record.task_runs(failed.state_details.flow_run_id, 17)
    names = [run["name"] for run in runs]
    assert (failed.type, failed.name) == ("FAILED", "RolledBack")
    assert "rolled back to revision 1" in failed.message
    assert (refused.type, refused.name) == ("FAILED", "Refused")
    assert "held at revision 1" in refused.message
    assert names.count("finish") == 2
    assert names.count("feedback") == 1
