"""The schemas of Kubernetes' own kinds, strict: a field that they do not know is a mistake.

They come from the data files of ``kubernetes-validate``; its code, which imports a slower
validator, is not used. A kind is compiled when its first object is looked at.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from rollwright.errors import RenderError
from rollwright.rollouts.manifest import group_of

_FOLDER = re.compile(r"v(\d+)\.(\d+)\.\d+-local-strict")
_HOME = "urn:kubernetes"
_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class BuiltinKinds:
    """The kinds of one Kubernetes version.

    Args:
        folder: The schema files of that version.
    """

    def __init__(self, folder: Path) -> None:
        import jsonschema_rs  # noqa: PLC0415  (a native library; only validation needs it)

        self._rs = jsonschema_rs
        self.document = orjson.loads((folder / "_definitions.json").read_bytes())
        self._registry = jsonschema_rs.Registry([(_HOME, {**self.document, "$id": _HOME})])
        self._names = _by_kind(self.document["$defs"])
        self._compiled: dict[str, Any] = {}

    def find(self, api_version: str, kind: str) -> Any:
        """Return the compiled schema of a kind, ``None`` if this version has none."""
        name = self._names.get((api_version, kind))
        return self._validator(name) if name else None

    def metadata(self) -> Any:
        """Return the compiled schema of ``metadata``."""
        return self._validator(_METADATA)

    def kinds_of(self, api_version: str) -> tuple[str, ...]:
        """Return the kinds of one group and version."""
        return tuple(kind for version, kind in self._names if version == api_version)

    def _validator(self, name: str) -> Any:
        if name not in self._compiled:
            self._compiled[name] = self._rs.Draft202012Validator(
                {"$ref": f"{_HOME}#/$defs/{name}"},
                registry=self._registry,
                formats={"byte": _is_base64},
                validate_formats=True,
            )
        return self._compiled[name]


def versions() -> tuple[str, ...]:
    """Return the Kubernetes versions whose schemas are installed, oldest first."""
    return tuple(sorted(_folders(), key=_order))


@cache
def builtin_kinds(version: str = "") -> BuiltinKinds:
    """Return the kinds of a version such as ``1.36``; of the newest one without.

    Raises:
        RenderError: Its schemas are not installed.
    """
    known = versions()
    wanted = version.removeprefix("v") or (known[-1] if known else "")
    if wanted not in known:
        raise RenderError(
            f"no schemas of Kubernetes {wanted}", hint=f"installed: {', '.join(known) or 'none'}"
        )
    return BuiltinKinds(_folders()[wanted])


@cache
def _folders() -> Mapping[str, Path]:
    spec = find_spec("kubernetes_validate")
    homes = spec.submodule_search_locations if spec else None
    found = Path(next(iter(homes))) / "kubernetes-json-schema" if homes else Path()
    matches = ((path, _FOLDER.fullmatch(path.name)) for path in found.glob("v*-local-strict"))
    return {f"{match[1]}.{match[2]}": path for path, match in matches if match}


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _by_kind(definitions: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    names = {}
    for name, definition in definitions.items():
        kinds = definition.get("x-kubernetes-group-version-kind", ())
        # What many kinds share (DeleteOptions, WatchEvent) is no object.
        if len(kinds) == 1:
            group, version, kind = (kinds[0][key] for key in ("group", "version", "kind"))
            names[f"{group}/{version}" if group else version, kind] = name
    return names


def is_stable(api_version: str) -> bool:
    """Tell whether a version is one whose kinds never go away, such as ``apps/v1``."""
    version = api_version.removeprefix(f"{group_of(api_version)}/")
    return re.fullmatch(r"v\d+", version) is not None


def _is_base64(text: str) -> bool:
    # NB: Go's decoder skips line breaks, and nothing else.
    try:
        b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:
        return False
    return True
