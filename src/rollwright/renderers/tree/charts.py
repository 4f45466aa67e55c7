"""Charts of a tree: ``*.helm.yaml``, each one release (TRE-64 to TRE-68)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_TEXTS = ("chart", "name", "namespace", "repository", "version", "values-file")
_NEEDED = ("chart", "name", "namespace")
_OCI = "oci://"


def chart_of(
    given: Mapping[str, Any], place: Callable[[str], str], read_values: Callable[[Any, str], Any]
) -> dict[str, Any]:
    """Return a release as the renderer ``helm`` takes it.

    Args:
        given: What the file holds.
        place: Returns the path below the root of a path that the file names.
        read_values: Returns the values of a file, given what is known of the release.

    Raises:
        ValueError: Fields are missing, unknown or exclude each other.
    """
    fields = {str(key).replace("_", "-"): value for key, value in given.items()}
    _check(fields)
    is_local = "repository" not in fields and not fields["chart"].startswith(_OCI)
    release = {
        "chart": place(fields["chart"]) if is_local else fields["chart"],
        "releaseName": fields["name"],
        "namespace": fields["namespace"],
        "includeCRDs": fields.get("include-crds", True),
    }
    if "repository" in fields:
        release["repo"] = fields["repository"]
    if "version" in fields:
        release["version"] = fields["version"]
    about = {key.replace("-", "_"): fields.get(key) for key in (*_TEXTS[:5], "include-crds")}
    file = fields.get("values-file")
    values = fields.get("values") if file is None else read_values(about, place(file))
    if values is not None and not isinstance(values, Mapping):
        raise TypeError("values: expected a mapping")
    return {**release, "values": dict(values or {})}


def _check(fields: Mapping[str, Any]) -> None:
    _check_fields(fields)
    if "values" in fields and "values-file" in fields:
        raise ValueError("values and values-file exclude each other")
    is_oci = fields["chart"].startswith(_OCI)
    if is_oci and "repository" in fields:
        raise ValueError("a chart with oci:// has no repository")
    if "repository" in fields and "version" not in fields:
        raise ValueError("a chart of a repository needs a version")


def _check_fields(fields: Mapping[str, Any]) -> None:
    unknown = sorted(set(fields) - {*_TEXTS, "include-crds", "values"})
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}")
    for name in _NEEDED:
        if name not in fields:
            raise ValueError(f"{name}: missing")
    for name in _TEXTS:
        if name in fields and (not isinstance(fields[name], str) or not fields[name]):
            raise ValueError(f"{name}: expected a text")
    if not isinstance(fields.get("include-crds", True), bool):
        raise TypeError("include-crds: expected true or false")
