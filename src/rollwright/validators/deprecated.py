"""Versions of kinds that the target no longer serves, or will not for long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel, Field

from rollwright.errors import Problem
from rollwright.plugins.contracts import ValidateRequest
from rollwright.plugins.kube_schemas import minor_of, version_order
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Manifest
from rollwright.validators.deprecations import GIVEN_UP, GivenUp
from rollwright.validators.findings import place_of


class Deprecated(BaseModel):
    """Tell apiVersions that are deprecated (a warning) or removed (an error).

    Attributes:
        version: Kubernetes version to judge by, such as ``1.36``; by default the target's. Where
            nobody knows it, everything that is given up by any version is a warning.
    """

    model_config = OPTIONS
    asks_kubernetes: ClassVar[bool] = True

    version: str = Field(default="", pattern=r"^(v?\d+\.\d+)?$")

    def validate(self, request: ValidateRequest) -> tuple[Problem, ...]:  # type: ignore[override]  # the port's name; pydantic's own is deprecated
        """Return what is deprecated or removed in that version."""
        version = minor_of(self.version or request.kubernetes.version)
        return tuple(found for one in request.manifests for found in _judged(one, version))


def _judged(manifest: Manifest, version: str) -> Iterator[Problem]:
    row = GIVEN_UP.get((manifest.api_version, manifest.ref.kind))
    if row is None or (version and not _is_reached(row.deprecated, version)):
        return
    is_removed = bool(version) and _is_reached(row.removed, version)
    yield Problem(
        where=place_of(manifest),
        path="apiVersion",
        message=_sentence(manifest, row),
        is_warning=not is_removed,
    )


def _is_reached(since: str, version: str) -> bool:
    return bool(since) and version_order(version) >= version_order(since)


def _sentence(manifest: Manifest, row: GivenUp) -> str:
    what = f"{manifest.api_version} {manifest.ref.kind} is deprecated since {row.deprecated}"
    gone = f" and removed in {row.removed}" if row.removed else ""
    return f"{what}{gone}" + (f"; write {row.instead}" if row.instead else "")
