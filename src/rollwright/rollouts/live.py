"""What the API server returned.

Before: ``kube.cluster`` listed and fetched.
After: ``ownership`` reads which fields are ours, ``health`` gives verdicts, ``plan`` compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Self

import orjson

from rollwright.rollouts.diff import comparable
from rollwright.rollouts.manifest import Body, ObjectRef, digest_of_body, ref_of
from rollwright.rollouts.ownership.fields import owned_fields, values_digest


@dataclass(frozen=True, kw_only=True)
class LiveObject:
    """One object in a cluster.

    The body of a large LIST is parsed only when somebody asks for it: ``raw`` is the JSON text
    of the whole object, ``metadata`` is always there.

    Attributes:
        ref: Its identity.
        api_version: The version it was read in. Paths in managedFields belong to that version.
        metadata: ``metadata`` of the object, managedFields included.
        raw: The object as JSON text.
        salt: Key of the installation, for the digests of a Secret.
    """

    ref: ObjectRef
    api_version: str
    # NB: an annotation of client-side apply holds the whole object, values of a Secret too.
    metadata: Mapping[str, Any] = field(repr=False)
    raw: bytes = field(repr=False)
    salt: str = field(default="", repr=False, compare=False)

    @cached_property
    def body(self) -> Body:
        """The whole object; ``apiVersion`` and ``kind`` are there even if the server left them out."""
        value: dict[str, Any] = orjson.loads(self.raw)
        if "kind" in value and "apiVersion" in value:
            return value
        return {"apiVersion": self.api_version, "kind": self.ref.kind, **value}

    @property
    def outline(self) -> Body:
        """The object without spec and status: enough for a verdict on kinds without behavior."""
        return {
            "apiVersion": self.api_version,
            "kind": self.ref.kind,
            "metadata": self.metadata,
        }

    @cached_property
    def owned_fields(self) -> Mapping[str, Any]:
        """The fields that our applies own, as FieldsV1."""
        return owned_fields(self.metadata)

    @cached_property
    def owned_digest(self) -> str:
        """Digest of the values of the fields that our applies own; of a Secret keyed."""
        return values_digest(self.owned_fields, self.body, self.salt if self.is_secret else "")

    @cached_property
    def declared_digest(self) -> str:
        """Digest of what was declared, whoever did it; of a Secret keyed. A status does not count."""
        return digest_of_body(comparable(self.body), self.salt)

    @property
    def is_secret(self) -> bool:
        """Whether it is a core Secret."""
        return self.ref.kind == "Secret" and not self.ref.group

    def keyed(self, salt: str) -> Self:
        """Return the object with the key for its digests; only a Secret takes one."""
        return replace(self, salt=salt) if self.is_secret and self.salt != salt else self

    @cached_property
    def uid(self) -> str:
        """The identity that a re-created object does not share."""
        return str(self.metadata.get("uid", ""))

    @cached_property
    def resource_version(self) -> str:
        """Changes with every write, also of the status."""
        return str(self.metadata.get("resourceVersion", ""))

    @property
    def generation(self) -> int | None:
        """Changes with every write of the spec; ``None`` for kinds without one."""
        value = self.metadata.get("generation")
        return value if isinstance(value, int) else None

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the object."""
        return self.metadata.get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """Annotations of the object."""
        return self.metadata.get("annotations") or {}

    @property
    def is_being_deleted(self) -> bool:
        """Whether a deletion was asked for."""
        return "deletionTimestamp" in self.metadata


def live_object(body: Body, raw: bytes | None = None) -> LiveObject:
    """Wrap one object that was read by itself."""
    return LiveObject(
        ref=ref_of(body),
        api_version=str(body["apiVersion"]),
        metadata=body.get("metadata") or {},
        raw=orjson.dumps(body) if raw is None else raw,
    )


@dataclass(frozen=True, kw_only=True)
class LiveSet:
    """What is in the cluster of the objects that a rollout wants or once applied.

    Attributes:
        objects: The objects that exist, by identity.
        read_at: When they were read; verdicts on their age use it.
        cluster: Name of the cluster.
        cluster_id: UID of the namespace ``kube-system``.
        server_version: Such as ``v1.36.3``.
        missing_groups: API groups that discovery could not read, with the reason: an APIService
            without a working backend. Kinds of other groups are not affected.
        unknown_kinds: Group and kind of wanted objects that the server does not serve.
        absent_namespaces: Names of the wanted objects' namespaces that do not exist.
        unreadable: Objects of the inventory that cannot be read now, with the reason.
        strays: Objects that carry the rollout's label, and that it neither wants nor remembers.
        contexts: What else a verdict needs to know, for the objects where it matters.
        salt: Key of the installation, for digests that stand for values of Secrets.
        scaled: Workloads that live autoscalers target, with the autoscaler.
        definitions: Live CRDs of kinds whose objects cannot be sent to a dry run yet, by group and
            kind.
        unchecked: (``apiVersion``, kind) of such objects for which no schema could be had.
        rehearsals: What the server would make of such objects in the namespace of
            ``apply.simulateIn``.
        used_versions: Versions of custom kinds that objects use, for CRDs that drop a version.
    """

    objects: Mapping[ObjectRef, LiveObject]
    read_at: datetime
    cluster: str = ""
    cluster_id: str = ""
    server_version: str = ""
    missing_groups: Mapping[str, str] = field(default_factory=dict)
    unknown_kinds: frozenset[tuple[str, str]] = frozenset()
    absent_namespaces: frozenset[str] = frozenset()
    unreadable: Mapping[ObjectRef, str] = field(default_factory=dict)
    strays: tuple[ObjectRef, ...] = ()
    contexts: Mapping[ObjectRef, Any] = field(default_factory=dict)
    definitions: Mapping[tuple[str, str], Body] = field(default_factory=dict)
    unchecked: frozenset[tuple[str, str]] = frozenset()
    rehearsals: Mapping[ObjectRef, Body] = field(default_factory=dict, repr=False)
    used_versions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    salt: str = field(default="", repr=False)
    scaled: Mapping[ObjectRef, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[LiveObject]:
        return iter(self.objects.values())

    def get(self, ref: ObjectRef) -> LiveObject | None:
        """Return the object of that identity, if it exists."""
        return self.objects.get(ref)
