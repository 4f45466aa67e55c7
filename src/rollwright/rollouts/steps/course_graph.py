"""The order of declared groups as a drawing, before anybody has asked a cluster.

Before: ``steps`` knows which step handles which object.
After: ``graph`` draws the steps, what each holds, and what each waits for.
"""

from __future__ import annotations

from dataclasses import replace

from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.graph import Graph, graph_of_waves
from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.steps.actions import Facts
from rollwright.rollouts.steps.course import Course, StepPlace
from rollwright.rollouts.steps.resuming import Resumed
from rollwright.rollouts.steps.stepping import walk_course


def graph_of_course(course: Course) -> Graph:
    """Return the graph of the groups.

    Raises:
        InvalidManifests: The order contradicts the objects.
    """
    walked = walk_course(course, _facts, lambda change: change, Resumed())
    graph = graph_of_waves(walked.waves, walked.notes)
    bands = (
        replace(band, nodes=tuple(replace(node, operation="") for node in band.nodes))
        for band in graph.bands
    )
    return replace(graph, bands=tuple(bands))


def _facts(step: StepPlace, manifest: Manifest, wrote: str, is_gone: bool) -> Facts:  # noqa: FBT001  (a callback)
    return Facts(
        step=step, manifest=manifest, live=None, entry=None, fate=_unknown, wrote=wrote,
        is_gone=is_gone,
    )  # fmt: skip


def _unknown(manifest: Manifest, _is_gone: bool) -> Change:  # noqa: FBT001  (a callback)
    return Change(
        ref=manifest.ref,
        api_version=manifest.api_version,
        operation=Operation.CREATE,
        wanted=manifest,
    )
