"""The work pool and the automation of Rollwright, on the Prefect server that is configured.

    PREFECT_API_URL=https://prefect.example.com/api python deployments/automations.py

Prefect's server has no automation of its own that tells a run whose process was killed: such a
run would be Running for ever. May be run again; `rollwright prefect up` does it by itself.
"""

from __future__ import annotations

import asyncio
import os
import sys

from rollwright.errors import RolloutError
from rollwright.flows.installing import install


def main() -> int:
    """Create what is missing, update what is there."""
    url = os.environ.get("PREFECT_API_URL", "")
    if not url:
        print("Error: PREFECT_API_URL is not set", file=sys.stderr)
        return 2
    try:
        asyncio.run(install(url))
    except RolloutError as error:
        print(f"Error: {error.message}\nHint: {error.hint}", file=sys.stderr)
        return error.exit_code
    print(f"work pool and automation are on {url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
