"""What ``ktor`` offers beside values: the plugins of a tree, each a namespace of functions.

``k8s``, ``templates``, ``helm`` and ``project`` are ours as well. The others reach clusters, run
programs or use a network: the target, the sources and the actions of a rollout do that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollwright.renderers.tree.context import Context
from rollwright.renderers.tree.globs import Globs

DEFAULT_PLUGINS = ("k8s", "helm", "templates")
"""Active by themselves; registering one puts it at its place in the order."""

INCLUDES: Mapping[str, tuple[str, ...]] = {
    "app": ("*",),
    "k8s": ("*.yaml", "*.yml"),
    "helm": ("*.helm.yaml", "*.helm.yml"),
    "templates": ("*.tmpl.yaml", "*.tmpl.yml"),
}
EXCLUDES = (".*",)

_TARGET = "the rollout's target says which cluster: spec.target"
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("kubeconfig", "kubectl", "awscli", "eks", "gke"), _TARGET),
    **dict.fromkeys(("minikube", "kind", "k3d"), f"{_TARGET}; `rollwright sandbox` brings one up"),
    "istio": "it runs istioctl; use an action Command that the site allows, or Istio's charts",
    "terraform": "it runs terraform; put what it gives into the rollout's config",
    "terragrunt": "it runs terragrunt; put what it gives into the rollout's config",
    "kops": "it was never finished",
}
_ARGUMENTS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "k8s": {
        "field_validation": ("Strict", "Warn"),
        "field_validation_warn_fatal": (True,),
        "disable_client_patches": (True, False),
        "openapi_version": ("auto", "v3"),
        "openapi_source": ("auto", "cluster"),
    },
    "helm": {"version": (None,), "check_chart_versions": (False,)},
    "templates": {},
}
"""What may be asked of a plugin: nothing else than what Rollwright does anyway."""

_SEGMENT = re.compile(r"[A-Za-z0-9_\-]+")


@dataclass(slots=True)
class Registered:
    """A plugin that a script registered, with its arguments and where that was."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def check_plugin(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse what is no plugin of ours, and what it cannot be asked.

    Raises:
        ValueError: With what to do instead.
    """
    if name in _REFUSED:
        raise ValueError(f"the plugin {name!r} is not part of rendering: {_REFUSED[name]}")
    if name == "project":
        _check_project(arguments)
        return
    if name not in _ARGUMENTS:
        known = ", ".join(sorted([*_ARGUMENTS, "project"]))
        raise ValueError(f"no plugin {name!r}; known: {known}")
    for key, value in arguments.items():
        allowed = _ARGUMENTS[name].get(key)
        if allowed is None:
            raise ValueError(f"the plugin {name!r} has no argument {key!r}")
        if value not in allowed:
            words = " or ".join(repr(one) for one in allowed)
            raise ValueError(f"{name} {key}: the rollout decides that; expected {words}")


def _check_project(arguments: Mapping[str, Any]) -> None:
    unknown = set(arguments) - {"name", "cleanup", "state_namespace"}
    if unknown:
        raise ValueError(f"the plugin 'project' has no argument {min(unknown)!r}")
    name = arguments.get("name")
    if not isinstance(name, str) or not all(_SEGMENT.fullmatch(one) for one in name.split(".")):
        raise ValueError("project name: expected letters, digits, '_' and '-', in parts with dots")


class AppContext(Context):
    """``ktor.app``: a project is assigned once in a folder, one segment of its path (TRE-57)."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "project":
            value = self._segment(value)
        super().__setattr__(name, value)

    def _segment(self, value: Any) -> str:
        if "project" in self._own:
            raise ValueError("a folder's project is assigned once")
        if "project" not in self:
            raise ValueError("there is no project: register the plugin 'project' first")
        if not isinstance(value, str) or not _SEGMENT.fullmatch(value):
            raise ValueError(f"{value!r} is no segment of a project: letters, digits, '_' and '-'")
        return f"{self.project}.{value}"


def start_folder(ktor: Context, names: tuple[str, ...]) -> None:
    """Give a folder its patterns anew from the defaults of those above (TRE-13)."""
    for name in names:
        if name not in INCLUDES:
            continue
        plugin = getattr(ktor, name)
        for kind in ("includes", "excludes"):
            defaults = Globs(getattr(plugin, f"default_{kind}"))
            setattr(plugin, f"default_{kind}", defaults)
            setattr(plugin, kind, Globs(defaults))


def fixed_globs(name: str) -> dict[str, Globs]:
    """Return the defaults of all folders."""
    return {
        "default_includes": Globs(INCLUDES[name], is_fixed=True),
        "default_excludes": Globs(EXCLUDES, is_fixed=True),
    }
