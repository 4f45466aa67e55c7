"""Twenty triggers, real flow runs: at most two rollouts are carried out, and the last one wins."""

from __future__ import annotations

import asyncio
import json

import pytest

from rollwright import library
from rollwright.engine.custody.desired import move_desired
from rollwright.engine.operations import manual_trigger
from rollwright.engine.site import open_site

pytestmark = [
    pytest.mark.flow,
    pytest.mark.cluster,
    pytest.mark.slow,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.usefixtures("server", "site"),
]

COUNT = 20
AT_ONCE = 4
"""Flow runs at a time: a worker has a limit, too, and sqlite takes no more without delay."""


def config_map(value) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{value: '{value}'}}\n"


async def test_a_burst_is_carried_out_twice_at_most(declare, namespace, rollout, kubectl):
    folder = declare(namespace, namespace, config_map(0))
    loaded, places = library.load(folder), asyncio.Semaphore(AT_ONCE)

    async def run(sequence):
        async with places:
            return await rollout(
                str(folder), trigger=f"t{sequence}", sequence=sequence, return_state=True
            )

    running = []
    async with open_site(loaded) as site:
        for number in range(1, COUNT + 1):
            declare(namespace, namespace, config_map(number))
            desired = await move_desired(site, loaded.spec, manual_trigger(namespace))
            running.append(asyncio.create_task(run(desired.sequence)))
    states = await asyncio.gather(*running)

    names = [state.name for state in states]
    live = json.loads(kubectl("get", "configmap", "a", "-n", namespace, "-o", "json"))
    assert names.count("RolledOut") <= 2
    assert set(names) <= {"RolledOut", "NoChange", "Superseded"}
    assert names[-1] in {"RolledOut", "NoChange"}
    assert live["data"] == {"value": str(COUNT)}
