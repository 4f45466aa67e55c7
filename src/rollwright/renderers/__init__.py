"""From a tree of files to objects. Each module is one renderer."""

from __future__ import annotations

BUILTIN = {
    "helm": "rollwright.renderers.helm:Helm",
    "jinja": "rollwright.renderers.jinja.renderer:Jinja",
    "jsonnet": "rollwright.renderers.jsonnet:Jsonnet",
    "kustomize": "rollwright.renderers.kustomize:Kustomize",
    "plain": "rollwright.renderers.plain:Plain",
    "tree": "rollwright.renderers.tree.renderer:Tree",
}
