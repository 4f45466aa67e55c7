"""From a tree of files to objects. Each module is one renderer."""

from __future__ import annotations

BUILTIN = {
    "jsonnet": "rollwright.renderers.jsonnet:Jsonnet",
    "kustomize": "rollwright.renderers.kustomize:Kustomize",
    "plain": "rollwright.renderers.plain:Plain",
}
