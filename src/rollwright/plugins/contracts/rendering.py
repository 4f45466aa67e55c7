"""From a tree to wanted objects: sources, renderers, transformers, validators.

Before: a trigger names a revision. After: the engine places the objects and reads the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from rollwright.errors import Problem
from rollwright.rollouts.manifest import ManifestSet


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """What a source is asked for.

    ``base`` is the folder of the document; relative paths start there. ``revision`` is empty
    for what the source has now.
    """

    base: Path
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A tree at an immutable revision, such as ``path@sha256:4f3c…`` or ``main@sha1:4f3c…``."""

    root: Path
    revision: str


@runtime_checkable
class Source(Protocol):
    """Gives a tree of files."""

    async def fetch(self, request: FetchRequest) -> Checkout:
        """Return the tree.

        Raises:
            RenderError: There is nothing, or it cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """What a renderer is asked for: a tree, and the merged ``config`` values."""

    checkout: Checkout
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    rollout: str = ""
    timeout: timedelta = timedelta(seconds=60)


@runtime_checkable
class Renderer(Protocol):
    """Makes objects of a tree; the same tree and values give the same objects."""

    async def render(self, request: RenderRequest) -> ManifestSet:
        """Return the objects, in the order of the source.

        Raises:
            RenderError: The renderer failed; the message quotes the cause.
            InvalidDocument: A file is not YAML or JSON as Kubernetes reads it.
            InvalidManifests: An object lacks its identity, or stands twice.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformRequest:
    """What a transformer changes."""

    manifests: ManifestSet
    rollout: str = ""


@runtime_checkable
class Transformer(Protocol):
    """Changes rendered objects."""

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the changed set.

        Raises:
            RenderError: The change does not fit an object.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateRequest:
    """What a validator looks at."""

    manifests: ManifestSet
    rollout: str = ""


@runtime_checkable
class Validator(Protocol):
    """Finds mistakes in rendered objects."""

    def validate(self, request: ValidateRequest) -> tuple[Problem, ...]:
        """Return every problem; empty means good."""
        ...
