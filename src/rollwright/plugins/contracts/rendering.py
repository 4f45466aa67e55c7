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
from rollwright.rollouts.manifest import Manifest, ManifestSet


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """What a source is asked for.

    Attributes:
        base: The folder of the document; relative paths start there.
        revision: What is asked for; empty for what the source has now.
        local_repositories: Folders whose git repositories the site allows; globs by part.
        paths: Globs of the files that count where changes are asked for; empty leaves it to the
            source.
        beside: Files that a rollout reads beside its source's folder, as its document names them.
    """

    base: Path
    revision: str = ""
    local_repositories: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A tree at an immutable revision, such as ``path@sha256:4f3c…`` or ``main@sha1:4f3c…``.

    Attributes:
        root: The folder, or file, of the rollout.
        revision: What it is at.
        fence: A folder around it that bases and imports may reach as well; ``None`` if they
            may reach nothing but the root.
        notes: What to tell people of how it was had.
    """

    root: Path
    revision: str
    fence: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def bounds(self) -> Path:
        """The folder that nothing may lead out of."""
        return self.fence or self.root


@runtime_checkable
class Source(Protocol):
    """Gives a tree of files."""

    async def fetch(self, request: FetchRequest) -> Checkout:
        """Return the tree.

        Raises:
            RenderError: There is nothing, or it cannot be had.
        """
        ...


@runtime_checkable
class Resolver(Protocol):
    """A source that can tell its revision without fetching: what polls ask (TR-04)."""

    async def resolve(self, request: FetchRequest) -> str:
        """Return the revision that ``fetch`` would give now.

        Raises:
            RenderError: There is nothing, or it cannot be had.
        """
        ...


@runtime_checkable
class Comparer(Protocol):
    """A source that can tell what changed between two revisions: what monorepos need (TR-08)."""

    async def touches(self, request: FetchRequest, old: str, new: str) -> bool:
        """Return whether anything that a rollout of this source may read changed.

        Raises:
            RenderError: The revisions cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """What the target serves, for charts that ask.

    Attributes:
        version: Such as ``1.36.3``; empty where nobody could be asked.
        api_versions: Such as ``apps/v1`` and ``apps/v1/Deployment``, sorted.
    """

    version: str = ""
    api_versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What a template looks up in the target: an object, or without a name all of a kind."""

    api_version: str
    kind: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return what messages call it, such as ``Secret shop/db``."""
        place = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.kind} {place}" if place else f"every {self.kind}"


@runtime_checkable
class Lookups(Protocol):
    """Answers what templates look up: from a record, or from the target, once each (RE-15)."""

    async def kinds(self, api_version: str) -> tuple[str, ...]:
        """Return the kinds that the target serves in a version; none where it serves none."""
        ...

    async def find(self, lookup: Lookup) -> Mapping[str, Any] | None:
        """Return the object, or the list of them; ``None`` if there is nothing of that name.

        Raises:
            ClusterError: The API server refuses to tell.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """What a renderer is asked for: a tree, and the merged ``config`` values.

    Attributes:
        checkout: The source's tree.
        values: What the rollout's ``config`` gives, merged.
        rollout: Its name.
        namespace: The target's namespace; empty where the rollout names none.
        timeout: How long it may take.
        kubernetes: What the target serves; only for renderers that set ``asks_kubernetes``.
        data: JSON values by name, such as ``deployments/list``: what a trigger watches or queries.
        network_charts: Whether the site lets charts fetch what they depend on.
        lookups: Answers what templates look up; only for renderers that set ``asks_lookups``, and
            ``None`` where no cluster is to be asked.
    """

    checkout: Checkout
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    rollout: str = ""
    namespace: str = ""
    timeout: timedelta = timedelta(seconds=60)
    kubernetes: Kubernetes = Kubernetes()
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    network_charts: bool = False
    lookups: Lookups | None = field(default=None, repr=False)


@runtime_checkable
class Renderer(Protocol):
    """Makes objects of a tree; the same tree and values give the same objects.

    What Rollwright's own renderers give is kept, and what others do that say
    ``is_repeatable = True``. One that depends on anything beside its request (a program, a chart
    elsewhere) tells it by ``async outside() -> str | None``; ``None`` keeps nothing.
    """

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
    """What a transformer changes.

    Attributes:
        manifests: The objects.
        rollout: Name of the rollout.
        namespace: The target's, for objects that name none.
    """

    manifests: ManifestSet
    rollout: str = ""
    namespace: str = ""


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
    """What a validator looks at.

    Attributes:
        manifests: The objects.
        rollout: Name of the rollout.
        namespace: The target's, for objects that name none.
        kubernetes: What the target serves, as far as somebody was asked.
        definitions: CustomResourceDefinitions of the cluster, for kinds that the set does not
            define itself; only for validators that set ``asks_definitions``.
        checkout: The tree that the objects were rendered from.
        site: Folder of the site; files that its options name start there.
    """

    manifests: ManifestSet
    rollout: str = ""
    namespace: str = ""
    kubernetes: Kubernetes = Kubernetes()
    definitions: tuple[Manifest, ...] = ()
    checkout: Checkout | None = None
    site: Path | None = None


@runtime_checkable
class Validator(Protocol):
    """Finds mistakes in rendered objects."""

    def validate(self, request: ValidateRequest) -> tuple[Problem, ...]:
        """Return every problem; empty means good. Warnings do not stop a rollout."""
        ...
