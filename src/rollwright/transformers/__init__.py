"""Changes of rendered objects before they are planned. Each module is one transformer."""

from __future__ import annotations

BUILTIN = {
    "annotations": "rollwright.transformers.metadata:Annotations",
    "drop": "rollwright.transformers.fields:Drop",
    "images": "rollwright.transformers.images:Images",
    "labels": "rollwright.transformers.metadata:Labels",
    "names": "rollwright.transformers.names:Names",
    "namespace": "rollwright.transformers.namespace:Namespace",
    "patch": "rollwright.transformers.patch:Patch",
    "replicas": "rollwright.transformers.replicas:Replicas",
    "set": "rollwright.transformers.fields:Set",
}
