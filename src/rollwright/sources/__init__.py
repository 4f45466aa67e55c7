"""Where the files of a rollout come from. Each module is one source."""

from __future__ import annotations

BUILTIN = {"git": "rollwright.sources.git.source:Git", "path": "rollwright.sources.path:Path"}
