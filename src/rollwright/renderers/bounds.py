"""What a renderer may reach: the rollout's folder, and where a source fences more, that as well.

Bases and charts of a repository often lie beside the folder of a rollout.
"""

from __future__ import annotations

from pathlib import Path

from rollwright.plugins.contracts import Checkout


def reach(checkout: Checkout, relative: str) -> tuple[Path, str]:
    """Return the folder that nothing may lead out of, and a path of the rollout's as one of it."""
    bounds = checkout.bounds
    below = checkout.root.resolve().relative_to(bounds.resolve()).as_posix()
    if below == "." or relative.startswith("/"):
        return bounds, relative
    return bounds, f"{below}/{relative}"
