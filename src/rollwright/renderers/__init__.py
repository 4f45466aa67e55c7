"""From a tree of files to objects. Each module is one renderer."""

from __future__ import annotations

BUILTIN = {
    "kustomize": "rollwright.renderers.kustomize:Kustomize",
    "plain": "rollwright.renderers.plain:Plain",
}
