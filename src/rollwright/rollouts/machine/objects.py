"""Rendered objects as JSON, by their keys.

Before: the source is rendered. After: ``render -o json`` prints them.
"""

from __future__ import annotations

from typing import Any

from rollwright.rollouts.manifest import Manifest, ManifestSet


def objects_form(wanted: ManifestSet, rollout: dict[str, Any]) -> dict[str, Any]:
    """Return rendered objects by their keys, and the document that declares them.

    A key that stands twice is numbered, so that no object is lost.
    """
    objects: dict[str, Any] = {}
    for manifest in wanted:
        objects[_free_key(manifest, objects)] = manifest.body
    return {"objects": objects, "rollout": rollout}


def _free_key(manifest: Manifest, taken: dict[str, Any]) -> str:
    key, number = manifest.key or str(manifest.ref), 1
    while (name := key if number == 1 else f"{key}#{number}") in taken:
        number += 1
    return name
