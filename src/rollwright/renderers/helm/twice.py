"""Charts that render differently each time: what a plan could never call unchanged.

``genCA``, ``randAlphaNum`` and ``now`` give something new at each rendering, so that every run
finds a change. Rendering twice shows it.
"""

from __future__ import annotations

from rollwright.plugins.contracts import Renderer, RenderRequest
from rollwright.rollouts.manifest import ManifestSet


async def unsteady(renderer: Renderer, request: RenderRequest) -> tuple[str, ...]:
    """Render twice, and return what differs, as ``differing`` does."""
    return differing(await renderer.render(request), await renderer.render(request))


def differing(first: ManifestSet, again: ManifestSet) -> tuple[str, ...]:
    """Return the objects that two renderings of one input do not agree on, with their origins."""
    one, other = first.by_ref(), again.by_ref()
    both = {**other, **one}
    return tuple(
        f"{ref} ({both[ref].origin})"
        for ref in sorted(both)
        if ref not in one or ref not in other or one[ref].body != other[ref].body
    )


def in_words(objects: tuple[str, ...]) -> str:
    """Return what to tell a person of objects that differ; empty if there are none."""
    return f"renders differently each time: {', '.join(objects)}" if objects else ""
