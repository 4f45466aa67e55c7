"""What all transformers share: changing the bodies of some objects, and what then is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from rollwright.errors import RenderError
from rollwright.plugins.target import Target
from rollwright.rollouts.body import identity_problems, sendable
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, refuse_twins


def with_bodies(
    manifests: ManifestSet, target: Target, change: Callable[[Manifest], Body]
) -> ManifestSet:
    """Return the set with the bodies of the objects that a target means changed.

    Raises:
        InvalidManifests: Two objects have one identity afterwards.
    """
    found = tuple(_changed(one, change) if target.matches(one) else one for one in manifests)
    if any(new.ref != old.ref for new, old in zip(found, manifests, strict=True)):
        refuse_twins(found)
    return replace(manifests, manifests=found)


def _changed(manifest: Manifest, change: Callable[[Manifest], Body]) -> Manifest:
    body = change(manifest)
    return manifest if body is manifest.body else manifest.with_body(body)


def as_object(manifest: Manifest, body: Any, who: str) -> Body:
    """Return a changed body as what is sent.

    Raises:
        RenderError: It is no object any more.
    """
    problems = identity_problems(body, str(manifest.origin))
    if problems:
        raise RenderError(f"{who}: {manifest.ref} is no object afterwards: {problems[0]}")
    return sendable(body)


def refuse_aimless(who: str, target: Target, manifests: Iterable[Manifest]) -> None:
    """Raise ``RenderError`` if a target means no object."""
    if not any(map(target.matches, manifests)):
        raise RenderError(
            f"{who}: no object matches {target}",
            hint="correct the target, or set optional: true",
        )


def no_place(who: str, manifest: Manifest, path: str) -> RenderError:
    """Return the error of a path that leads nowhere in an object."""
    return RenderError(
        f"{who}: {manifest.ref}: {path}: there is no such place",
        hint=f"the object stands in {manifest.origin}",
    )


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}
