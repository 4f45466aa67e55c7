"""The shape of what in the cluster differs from the last rollout, as JSON."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rollwright.rollouts.machine.forms.parts import RefForm


class HolderForm(TypedDict):
    """An entry of managedFields."""

    manager: str
    """Empty when nobody can be named."""
    operation: str
    """`Apply` or `Update`."""
    subresource: str
    """Such as `scale`; empty for the object itself."""
    at: str | None
    """When it last changed what it holds."""


class FieldDriftForm(TypedDict):
    """One field that differs; `old` or `new` is left out where there is none."""

    path: str
    old: NotRequired[Any]
    """What was rolled out; of a Secret its digest."""
    new: NotRequired[Any]
    """What is there; of a Secret its digest."""
    isLost: bool
    """Whether we no longer hold it."""
    changedBy: HolderForm | None
    """Who holds it now; nobody holds a field that is gone."""


class ObjectDriftForm(TypedDict):
    """One object that is not as the last rollout left it."""

    object: RefForm
    drift: str
    """`missing`, `recreated`, `changed`, `lost` (another manager holds the same values) or `extra`."""
    message: str
    changedBy: HolderForm | None
    """Who made or deleted the object as a whole, if that is known."""
    fields: list[FieldDriftForm]


class DriftForm(TypedDict):
    """What in the cluster differs from the last rollout."""

    apiVersion: str
    kind: str
    rollout: str
    cluster: str
    revision: int
    """The revision that was compared with; zero if none is known."""
    source: str
    readAt: str
    isDrifted: bool
    objectCount: int
    """How many objects were looked at."""
    objects: list[ObjectDriftForm]
    """Those that drifted, worst first."""
    notes: list[str]
