"""The schemas of Kubernetes' own kinds, strict: a field that they do not know is a mistake.

A kind is compiled when its first object is looked at.
"""

from __future__ import annotations

import re
from base64 import b64decode
from functools import cache
from typing import Any

from rollwright.plugins.kube_schemas import definitions, names_by_kind, versions
from rollwright.rollouts.manifest import group_of
from rollwright.validators.lists import Place, Places

__all__ = ["BuiltinKinds", "builtin_kinds", "is_stable", "versions"]

_HOME = "urn:kubernetes"
_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class BuiltinKinds:
    """The kinds of one Kubernetes version.

    Args:
        version: Such as ``1.36``; empty for the newest one that is installed.
    """

    def __init__(self, version: str = "") -> None:
        import jsonschema_rs  # noqa: PLC0415  (a native library; only validation needs it)

        self._rs = jsonschema_rs
        self.document = definitions(version)
        self._registry = jsonschema_rs.Registry([(_HOME, {**self.document, "$id": _HOME})])
        self._names = names_by_kind(version)
        self._compiled: dict[str, Any] = {}
        self._places = Places(self.document["$defs"])
        self._lists: dict[str, Place | None] = {}

    def find(self, api_version: str, kind: str) -> Any:
        """Return the compiled schema of a kind, ``None`` if this version has none."""
        name = self._names.get((api_version, kind))
        return self._validator(name) if name else None

    def metadata(self) -> Any:
        """Return the compiled schema of ``metadata``."""
        return self._validator(_METADATA)

    def lists(self, api_version: str, kind: str) -> Place | None:
        """Return where a kind has lists whose items are unique; ``None`` if it has none."""
        name = self._names.get((api_version, kind))
        if name is None:
            return None
        if name not in self._lists:
            self._lists[name] = self._places.of(self.document["$defs"][name])
        return self._lists[name]

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


@cache
def builtin_kinds(version: str = "") -> BuiltinKinds:
    """Return the kinds of a version such as ``1.36``; of the newest one without.

    Raises:
        RenderError: Its schemas are not installed.
    """
    return BuiltinKinds(version)


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
