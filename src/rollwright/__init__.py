"""Rollwright: declarative rollouts for Kubernetes.

Everything public is named here and loaded when it is first used: importing this package costs
nothing. ``library`` has the functions; docs for each say what it raises.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollwright.engine.documents import LoadedRollout
    from rollwright.engine.site import Site, open_site
    from rollwright.errors import RolloutError
    from rollwright.library import (
        approve,
        diff,
        drift,
        fan_out,
        history,
        hold,
        load,
        plan,
        reject,
        release,
        render,
        rollback,
        rollout,
        save_plan,
        status,
    )
    from rollwright.rollouts.drift.find import Drift
    from rollwright.rollouts.fleet_report import FleetReport
    from rollwright.rollouts.manifest import ManifestSet, ObjectRef
    from rollwright.rollouts.overview import Overview
    from rollwright.rollouts.plan import Plan
    from rollwright.rollouts.report import Outcome, Report
    from rollwright.rollouts.revisions.history import History, RevisionDiff
    from rollwright.rollouts.saved.saved_plan import SavedPlan
    from rollwright.rollouts.status import Status

__version__ = "0.1.0"

__all__ = [
    "Drift",
    "FleetReport",
    "History",
    "LoadedRollout",
    "ManifestSet",
    "ObjectRef",
    "Outcome",
    "Overview",
    "Plan",
    "Report",
    "RevisionDiff",
    "RolloutError",
    "SavedPlan",
    "Site",
    "Status",
    "approve",
    "diff",
    "drift",
    "fan_out",
    "history",
    "hold",
    "load",
    "open_site",
    "plan",
    "reject",
    "release",
    "render",
    "rollback",
    "rollout",
    "save_plan",
    "status",
]

_PLACES = {
    "Drift": "rollouts.drift.find",
    "FleetReport": "rollouts.fleet_report",
    "LoadedRollout": "engine.documents",
    "ManifestSet": "rollouts.manifest",
    "ObjectRef": "rollouts.manifest",
    "Outcome": "rollouts.report",
    "Overview": "rollouts.overview",
    "Plan": "rollouts.plan",
    "History": "rollouts.revisions.history",
    "Report": "rollouts.report",
    "RevisionDiff": "rollouts.revisions.history",
    "RolloutError": "errors",
    "SavedPlan": "rollouts.saved.saved_plan",
    "Site": "engine.site",
    "Status": "rollouts.status",
    "approve": "library",
    "diff": "library",
    "drift": "library",
    "fan_out": "library",
    "history": "library",
    "hold": "library",
    "reject": "library",
    "release": "library",
    "rollback": "library",
    "load": "library",
    "open_site": "engine.site",
    "plan": "library",
    "render": "library",
    "rollout": "library",
    "save_plan": "library",
    "status": "library",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'rollwright' has no attribute {name!r}")
    value = getattr(import_module(f"rollwright.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
