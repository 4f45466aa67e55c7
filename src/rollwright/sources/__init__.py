"""Where the files of a rollout come from. Each module is one source."""

from __future__ import annotations

BUILTIN = {"path": "rollwright.sources.path:Path"}
