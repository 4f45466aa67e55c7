"""Reads and writes the Leases of locks through the cluster port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rollwright.errors import ClusterError, InvalidDocument
from rollwright.locks import record as records
from rollwright.locks import words
from rollwright.locks.record import LeaseRecord
from rollwright.plugins.contracts import Cluster, GetRequest, ListRequest
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef

API_VERSION = "coordination.k8s.io/v1"


class LeaseObjects:
    """The Leases in one namespace of one cluster."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def blank(self, key: str) -> LeaseRecord:
        """Return the record of a key that has no Lease yet."""
        return LeaseRecord(key=key, name=words.lease_name(key))

    async def read(self, key: str) -> LeaseRecord | None:
        """Return what the Lease of a key says now."""
        name = words.lease_name(key)
        ref = ObjectRef(
            group="coordination.k8s.io", kind="Lease", namespace=self._namespace, name=name
        )
        lease = await self._cluster.get(GetRequest(ref=ref, api_version=API_VERSION))
        if lease is None:
            return None
        record = self._read(lease)
        if record.key != key:
            raise InvalidDocument(
                f"{self._where(name)}: is the lock of {record.key!r}, expected {key!r}",
                hint="delete this Lease when no rollout runs; it is made anew",
            )
        return record

    async def read_all(self) -> tuple[LeaseRecord, ...]:
        """Return what all Leases of locks say."""
        leases = await self._cluster.list(
            ListRequest(
                api_version=API_VERSION,
                kind="Lease",
                namespace=self._namespace,
                label_selector=f"{records.LABEL}={records.LABEL_VALUE}",
            )
        )
        return tuple(self._read(lease) for lease in leases)

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        """Write it, if nobody did since it was read; status 409 otherwise."""
        body = records.to_body(record, self._namespace)
        if record.version:
            return self._read(await self._cluster.replace(body))
        try:
            return self._read(await self._cluster.create(body))
        except ClusterError as error:
            if error.status != 404:
                raise
        await self._make_namespace()
        return self._read(await self._cluster.create(body))

    async def try_write(self, record: LeaseRecord) -> LeaseRecord | None:
        """Write it; ``None`` if somebody else was quicker."""
        try:
            return await self.write(record)
        except ClusterError as error:
            if error.status == 409 or (error.status == 404 and record.version):
                return None
            raise

    @asynccontextmanager
    async def explained(self) -> AsyncIterator[None]:
        """Say which permission is missing when the server forbids something."""
        try:
            yield
        except ClusterError as error:
            if error.status != 403 or error.hint:
                raise
            verbs = "get, list, create and update"
            hint = f"allow {verbs} on leases.coordination.k8s.io in namespace {self._namespace!r}"
            raise _refused(error, hint) from error

    def _read(self, lease: LiveObject) -> LeaseRecord:
        return records.read(lease, self._where(lease.ref.name))

    def _where(self, name: str) -> str:
        return f"Lease/{self._namespace}/{name} in cluster {self._cluster.name!r}"

    async def _make_namespace(self) -> None:
        labels = {"app.kubernetes.io/managed-by": "rollwright"}
        metadata = {"name": self._namespace, "labels": labels}
        try:
            await self._cluster.create(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            )
        except ClusterError as error:
            if error.status == 403:
                administrator = f"run `kubectl create namespace {self._namespace}`"
                raise _refused(error, f"{administrator} as an administrator") from error
            if error.status != 409:
                raise


def _refused(error: ClusterError, hint: str) -> ClusterError:
    return ClusterError(
        f"lock: {error.message}",
        status=error.status,
        reason=error.reason,
        causes=error.causes,
        hint=hint,
    )
