"""The schemas of Kubernetes' own kinds, as the data files of ``kubernetes-validate`` have them.

Before: somebody names a version, or none. After: ``validators`` compile the schemas;
``transformers`` merge by the keys that they name. The code of that distribution, which imports a
slower validator, is not used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from rollwright.errors import RenderError
from rollwright.rollouts.manifest import group_of
from rollwright.rollouts.scope import is_namespaced
from rollwright.rollouts.strategic import NO_SHAPE, Shape

_FOLDER = re.compile(r"v(\d+)\.(\d+)\.\d+-local-strict")
_MINOR = re.compile(r"v?(\d+\.\d+)\b")


def versions() -> tuple[str, ...]:
    """Return the Kubernetes versions whose schemas are installed, oldest first."""
    return tuple(sorted(_folders(), key=version_order))


def version_order(version: str) -> tuple[int, ...]:
    """Return what versions such as ``1.36`` are sorted by."""
    return tuple(int(part) for part in version.split("."))


def minor_of(version: str) -> str:
    """Return ``1.36`` of ``v1.36.3+k3s1``; empty if it is no version."""
    found = _MINOR.match(version)
    return found[1] if found else ""


def installed_or_newest(version: str) -> str:
    """Return the minor version if its schemas are installed, else the one nearest to it."""
    wanted, known = minor_of(version), versions()
    if not wanted or not known or wanted in known:
        return wanted
    newer = [one for one in known if version_order(one) > version_order(wanted)]
    return newer[0] if newer else known[-1]


@cache
def definitions(version: str = "") -> Mapping[str, Any]:
    """Return the schema document of a version such as ``1.36``; of the newest one without.

    Raises:
        RenderError: Its schemas are not installed.
    """
    known = versions()
    wanted = version.removeprefix("v") or (known[-1] if known else "")
    if wanted not in known:
        raise RenderError(
            f"no schemas of Kubernetes {wanted}", hint=f"installed: {', '.join(known) or 'none'}"
        )
    document: Mapping[str, Any] = orjson.loads(
        (_folders()[wanted] / "_definitions.json").read_bytes()
    )
    return document


@cache
def names_by_kind(version: str = "") -> Mapping[tuple[str, str], str]:
    """Return the name of each kind's definition, by ``apiVersion`` and kind."""
    names = {}
    for name, definition in definitions(version)["$defs"].items():
        kinds = definition.get("x-kubernetes-group-version-kind", ())
        # What many kinds share (DeleteOptions, WatchEvent) is no object.
        if len(kinds) == 1:
            group, served, kind = (kinds[0][key] for key in ("group", "version", "kind"))
            names[f"{group}/{served}" if group else served, kind] = name
    return names


def shape_of(api_version: str, kind: str) -> Shape:
    """Return how objects of a built-in kind are merged; ``NO_SHAPE`` if no version knows it."""
    is_built_in = is_namespaced(group_of(api_version), kind) is not None
    for version in reversed(versions()) if is_built_in else ():
        name = names_by_kind(version).get((api_version, kind))
        if name is not None:
            known = definitions(version)["$defs"]
            return Shape(known[name], known)
    return NO_SHAPE


@cache
def _folders() -> Mapping[str, Path]:
    spec = find_spec("kubernetes_validate")
    homes = spec.submodule_search_locations if spec else None
    found = Path(next(iter(homes))) / "kubernetes-json-schema" if homes else Path()
    matches = ((path, _FOLDER.fullmatch(path.name)) for path in found.glob("v*-local-strict"))
    return {f"{match[1]}.{match[2]}": path for path, match in matches if match}
