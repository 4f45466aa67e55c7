"""The context of a verdict: what is read around one object, once or by watch.

Before: ``evidence`` watches pods and events; classes and schemas are read here when needed.
After: ``health`` computes the verdict from object and context.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from rollwright.engine.reading.evidence import Evidence
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Cluster, GetRequest, ListRequest
from rollwright.rollouts.health import HealthContext, HealthOptions, declares_status
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef

_CLASSES = {
    ("", "PersistentVolumeClaim"): ("storage.k8s.io/v1", "StorageClass"),
    ("networking.k8s.io", "Ingress"): ("networking.k8s.io/v1", "IngressClass"),
}
_BUILT_IN_SUFFIX = ".k8s.io"


class Surroundings:
    """What verdicts need to know beside the object; each class is listed once.

    ``secret_values`` are texts that no verdict may repeat.
    """

    def __init__(
        self,
        cluster: Cluster,
        evidence: Evidence | None = None,
        secret_values: frozenset[str] = frozenset(),
    ) -> None:
        self.secret_values = secret_values
        self._cluster = cluster
        self._evidence = evidence
        self._lists: dict[tuple[str, str], asyncio.Task[tuple[Body, ...]]] = {}
        self._schemas: dict[tuple[str, str], asyncio.Task[bool | None]] = {}

    async def close(self) -> None:
        """Ask nothing any more."""
        tasks: list[asyncio.Task[Any]] = [*self._lists.values(), *self._schemas.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def context(
        self,
        live: LiveObject,
        options: HealthOptions,
        *,
        manifest: Manifest | None = None,
        applied_at: datetime | None = None,
    ) -> HealthContext:
        """Return the context of an object's verdict."""
        kind = live.ref.group_kind
        storage: tuple[Body, ...] = ()
        ingress: tuple[Body, ...] = ()
        ingresses: tuple[Body, ...] | None = None
        if kind == ("", "PersistentVolumeClaim"):
            storage = await self._all(*_CLASSES[kind])
        if kind == ("networking.k8s.io", "Ingress"):
            ingress = await self._all(*_CLASSES[kind])
            ingresses = await self._all("networking.k8s.io/v1", "Ingress")
        evidence = self._evidence
        return HealthContext(
            wanted=manifest.body if manifest else None,
            applied_at=applied_at,
            options=options,
            crd_schema_declares_status=await self._declares_status(live),
            storage_classes=storage,
            ingress_classes=ingress,
            ingresses=ingresses,
            pods=self._pods(live),
            replica_sets=evidence.owned(live.uid, "ReplicaSet") if evidence else (),
            controller_revisions=(
                evidence.owned(live.uid, "ControllerRevision") if evidence else ()
            ),
            events=evidence.events(live.uid) if evidence else (),
            secret_values=self.secret_values,
        )

    def _pods(self, live: LiveObject) -> tuple[Body, ...]:
        if self._evidence is None:
            return ()
        if live.ref.kind == "PersistentVolumeClaim":
            return self._evidence.pods_in(live.ref.namespace)
        return self._evidence.pods(live.uid)

    async def _all(self, api_version: str, kind: str) -> tuple[Body, ...]:
        """List a kind once; nothing if we may not read it."""
        key = (api_version, kind)
        if key not in self._lists:
            self._lists[key] = asyncio.create_task(self._list(api_version, kind))
        return await asyncio.shield(self._lists[key])

    async def _list(self, api_version: str, kind: str) -> tuple[Body, ...]:
        try:
            found = await self._cluster.list(ListRequest(api_version=api_version, kind=kind))
        except RolloutError:
            return ()
        return tuple(live.body for live in found)

    async def _declares_status(self, live: LiveObject) -> bool | None:
        """Whether a custom kind's schema promises a status that is not there yet (HL-20)."""
        group = live.ref.group
        is_custom = "." in group and not group.endswith(_BUILT_IN_SUFFIX)
        if not is_custom or live.body.get("status"):
            return None
        key = (live.api_version, live.ref.kind)
        if key not in self._schemas:
            self._schemas[key] = asyncio.create_task(self._read_schema(*key))
        return await asyncio.shield(self._schemas[key])

    async def _read_schema(self, api_version: str, kind: str) -> bool | None:
        group, _, version = api_version.rpartition("/")
        try:
            served = (await self._cluster.discover()).find(api_version, kind)
            if served is None:
                return None
            ref = ObjectRef(
                "apiextensions.k8s.io", "CustomResourceDefinition", "", f"{served.plural}.{group}"
            )
            crd = await self._cluster.get(
                GetRequest(ref=ref, api_version="apiextensions.k8s.io/v1")
            )
        except RolloutError:
            return None
        return declares_status(crd.body, version) if crd else None
