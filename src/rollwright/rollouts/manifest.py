"""Rendered objects and their identity.

Before: ``renderers`` read files and made documents of them.
After: ``plan`` compares the objects with what is live; ``kube`` sends their bodies.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

import orjson

from rollwright.errors import InvalidManifests, Problem

Body: TypeAlias = Mapping[str, Any]
"""An object as JSON: what a file holds, what the API server returns. Never changed in place."""

_NETWORK_KINDS = frozenset({"Ingress", "NetworkPolicy"})


class ObjectRef(NamedTuple):
    """The identity of an object in one cluster; no version, so that it survives API upgrades.

    ``group`` is empty for the core API, ``namespace`` for cluster-wide objects. A tuple, because
    it is hashed and compared some dozens of times for each object of a run.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        parts = (self.kind, self.namespace, self.name) if self.namespace else (self.kind, self.name)
        return "/".join(parts)

    @property
    def group_kind(self) -> tuple[str, str]:
        """Group and kind, with the names that old groups have today."""
        return canonical_group_kind(self.group, self.kind)

    @property
    def qualified(self) -> str:
        """Unique over all groups: ``Deployment.apps/shop/web``."""
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return "/".join(part for part in (kind, self.namespace, self.name) if part)


def canonical_group_kind(group: str, kind: str) -> tuple[str, str]:
    """Return group and kind with the group's name of today (OR-04)."""
    if group != "extensions":
        return group, kind
    return ("networking.k8s.io" if kind in _NETWORK_KINDS else "apps"), kind


def group_of(api_version: str) -> str:
    """Return the group of an ``apiVersion``; empty for the core API."""
    return api_version.rpartition("/")[0]


def ref_of(body: Body) -> ObjectRef:
    """Return the identity of an object as it stands; an absent namespace is empty."""
    metadata = body.get("metadata") or {}
    return ObjectRef(
        group=group_of(body["apiVersion"]),
        kind=body["kind"],
        namespace=metadata.get("namespace") or "",
        name=metadata.get("name") or "",
    )


def is_secret(body: Body) -> bool:
    """Whether the object is a core Secret, of whatever type."""
    return body.get("kind") == "Secret" and body.get("apiVersion") == "v1"


def digest_of(value: Any) -> str:
    """Return ``sha256:…`` over canonical JSON: sorted keys, no spaces, numbers as they are."""
    return f"sha256:{sha256(_canonical(value)).hexdigest()}"


def keyed_digest(value: Any, salt: str) -> str:
    """Return ``sha256:…`` that nobody without the key can guess back into the value (PL-12)."""
    return f"sha256:{hmac.digest(salt.encode(), _canonical(value), 'sha256').hex()}"


def digest_of_body(body: Body, salt: str) -> str:
    """Return the digest of an object: of a Secret a keyed one, as soon as there is a key."""
    return keyed_digest(body, salt) if salt and is_secret(body) else digest_of(body)


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a manifest was written: a file of the source with its line, or a template."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One rendered object.

    Attributes:
        body: The object as it will be sent, already cleaned of what must never be sent.
        ref: Its identity; the namespace is filled in by ``scope.place``.
        key: The name that a rollout's step uses for it, such as ``jobs/migrate.yaml``; unique
            in its set when a source file holds one object.
        origin: Where it was written.
        salt: Key of the installation, for the digest of a Secret; no part of what is declared.
        document: Key of the document that it was an item of, where several objects stood in one.
    """

    body: Body = field(repr=False)
    ref: ObjectRef
    key: str
    origin: Origin
    salt: str = field(default="", repr=False, compare=False)
    document: str = field(default="", repr=False, compare=False)

    @cached_property
    def digest(self) -> str:
        """Digest of the body; of a Secret keyed with ``salt``."""
        return digest_of_body(self.body, self.salt)

    @cached_property
    def api_version(self) -> str:
        """Group and version as written, such as ``apps/v1``."""
        return str(self.body["apiVersion"])

    @cached_property
    def annotations(self) -> Mapping[str, str]:
        """The annotations that the manifest sets."""
        return (self.body.get("metadata") or {}).get("annotations") or {}

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """The labels that the manifest sets."""
        return (self.body.get("metadata") or {}).get("labels") or {}

    def with_body(self, body: Body) -> Manifest:
        """Return the same manifest with another body; the identity follows the body."""
        return replace(self, body=body, ref=ref_of(body))


@dataclass(frozen=True)
class ManifestSet:
    """The rendered objects of one rollout, in the order of their source.

    ``source`` is the immutable revision they were rendered from. ``faults`` say what a renderer
    missed in its input and went on without: then nothing may be deleted (PR-06). ``rollout`` is
    the document of the older format that was rendered with the objects; ``inputs`` names the
    files of the source that a renderer read, where it knows. ``hooks`` were rendered with the
    objects and run beside them; the digest counts them in. ``warnings`` are what validators
    found that stops nothing, ``notes`` what people should know of how the objects came about.
    """

    manifests: tuple[Manifest, ...] = field(default=(), repr=False)
    source: str = ""
    faults: tuple[str, ...] = ()
    rollout: Mapping[str, Any] | None = field(default=None, repr=False)
    inputs: tuple[str, ...] = field(default=(), repr=False)
    hooks: tuple[Manifest, ...] = field(default=(), repr=False)
    warnings: tuple[Problem, ...] = field(default=(), repr=False, compare=False)
    notes: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self.manifests)

    def __len__(self) -> int:
        return len(self.manifests)

    @cached_property
    def _by_ref(self) -> Mapping[ObjectRef, Manifest]:
        return {manifest.ref: manifest for manifest in self.manifests}

    def by_ref(self) -> Mapping[ObjectRef, Manifest]:
        """Return the objects by identity."""
        return self._by_ref

    def named(self, key: str) -> tuple[Manifest, ...]:
        """Return what a step means by a key: one object, or all items of a list (DOC-13)."""
        items = tuple(one for one in self.manifests if one.document == key)
        return items or tuple(one for one in self.manifests if one.key == key)

    @property
    def keys(self) -> frozenset[str]:
        """Every key that a step may name."""
        keys = {key for one in self.manifests for key in (one.key, one.document)}
        return frozenset(keys - {""})

    @cached_property
    def digest(self) -> str:
        """Digest over all objects, independent of their order."""
        known = self.by_ref() if self.hooks else {}
        hooks = (one for one in self.hooks if known.get(one.ref) != one)
        return digest_of(sorted(manifest.digest for manifest in (*self.manifests, *hooks)))


def join(sets: Iterable[ManifestSet]) -> ManifestSet:
    """Join what several renderers gave.

    Raises:
        InvalidManifests: One identity stands twice, or more than one gave a rollout.
    """
    joined = tuple(sets)
    manifests = tuple(manifest for one in joined for manifest in one)
    refuse_twins(manifests)
    return ManifestSet(
        manifests,
        faults=tuple(fault for one in joined for fault in one.faults),
        rollout=_only_rollout(joined),
        inputs=tuple(dict.fromkeys(path for one in joined for path in one.inputs)),
        warnings=tuple(problem for one in joined for problem in one.warnings),
        notes=tuple(dict.fromkeys(note for one in joined for note in one.notes)),
    )


def _only_rollout(sets: Iterable[ManifestSet]) -> Mapping[str, Any] | None:
    rollouts = [one.rollout for one in sets if one.rollout is not None]
    if len(rollouts) > 1:
        message = f"{len(rollouts)} renderers gave a Rollout; expected one at most"
        raise InvalidManifests([Problem(where="spec.render", path="", message=message)])
    return rollouts[0] if rollouts else None


def refuse_twins(manifests: Iterable[Manifest], places: Sequence[str] = ()) -> None:
    """Raise ``InvalidManifests`` if two manifests have one identity.

    Hooks that are named only when they run (HK-08) have none yet.

    Args:
        manifests: The objects.
        places: Where each of them stands, if that is known better than by its origin.
    """
    seen: dict[ObjectRef, tuple[Manifest, str]] = {}
    problems = []
    for index, manifest in enumerate(manifests):
        place = places[index] if places else _place(manifest)
        if not manifest.ref.name:
            continue
        group, kind = manifest.ref.group_kind
        identity = ObjectRef(group, kind, manifest.ref.namespace, manifest.ref.name)
        twin, first = seen.setdefault(identity, (manifest, place))
        if twin is not manifest:
            message = f"{manifest.ref} is declared twice; first at {first}"
            problems.append(Problem(where=place, path="", message=message))
    if problems:
        raise InvalidManifests(problems, hint="remove one of the two, or rename it")


def _place(manifest: Manifest) -> str:
    """Return where a manifest was written: a line, or the key of what has no lines."""
    origin, key = manifest.origin, manifest.key
    is_told = origin.line or key in {"", origin.file, str(manifest.ref), manifest.ref.qualified}
    return str(origin) if is_told else f"{origin}: {key}"
