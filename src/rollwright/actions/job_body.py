"""The Job (or Pod) of one run: its name, its marks, and whose it is.

Before: a step names a rendered Job.
After: ``job`` creates what is made of it here, and finds it again when a run is resumed.

It carries a label of its own, never the one of the inventory: a Job of a run is no part of what a
rollout keeps up, so it is neither drift nor pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from rollwright.plugins.contracts import ActionRequest
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef
from rollwright.rollouts.ownership.fields import PART_OF, ROLLOUT_LABEL

RUN_OF = "rollwright.dev/run-of"
"""Label with the rollout's name, to find the Jobs of former runs by."""

RUN_ID = "rollwright.dev/run-id"
RUN_STEP = "rollwright.dev/run-step"
RUN_OBJECT = "rollwright.dev/run-object"
"""Annotations: which run, which step of it, and what the manifest calls it."""

TTL_SECONDS = 86_400
"""How long a finished Job stays, unless it says so itself (HK-04)."""

NAME_LENGTH = 63
"""Pods carry the name of their Job as a label."""

_OF_THE_INVENTORY = frozenset({ROLLOUT_LABEL, PART_OF})
_OF_THE_SERVER = frozenset({"generateName", "uid", "resourceVersion", "creationTimestamp"})


RUNNABLE = frozenset({("batch", "Job"), ("", "Pod")})
"""What runs to an end."""


def is_runnable(ref: ObjectRef) -> bool:
    """Whether an object runs to an end: a Job or a Pod."""
    return ref.group_kind in RUNNABLE


def name_in(manifest: Manifest, run_id: str, *, is_unique: bool) -> str:
    """Return what the object of a run is called; the same for the same run.

    Args:
        manifest: As it was rendered.
        run_id: The run.
        is_unique: Whether each run has one of its own.
    """
    name = _declared_name(manifest)
    if not is_unique:
        return name
    ending = f"-{run_id or 'run'}"
    if len(name) + len(ending) > NAME_LENGTH:
        # Long names that begin alike must not become one.
        ending = f"-{sha256(name.encode()).hexdigest()[:8]}{ending}"
    return name[: NAME_LENGTH - len(ending)].rstrip("-.") + ending


def _declared_name(manifest: Manifest) -> str:
    metadata = manifest.body.get("metadata") or {}
    return str(metadata.get("name") or "") or str(metadata.get("generateName") or "").rstrip("-.")


def body_in(manifest: Manifest, request: ActionRequest, *, is_unique: bool) -> Body:
    """Return what is created for a manifest in a run."""
    body = {key: value for key, value in manifest.body.items() if key != "status"}
    metadata = body.get("metadata") or {}
    labels = _without(metadata.get("labels") or {}, _OF_THE_INVENTORY)
    marks = {
        RUN_ID: request.run_id,
        RUN_STEP: request.step.name,
        RUN_OBJECT: _declared_name(manifest),
    }
    body["metadata"] = {
        **_without(metadata, _OF_THE_SERVER),
        "name": name_in(manifest, request.run_id, is_unique=is_unique),
        "labels": {**labels, RUN_OF: request.rollout},
        "annotations": {**(metadata.get("annotations") or {}), **marks},
    }
    if manifest.ref.kind == "Job":
        body["spec"] = {"ttlSecondsAfterFinished": TTL_SECONDS, **(body.get("spec") or {})}
    return body


def _without(values: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def is_ours(live: LiveObject, request: ActionRequest) -> bool:
    """Whether a run of this rollout made it."""
    return live.labels.get(RUN_OF) == request.rollout


def is_of_this_run(live: LiveObject, request: ActionRequest) -> bool:
    """Whether this very step of this very run made it."""
    marks = (live.annotations.get(RUN_ID), live.annotations.get(RUN_STEP))
    return is_ours(live, request) and marks == (request.run_id, request.step.name)


def is_former(live: LiveObject, manifest: Manifest, request: ActionRequest) -> bool:
    """Whether an earlier run of the step made it of the same manifest."""
    return (
        is_ours(live, request)
        and live.annotations.get(RUN_ID) != request.run_id
        and live.annotations.get(RUN_STEP) == request.step.name
        and live.annotations.get(RUN_OBJECT) == _declared_name(manifest)
    )
