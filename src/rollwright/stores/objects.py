"""Reads, writes and deletes the Secrets of a store through the cluster port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import (
    Cluster,
    DeleteRequest,
    GetRequest,
    ListRequest,
    Propagation,
)
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body
from rollwright.stores import secrets


class SecretObjects:
    """The Secrets in one namespace of one cluster."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self.namespace = namespace

    @property
    def cluster_name(self) -> str:
        """What the cluster is called."""
        return self._cluster.name

    def where(self, name: str) -> str:
        """Return what a message calls a Secret."""
        return f"Secret/{self.namespace}/{name} in cluster {self._cluster.name!r}"

    async def get(self, name: str) -> LiveObject | None:
        """Return a Secret; ``None`` when it is not there."""
        ref = secrets.secret_ref(self.namespace, name)
        return await self._cluster.get(GetRequest(ref=ref, api_version="v1"))

    async def list(self, selector: str) -> tuple[LiveObject, ...]:
        """Return the metadata of the Secrets that a label selector matches."""
        return await self._cluster.list(
            ListRequest(
                api_version="v1",
                kind="Secret",
                namespace=self.namespace,
                label_selector=selector,
                metadata_only=True,
            )
        )

    async def names(self, rollout: str, part: str) -> tuple[str, ...]:
        """Return the names of the Secrets of one part of a rollout."""
        selector = f"{secrets.ROLLOUT_LABEL}={rollout},{secrets.PART_LABEL}={part}"
        return tuple(one.ref.name for one in await self.list(selector))

    async def create(self, body: Body) -> LiveObject:
        """Create a Secret, and its namespace when that is missing."""
        try:
            return await self._cluster.create(body)
        except ClusterError as error:
            if error.status != 404:
                raise
        await self._make_namespace()
        return await self._cluster.create(body)

    async def create_once(self, body: Body) -> None:
        """Create a Secret that is never changed: what has its name already stays."""
        try:
            await self.create(body)
        except ClusterError as error:
            # A snapshot's name is the digest of its content: what is there already is the same.
            if error.status != 409:
                raise

    async def _make_namespace(self) -> None:
        labels = {"app.kubernetes.io/managed-by": "rollwright"}
        metadata = {"name": self.namespace, "labels": labels}
        try:
            await self._cluster.create(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            )
        except ClusterError as error:
            if error.status == 403:
                raise _refused(
                    error, f"run `kubectl create namespace {self.namespace}` as an administrator"
                ) from error
            if error.status != 409:
                raise

    async def replace(self, body: Body) -> LiveObject:
        """Write over a Secret; status 409 if somebody else did since it was read."""
        return await self._cluster.replace(body)

    async def delete_all(self, names: Iterable[str]) -> None:
        """Delete Secrets; one that is not there counts as deleted."""
        await asyncio.gather(*(self.delete(name) for name in names))

    async def delete(self, name: str, *, uid: str = "", resource_version: str = "") -> None:
        """Delete a Secret, if it still has that version."""
        request = DeleteRequest(
            ref=secrets.secret_ref(self.namespace, name),
            api_version="v1",
            uid=uid,
            resource_version=resource_version,
            # Foreground would keep it until a garbage collector has looked at it.
            propagation=Propagation.BACKGROUND,
        )
        await self._cluster.delete(request)

    @asynccontextmanager
    async def explained(self) -> AsyncIterator[None]:
        """Say which permission is missing when the server forbids something."""
        try:
            yield
        except ClusterError as error:
            if error.status != 403 or error.hint:
                raise
            verbs = "get, list, create, update and delete"
            hint = f"allow {verbs} on secrets in namespace {self.namespace!r}"
            raise _refused(error, hint) from error


def _refused(error: ClusterError, hint: str) -> ClusterError:
    return ClusterError(
        f"state store: {error.message}",
        status=error.status,
        reason=error.reason,
        causes=error.causes,
        hint=hint,
    )
