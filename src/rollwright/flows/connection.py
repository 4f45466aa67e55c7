"""Whether this person has a Prefect server, found out without importing Prefect (0.9 s).

Before: a command may have to do with flow runs.
After: only if there is a server it imports what talks to it.

Prefect itself looks at more places, such as a ``prefect.toml`` of a project; a server that is
named only there is to be named in ``PREFECT_API_URL`` for our commands.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

URL = "PREFECT_API_URL"


def server_url(environ: Mapping[str, str] | None = None) -> str:
    """Return the API of the Prefect server that is configured here; empty if none is."""
    names = os.environ if environ is None else environ
    if url := names.get(URL, ""):
        return url
    home = Path(names.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    path = Path(names.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    profiles = _read(path)
    active = names.get("PREFECT_PROFILE") or profiles.get("active", "")
    settings = profiles.get("profiles", {})
    profile = settings.get(active, {}) if isinstance(settings, dict) else {}
    url = profile.get(URL, "") if isinstance(profile, dict) else ""
    return str(url)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return {}
