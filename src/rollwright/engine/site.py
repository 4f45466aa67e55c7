"""One installation at work: names of ``site.toml`` become ports.

Before: ``load_site`` and ``load_rollout`` read the files.
After: the stages ask for a cluster, a store, a lock, a plugin.

Ports are made when they are first asked for, so that rendering needs no cluster.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from rollwright.engine.custody.keys import Keys
from rollwright.engine.custody.limits import RENDERS, Limits
from rollwright.engine.custody.lock_audit import takeover_kept
from rollwright.engine.custody.queueing import told_if_long
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.inputs.known_names import registry_of
from rollwright.engine.progress import Counted, Listener, Progress, Teller, careful, ignore
from rollwright.engine.site_blocks import resolved_entry
from rollwright.engine.site_file import ClusterEntry, LoadedSite, find_site, load_site
from rollwright.engine.stop import Stop
from rollwright.engine.telling.courier import Courier
from rollwright.errors import NotFound
from rollwright.plugins.contracts import Ask, Cluster, Lock, LockOwner, LockService, StateStore
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.trigger import Trigger

if TYPE_CHECKING:
    from rollwright.engine.inputs.chart_lookups import Record
    from rollwright.engine.inputs.configured import Configured

LOCK_WAIT = timedelta(minutes=5)
"""How long a run waits for another run of the same rollout."""


def actor_here() -> str:
    """Return who runs this process, as ``person@host``."""
    try:
        person = getpass.getuser()
    except (KeyError, OSError):
        person = str(os.getuid())
    return f"{person}@{socket.gethostname()}"


class Site:
    """One installation, as one run uses it.

    Attributes:
        registry: Where plugins come from.
        base: The folder that relative paths of the rollout start from.
        stop: Set to end the run after the write in flight.
        lock_wait: How long to wait for another run; ``None`` waits for ever.
        trigger: What set the run off; ``None`` for commands that no trigger set off.
        may_ask: Whether a command that needs no cluster may ask one for values.
        configured: What renderers got last; ``None`` before the first rendering.
        recorded: What charts looked up when a saved plan was made; it counts instead of asking.
        looked_up: What charts looked up at the last rendering.
        renders_anew: Whether nothing is taken from the render cache (``--no-cache``, TR-07).
        allowed: Names of protected objects that somebody let go (``--allow-delete``).
        runs_tests: Whether hooks for tests run after everything else (``--test``).
        courier: Carries what is told about runs; shared with the sites beside this one.
        telling: What tells about the run that is at work; ``None`` if nobody is to be told.
    """

    def __init__(
        self,
        loaded: LoadedSite,
        *,
        rollout: LoadedRollout | None = None,
        tell: Listener = ignore,
        lock_wait: timedelta | None = LOCK_WAIT,
    ) -> None:
        self.loaded = loaded
        self.rollout = rollout
        self.base = rollout.base if rollout else loaded.root
        self.registry = registry_of(loaded)
        self._tell = careful(tell)
        self.stop = Stop()
        self.lock_wait = lock_wait
        self.renders_anew = False
        self.allowed: frozenset[str] = frozenset()
        self.runs_tests = False
        self.ask: Ask | None = None
        self.trigger: Trigger | None = None
        self.may_ask = False
        self.configured: Configured | None = None
        self.recorded: Record = {}
        self.looked_up: Record = {}
        self.courier = Courier()
        self.telling: Teller | None = None
        self._clusters: dict[str, asyncio.Task[Cluster]] = {}
        self._bound: dict[tuple[str, str], Any] = {}
        self._made: list[Any] = []
        self._is_guest = False
        self._keys = Keys(loaded)
        self._limits = Limits(loaded, self.registry, self.cluster_named, self._pass_on)

    def beside(self, rollout: LoadedRollout, *, tell: Listener = ignore) -> Site:
        """Return the site for another rollout; it shares this one's connections and locks.

        Closing it closes none of them, and this one must outlive it.
        """
        guest = Site(self.loaded, rollout=rollout, tell=tell, lock_wait=self.lock_wait)
        guest.registry = self.registry
        guest._clusters, guest._bound = self._clusters, self._bound
        guest._keys, guest._limits = self._keys, self._limits
        guest._made, guest._is_guest = self._made, True
        guest.courier = self.courier
        guest.renders_anew = self.renders_anew
        return guest

    @property
    def tell(self) -> Listener:
        """Who listens to progress; a listener that fails does not break a run."""
        return self._tell

    @tell.setter
    def tell(self, listener: Listener) -> None:
        self._tell = careful(listener)

    def _pass_on(self, progress: Progress) -> None:
        self._tell(progress)  # to whoever listens by then

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def use_cluster(self, cluster: Cluster, name: str = "") -> None:
        """Use a cluster that is connected already, under a name of the documents."""

        async def given() -> Cluster:
            return cluster

        self._clusters[name] = asyncio.ensure_future(given())

    def use_store(self, store: StateStore, cluster: str = "") -> None:
        """Use a store that is made already."""
        self._bound["stores", cluster] = store

    def use_locks(self, locks: LockService, cluster: str = "") -> None:
        """Use a lock service that is made already."""
        self._bound["locks", cluster] = locks

    async def cluster(self, spec: RolloutSpec) -> Cluster:
        """Return the rollout's target, connected.

        Raises:
            NotFound: site.toml names no such cluster, or the kubeconfig has no such context.
            Unreachable: It does not answer, or there are no credentials.
        """
        return await self.cluster_named(spec.target.cluster)

    async def cluster_named(self, name: str) -> Cluster:
        """Return a cluster by its name in site.toml; empty for the current context."""
        if name not in self._clusters:
            self._clusters[name] = asyncio.ensure_future(self._connect(name))
        try:
            return await asyncio.shield(self._clusters[name])
        except BaseException:
            if self._clusters[name].done():
                del self._clusters[name]
            raise

    async def _connect(self, name: str) -> Cluster:
        from rollwright.kube import connect  # noqa: PLC0415  (render needs no cluster)

        entry = await resolved_entry(self._entry(name), name)
        return await connect(
            kubeconfig=self._kubeconfig(entry),
            context=entry.context or "",
            impersonate=entry.impersonate or "",
            name=name,
            qps=entry.qps or 0.0,
        )

    def _kubeconfig(self, entry: ClusterEntry) -> Path | None:
        if entry.sandbox:
            return _sandbox_kubeconfig("default" if entry.sandbox is True else entry.sandbox)
        if not entry.kubeconfig:
            return None
        return self.loaded.root / Path(entry.kubeconfig).expanduser()

    def _entry(self, name: str) -> ClusterEntry:
        clusters = self.loaded.file.clusters
        if name in clusters:
            return clusters[name]
        if name:
            known = ", ".join(sorted(clusters)) or "none"
            raise NotFound(
                f"no cluster {name!r} in {self.loaded.path or 'site.toml'}; known: {known}",
                hint=f"declare [clusters.{name}], or leave spec.target.cluster out"
                " for the current kubeconfig context",
            )
        return ClusterEntry()

    async def store(self, spec: RolloutSpec) -> StateStore:
        """Return the store of the rollout's target."""
        bound: StateStore = await self._bind("stores", spec.target.cluster)
        return bound

    async def store_named(self, name: str, spec: RolloutSpec) -> StateStore:
        """Return the store that ``[stores.<name>]`` declares, for the rollout's target.

        Raises:
            NotFound: site.toml declares no such store.
        """
        known = self.loaded.file.stores
        if name not in known:
            raise NotFound(
                f"no store {name!r} in {self.loaded.path or 'site.toml'};"
                f" known: {', '.join(sorted(known))}",
                hint=f"declare it: [stores.{name}]",
            )
        if name == "default":
            return await self.store(spec)
        store: StateStore = await self._build("stores", spec.target.cluster, name)
        return store

    async def salt(self, spec: RolloutSpec) -> str:
        """Return the installation's key, for digests of Secrets; writes nothing.

        Raises:
            NotFound: site.toml names a key that is not there.
        """
        declared = await asyncio.to_thread(self._keys.declared)
        return declared or await self._keys.salt(spec.target.cluster, await self.store(spec))

    async def keep_salt(self, spec: RolloutSpec) -> str:
        """Return the installation's key after it is kept: what is remembered stands on it."""
        declared = await asyncio.to_thread(self._keys.declared)
        return declared or await self._keys.keep(spec.target.cluster, await self.store(spec))

    async def locks(self, spec: RolloutSpec) -> LockService:
        """Return the lock service of the rollout's target."""
        bound: LockService = await self._bind("locks", spec.target.cluster)
        return bound

    async def _bind(self, group: str, cluster: str) -> Any:
        if (group, cluster) not in self._bound:
            bound = await self._build(group, cluster, "default")
            self._bound.setdefault((group, cluster), bound)
        return self._bound[group, cluster]

    async def _build(self, group: str, cluster: str, entry: str) -> Any:
        table = self.loaded.file.stores if group == "stores" else self.loaded.file.locks
        use = table[entry]
        # In a thread: what a block says is asked of a server.
        plugin = await asyncio.to_thread(self.registry.build, group, use.name, use.options)
        bound = self.loaded.placed(plugin).bind(await self.cluster_named(cluster))
        self._made.append(bound)
        return bound

    @asynccontextmanager
    async def lock(self, spec: RolloutSpec, trigger: Trigger) -> AsyncIterator[Lock]:
        """Hold the rollout's lock; one run of a rollout in a cluster at a time.

        Raises:
            LockHeld: Another run still has it, or too many runs are at work (``[limits]``).
        """
        locks = await self.locks(spec)
        owner, wait = _owner(trigger, "rollout"), self.lock_wait
        # Behind a limit the lock's key says nothing: there the name tells whose place it is.
        named = replace(owner, operation=f"{owner.operation} of {spec.name}")
        began = monotonic()
        async with AsyncExitStack() as held:
            words = f"waiting for the lock of {spec.name}; `rollwright locks` shows who has it"
            async with told_if_long(self.tell, words):
                holding = locks.hold(spec.name, owner=owner, wait=wait)
                lock = await held.enter_async_context(holding)
            place = self._limits.beside(lock, spec.target.cluster, named, wait)
            async with takeover_kept(self.store, spec, lock, actor=trigger.actor):
                both = await held.enter_async_context(place)
            self.tell(Counted("lock", seconds=monotonic() - began))
            yield both

    @asynccontextmanager
    async def rendering(self, spec: RolloutSpec, trigger: Trigger) -> AsyncIterator[None]:
        """Hold a place for a render, where ``[limits.renders]`` limits them."""
        owner = _owner(trigger, "render")
        async with self._limits.entered(RENDERS, spec.target.cluster, owner, self.lock_wait):
            yield

    def connected(self) -> Mapping[str, Cluster]:
        """Return the clusters that were connected so far, by their names in site.toml."""
        done = ((name, task) for name, task in self._clusters.items() if task.done())
        return {
            name: task.result()
            for name, task in done
            if not task.cancelled() and task.exception() is None
        }

    async def calls(self, spec: RolloutSpec) -> Mapping[str, int]:
        """Return the API requests sent to the rollout's target so far."""
        return dict((await self.cluster(spec)).calls)

    async def close(self) -> None:
        """Close every connection; those of the site that this one stands beside stay."""
        if self._is_guest:
            return
        await self.courier.close()  # what could not be told is noted in stores
        # Before the clusters: whoever keeps a connection of its own gives back what it holds.
        made = (*self._made, self._limits)
        self._made.clear()
        closing = [one.close() for one in made if hasattr(one, "close")]
        await asyncio.gather(*closing, return_exceptions=True)
        tasks = tuple(self._clusters.values())
        self._clusters.clear()
        for task in tasks:
            task.cancel()
        for cluster in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(cluster, BaseException):
                await cluster.close()


def open_site(rollout: LoadedRollout | None = None, *, start: Path | None = None) -> Site:
    """Return the site that a rollout's file belongs to, with its defaults if there is none.

    Raises:
        InvalidSpec: site.toml or a ``ROLLWRIGHT_…`` variable is wrong.
    """
    place = start or (rollout.base if rollout else Path.cwd())
    return Site(load_site(find_site(place), start=place), rollout=rollout)


def _owner(trigger: Trigger, what: str) -> LockOwner:
    return LockOwner(
        id=uuid4().hex[:12],
        actor=trigger.actor,
        operation=f"{what} ({trigger.kind})",
        host=socket.gethostname(),
    )


def _sandbox_kubeconfig(name: str) -> Path:
    from rollwright import sandbox  # noqa: PLC0415  (only for targets that are sandboxes)

    return sandbox.kubeconfig(name)
