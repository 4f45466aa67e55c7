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
    from rollwright.flows.rollout import rollout  # noqa: TC004  (the property below gives it)

__all__ = ["LocalServer", "reporting_to", "rollout", "start_local_server"]


class _Flows(ModuleType):
    """This package. ``rollout`` is the flow, not the module of that name that holds it.

    Python sets the attribute ``rollout`` to the submodule once that is imported, which would
    hide the flow from then on; a property stands before such attributes.
    """

    @property
    def rollout(self) -> Any:
        """The flow that brings one declared rollout about."""
        return import_module("rollwright.flows.rollout").rollout

    @rollout.setter
    def rollout(self, _submodule: ModuleType) -> None:
        """Let Python think that it bound the submodule."""


sys.modules[__name__].__class__ = _Flows
