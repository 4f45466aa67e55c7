"""The stages of the walk as Prefect tasks: names, retries, one log line each, the artifact.

``walk(spec, trigger, site, TASKS)`` is the same walk as with ``DIRECT``; nothing is decided
here. Importing this package imports Prefect.
"""

from __future__ import annotations

from rollwright.tasks.fleet_artifact import publish_fleet
from rollwright.tasks.stages import RETRY_DELAYS, TASKS, as_tasks, find_drift

__all__ = ["RETRY_DELAYS", "TASKS", "as_tasks", "find_drift", "publish_fleet"]
