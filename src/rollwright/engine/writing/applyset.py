"""The parent of a rollout's ApplySet in the cluster: its extent, and the fence on it.

Before: the plan is made; the lock is held, and nothing has been written.
After: ``execute`` writes objects wave by wave; ``finish`` makes the extent exact.

The fence closes a gap that no lock can: the API server does not know our tokens, so a run that
believes in a lease it no longer has could go on writing. Each run writes its token into the
parent before its first object, only upwards and only over the version it has read; before each
later wave that writes it looks whether a higher token stands there (ST-12).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version

from rollwright.engine.progress import Note
from rollwright.engine.site import Site
from rollwright.errors import ClusterError, LockLost, Refused, RolloutError, Unreachable
from rollwright.plugins.contracts import (
    ApplyRequest,
    Cluster,
    DeleteRequest,
    GetRequest,
    Lock,
    Propagation,
)
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.ownership.applyset import (
    API_VERSION,
    TOOL,
    Extent,
    Parent,
    extent_of,
    read_parent,
)
from rollwright.rollouts.ownership.fields import PARENT_NAMESPACE, parent_ref
from rollwright.rollouts.plan import Plan, Wave
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState

_KEEPERS = (("stores", "cluster"), ("locks", "lease"))
_TRIES = 5


def parent_namespace(site: Site) -> str:
    """Return where parents are: beside the states, else beside the locks, in the cluster."""
    for group, name in _KEEPERS:
        use = getattr(site.loaded.file, group)["default"]
        namespace = use.options.get("namespace") if use.name == name else None
        if isinstance(namespace, str):
            return namespace
    return PARENT_NAMESPACE


@cache
def tooling() -> str:
    """Return what a parent says of who manages it."""
    # NB: ``__version__`` of the package would import the library, which stands above the engine.
    return f"{TOOL}/{version(TOOL)}"


async def check_parent(site: Site, spec: RolloutSpec, plan: Plan) -> None:
    """Refuse a plan that would write into the set of another tool; asks only if it writes.

    Raises:
        Refused: The parent is another tool's, or no parent at all.
    """
    if any(change.writes for change in plan.changes):
        ref = parent_ref(spec.name, parent_namespace(site))
        await ParentObject(await site.cluster(spec), ref).read()


class ParentObject:
    """Reads and writes one parent."""

    def __init__(self, cluster: Cluster, ref: ObjectRef) -> None:
        self._cluster = cluster
        self.ref = ref

    async def read(self) -> Parent | None:
        """Return the parent; ``None`` when it is not there.

        Raises:
            Refused: It is another tool's, or no parent at all.
        """
        try:
            found = await self._cluster.get(GetRequest(ref=self.ref, api_version=API_VERSION))
        except ClusterError as error:
            raise self._explained(error) from error
        return read_parent(found) if found is not None else None

    async def write(self, parent: Parent) -> Parent | None:
        """Write it over the version that was read; ``None`` if somebody else was quicker."""
        try:
            return await (self._apply(parent) if parent.version else self._create(parent))
        except ClusterError as error:
            if error.status == 409 or (error.status == 404 and parent.version):
                return None
            raise self._explained(error) from error

    async def delete(self, parent: Parent) -> None:
        """Delete it, unless somebody has written it since it was read."""
        request = DeleteRequest(
            ref=self.ref,
            api_version=API_VERSION,
            uid=parent.uid,
            resource_version=parent.version,
            propagation=Propagation.BACKGROUND,
        )
        try:
            await self._cluster.delete(request)
        except ClusterError as error:
            if error.status != 409:
                raise self._explained(error) from error

    async def _apply(self, parent: Parent) -> Parent:
        request = ApplyRequest(
            ref=self.ref,
            body=parent.body(),
            uid=parent.uid,
            resource_version=parent.version,
        )
        return read_parent(await self._cluster.apply(request))

    async def _create(self, parent: Parent) -> Parent:
        # NB: an apply would take the fence of a parent that another run has made meanwhile.
        try:
            return read_parent(await self._cluster.create(parent.body()))
        except ClusterError as error:
            if error.status != 404:
                raise
        await self._make_namespace()
        return read_parent(await self._cluster.create(parent.body()))

    async def _make_namespace(self) -> None:
        labels = {"app.kubernetes.io/managed-by": TOOL}
        metadata = {"name": self.ref.namespace, "labels": labels}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        try:
            await self._cluster.create(body)
        except ClusterError as error:
            if error.status != 409:
                raise

    def _explained(self, error: ClusterError) -> ClusterError:
        """Say which permission is missing when the server forbids something."""
        if error.status != 403 or error.hint:
            return error
        verbs = "get, create, patch and delete"
        return ClusterError(
            f"parent of the ApplySet: {error.message}",
            status=error.status,
            reason=error.reason,
            causes=error.causes,
            hint=f"allow {verbs} on configmaps in namespace {self.ref.namespace!r}",
        )


@dataclass(kw_only=True)
class Fence:
    """The parent of a run in progress.

    ``is_fresh`` tells that the fence was written or seen right before the wave that is next.
    """

    object: ParentObject
    lock: Lock
    parent: Parent | None = None
    is_fresh: bool = False

    async def raise_to(self, extent: Extent) -> None:
        """Write our token, and cover an extent, before the first write of a run.

        Raises:
            LockLost: A run with a later lock has written its token.
            Refused: The parent is another tool's.
        """
        for _ in range(_TRIES):
            found = await self.object.read()
            self._refuse_later(found)
            self.lock.check()
            wide = extent | found.extent if found else extent
            if await self._write(found, wide, self.lock.token):
                self.is_fresh = True
                return
        raise Unreachable(f"{self.object.ref}: somebody else writes it again and again")

    async def check(self, wave: Wave) -> None:
        """Look whether a later run has raised the fence, before a wave that writes.

        One GET a wave, none for the first one: the fence was just written. A token that went
        down, or a parent that is gone, is put back.

        Raises:
            LockLost: It has; nothing of the wave was written.
        """
        was_fresh, self.is_fresh = self.is_fresh, False
        is_writing = any(change.writes for step in wave.steps for change in step.changes)
        if self.parent is None or was_fresh or not is_writing:
            return
        found = await self.object.read()
        self._refuse_later(found)
        if found is None or found.fence < self.lock.token:
            await self.raise_to(self.parent.extent)
        self.is_fresh = False

    async def narrow(self, extent: Extent) -> None:
        """Make the extent exact after a run; a parent that somebody else wrote stays wide."""
        if self.parent is not None:
            await self._write(self.parent, extent, self.parent.fence)

    async def _write(self, found: Parent | None, extent: Extent, token: int) -> bool:
        """Write what differs over what was found; return whether it stands so now."""
        base = found or Parent(ref=self.object.ref, tooling="", extent=Extent())
        wanted = replace(base, tooling=tooling(), extent=extent, fence=token)
        if found is not None and found.says == wanted.says:
            self.parent = found
            return True
        written = await self.object.write(wanted)
        self.parent = written or self.parent
        return written is not None

    def _refuse_later(self, found: Parent | None) -> None:
        if found is not None and found.fence > self.lock.token:
            raise LockLost(
                f"lock {self.lock.key!r} is lost: a run with a later lock ({found.fence}) has"
                f" fenced off {found.ref}; ours is {self.lock.token}",
                hint="make a new plan; see `rollwright locks` for who is at work",
            )


async def fence_off(
    site: Site,
    spec: RolloutSpec,
    plan: Plan,
    lock: Lock,
    *,
    before: RolloutState | None,
    after: RolloutState,
) -> Fence:
    """Write the fence, and widen the parent to all that the run may write (IN-25).

    A run that writes nothing and remembers nothing new asks nothing.

    Args:
        site: The installation.
        spec: What was declared.
        plan: What is going to be done.
        lock: Ours.
        before: The state that was read.
        after: The state that the run begins with.
    """
    ref = parent_ref(spec.name, parent_namespace(site))
    fence = Fence(object=ParentObject(await site.cluster(spec), ref), lock=lock)
    old, new = extent_of(before.by_ref if before else ()), extent_of(after.by_ref)
    if old != new or any(change.writes for change in plan.changes):
        await fence.raise_to(new)
    return fence


async def make_exact(site: Site, fence: Fence, state: RolloutState) -> None:
    """Narrow the parent to what is in the inventory now; a failure leaves it wide.

    An empty inventory changes nothing: ``delete`` removes the parent next.
    """
    if not state.inventory:
        return
    try:
        await fence.narrow(extent_of(state.by_ref))
    except RolloutError as error:
        site.tell(Note(f"{fence.object.ref} still names kinds that may be gone: {error.message}"))


async def remove_parent(site: Site, spec: RolloutSpec, state: RolloutState) -> None:
    """Delete the parent of a rollout that is gone; another tool's stays, or a later run's."""
    parent = ParentObject(await site.cluster(spec), parent_ref(spec.name, parent_namespace(site)))
    with suppress(Refused):
        found = await parent.read()
        if found is not None and found.fence <= state.token:
            await parent.delete(found)
