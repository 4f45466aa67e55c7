"""How a step is carried out, one module per action.

Before: ``plan`` put steps into waves.
After: the results of the steps go into the report. Expected failures are values.
"""

from __future__ import annotations

from collections.abc import Mapping

BUILTIN: Mapping[str, str] = {
    "Command": "rollwright.actions.command:Command",
    "Http": "rollwright.actions.http:Http",
    "Job": "rollwright.actions.job:Job",
    "Pause": "rollwright.actions.pause:Pause",
}
"""Plugin name → ``module:class``; imported on use."""
