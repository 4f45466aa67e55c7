"""The walks as Prefect flows, and a Prefect server for this machine.

    from rollwright.flows import rollout

    report = asyncio.run(rollout("rollouts/shop"))

Flows are ``async``; whoever is not calls ``asyncio.run``. Importing this package is cheap:
Prefect (0.9 s) is imported when a flow is first asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rollwright.flows.server import LocalServer, reporting_to, start_local_server

if TYPE_CHECKING:
    # TC004: the properties below give them when the program runs.
    from rollwright.flows.drift import drift  # noqa: TC004
    from rollwright.flows.fan_out import fan_out  # noqa: TC004
    from rollwright.flows.plan import plan  # noqa: TC004
    from rollwright.flows.rollback import rollback  # noqa: TC004
    from rollwright.flows.rollout import rollout  # noqa: TC004

__all__ = [
    "LocalServer",
    "drift",
    "fan_out",
    "plan",
    "reporting_to",
    "rollback",
    "rollout",
    "start_local_server",
]


def _flow(name: str) -> property:
    """Return the property that is the flow of a module of the same name."""

    def found(_package: ModuleType) -> Any:
        return getattr(import_module(f"rollwright.flows.{name}"), name)

    def ignore(_package: ModuleType, _submodule: ModuleType) -> None:
        """Let Python think that it bound the submodule."""

    return property(found, ignore)


class _Flows(ModuleType):
    """This package. Its ``rollout`` is the flow, not the module of that name that holds it.

    Python sets an attribute to the submodule once that is imported, which would hide the flow
    from then on; a property stands before such attributes.
    """

    rollout = _flow("rollout")
    plan = _flow("plan")
    drift = _flow("drift")
    rollback = _flow("rollback")
    fan_out = _flow("fan_out")


sys.modules[__name__].__class__ = _Flows
