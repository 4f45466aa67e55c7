"""Changes of rendered objects before they are planned. Each module is one transformer."""

from __future__ import annotations

BUILTIN = {
    "annotations": "rollwright.transformers.metadata:Annotations",
    "labels": "rollwright.transformers.metadata:Labels",
    "patch": "rollwright.transformers.patch:Patch",
}
