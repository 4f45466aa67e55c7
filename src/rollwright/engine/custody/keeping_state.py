"""Looking after what stores remember: show it, check it, move it, forget it.

Before: somebody named a rollout and a store of ``site.toml``.
After: the state is in another store, or nowhere, or its disagreements with the cluster are told.

Nothing here writes to the objects of a rollout. Whatever writes holds the rollout's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from rollwright.engine.operations import manual_trigger, named_spec
from rollwright.engine.reading.read import read_live
from rollwright.engine.site import Site
from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError, NotFound, Refused
from rollwright.plugins.contracts import Cluster, Discovery, ListRequest, Lock, StateStore
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.state import AuditEntry, RolloutState
from rollwright.rollouts.state_care import (
    Moved,
    StateCheck,
    check_inventory,
    is_copy,
)
from rollwright.stores.format import snapshots_of

DEFAULT = "default"

_COPIES = frozenset({("", "Endpoints"), ("", "Event"), ("events.k8s.io", "Event")})
"""Kinds whose objects the control plane labels after others, without naming an owner."""
_UNHELPFUL = frozenset({403, 404, 405})


async def show(site: Site, name: str, *, cluster: str = "", store: str = DEFAULT) -> RolloutState:
    """Return what a store remembers of a rollout.

    Raises:
        NotFound: It remembers nothing of it, or there is no such store.
    """
    spec = named_spec(name, cluster)
    return await _known(await site.store_named(store, spec), name, store)


async def check(site: Site, name: str, *, cluster: str = "", store: str = DEFAULT) -> StateCheck:
    """Return where the inventory and the cluster disagree; changes nothing.

    Raises:
        NotFound: The store remembers nothing of the rollout.
    """
    spec = named_spec(name, cluster)
    state = await show(site, name, cluster=cluster, store=store)
    target = await site.cluster(spec)
    live = await read_live(target, name, ManifestSet(), state, partial(site.salt, spec))
    labelled, unseen = await _labelled(target, name, state)
    notes = [
        f"{one} cannot be listed: nobody can say what carries our label there" for one in unseen
    ]
    if state.cluster_id and state.cluster_id != live.cluster_id:
        notes.insert(0, f"the state is about cluster {state.cluster_id}; this is {live.cluster_id}")
    return StateCheck(
        rollout=name,
        cluster=live.cluster,
        store=store,
        state=state,
        read_at=live.read_at,
        findings=check_inventory(state, live, labelled),
        notes=tuple(notes),
    )


async def forget(
    site: Site, name: str, *, actor: str, cluster: str = "", store: str = DEFAULT
) -> RolloutState:
    """Forget a rollout in one store, and touch nothing in the cluster; return what was known.

    Raises:
        NotFound: The store remembers nothing of the rollout.
    """
    spec = named_spec(name, cluster)
    keeper = await site.store_named(store, spec)
    await _known(keeper, name, store)  # before anybody waits for a lock
    async with site.lock(spec, manual_trigger(name, kind="state forget", actor=actor)) as lock:
        state = await _known(keeper, name, store)
        words = f"forgotten in store {store!r}; {len(state.inventory)} objects stay"
        entry = AuditEntry(at=datetime.now(UTC), kind="forget", actor=actor, message=words)
        lock.check()
        # Saved first: stores that keep what was, such as git, tell who did it.
        last = await keeper.save(state.audited(entry), after=state.version)
        await keeper.delete(name, after=last.version)
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move of states from one store to another, in one cluster.

    Attributes:
        site: The installation.
        source: Name of the store that has them.
        target: Name of the store that is to have them.
        actor: Who moves them.
        cluster: A cluster of site.toml; empty for the current kubeconfig context.
        is_removed: Whether the source forgets what was moved.
    """

    site: Site
    source: str
    target: str
    actor: str
    cluster: str = ""
    is_removed: bool = False

    async def run(self, names: Iterable[str] = ()) -> tuple[Moved, ...]:
        """Copy states, their snapshots and the installation's key, and compare them.

        Args:
            names: The rollouts; all that the source remembers when empty.

        Raises:
            Refused: The target remembers something else, or has another key; or both stores are
                one place. What was moved before stays.
            NotFound: The source remembers nothing of a rollout.
        """
        if self.source == self.target:
            raise Refused(f"{self.source!r} and {self.target!r} are one store; nothing to move")
        spec = named_spec("all", self.cluster)
        source = await self.site.store_named(self.source, spec)
        target = await self.site.store_named(self.target, spec)
        known = await source.list()
        wanted = tuple(dict.fromkeys(names)) or known
        if unknown := sorted(set(wanted) - set(known)):
            raise _unknown(unknown[0], self.source, known)
        await self._move_key(source, target)
        return tuple([await self._move(name, source, target) for name in wanted])

    async def _move_key(self, source: StateStore, target: StateStore) -> None:
        if self.site.loaded.file.site.key is not None:
            return  # the site's own key counts; no store keeps one
        key = await source.key()
        if key is not None and await target.put_key(key) != key:
            raise Refused(
                f"store {self.target!r} has another installation key than {self.source!r}:"
                " the digests of Secrets in the states would mean nothing there",
                hint="move to a store that never had a state or a key (another prefix, branch, schema"
                " or folder), or keep one key for both: [site] key",
            )

    async def _move(self, name: str, source: StateStore, target: StateStore) -> Moved:
        trigger = manual_trigger(name, kind="state move", actor=self.actor)
        async with self.site.lock(named_spec(name, self.cluster), trigger) as lock:
            state = await _known(source, name, self.source)
            there = await target.load(name)
            if there is not None and not is_copy(state, there):
                raise self._differs(state, there)
            kept, lost = await _copy_snapshots((source, target), state, lock)
            copy = there
            if copy is None or self.is_removed:
                # Also over a copy that is there: if both are one place, the source shows it.
                copy = await self._save(target, state, there, lock)
            if self.is_removed:
                await self._remove(source, state, lock)
        return Moved(
            rollout=name,
            is_new=there is None,
            snapshot_count=kept,
            lost=lost,
            is_removed=self.is_removed,
            version=copy.version,
        )

    async def _save(
        self, target: StateStore, state: RolloutState, there: RolloutState | None, lock: Lock
    ) -> RolloutState:
        words = f"moved from store {self.source!r} to {self.target!r}"
        entry = AuditEntry(at=datetime.now(UTC), kind="move", actor=self.actor, message=words)
        lock.check()
        saved = await target.save(
            (there or state).audited(entry), after=there.version if there else ""
        )
        found = await target.load(state.rollout)
        if found is None or found != saved or not is_copy(state, found):
            raise Refused(
                f"{state.rollout}: store {self.target!r} does not give back what was saved;"
                f" {self.source!r} still has it",
                hint="somebody else writes there, or the store is damaged",
            )
        return found

    async def _remove(self, source: StateStore, state: RolloutState, lock: Lock) -> None:
        again = await source.load(state.rollout)
        if again is None or again.version != state.version:
            raise Refused(
                f"{state.rollout}: the state in {self.source!r} changed while it was moved, or"
                f" {self.source!r} and {self.target!r} are one place; nothing was removed",
                hint="see `rollwright state show` for both stores",
            )
        lock.check()
        await source.delete(state.rollout, after=state.version)

    def _differs(self, state: RolloutState, there: RolloutState) -> Refused:
        ours, theirs = (one.last.number if one.last else 0 for one in (state, there))
        name = state.rollout
        return Refused(
            f"{name}: store {self.target!r} remembers something else (revision {theirs},"
            f" {len(there.inventory)} objects) than {self.source!r} (revision {ours},"
            f" {len(state.inventory)} objects); nothing was changed",
            hint="if what is there may go:"
            f" `rollwright state forget {name} --store {self.target} --confirm {name}`",
        )


async def _known(store: StateStore, name: str, store_name: str) -> RolloutState:
    state = await store.load(name)
    if state is None:
        raise _unknown(name, store_name, await store.list())
    return state


def _unknown(name: str, store_name: str, known: Sequence[str]) -> NotFound:
    shown = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if known[5:] else "")
    return NotFound(f"no rollout {name!r} in store {store_name!r}; known: {shown or 'none'}")


async def _copy_snapshots(
    stores: tuple[StateStore, StateStore], state: RolloutState, lock: Lock
) -> tuple[int, tuple[str, ...]]:
    """Copy every snapshot that a state names; return how many, and which are gone."""
    source, target = stores
    named = {one.snapshot for one in state.revisions if one.snapshot}
    kept, lost = 0, []
    for snapshot in sorted(snapshots_of(state)):
        try:
            data = await source.get_snapshot(state.rollout, snapshot)
        except NotFound:
            # Not everything that ``extra`` says is the name of a snapshot.
            lost += [snapshot] if snapshot in named else []
            continue
        lock.check()
        put = await target.put_snapshot(state.rollout, data)
        if put != snapshot or await target.get_snapshot(state.rollout, put) != data:
            raise Refused(f"{state.rollout}: snapshot {snapshot} does not come back as it was kept")
        kept += 1
    return kept, tuple(lost)


async def _labelled(
    cluster: Cluster, name: str, state: RolloutState
) -> tuple[tuple[ObjectRef, ...], tuple[str, ...]]:
    """Find what carries the rollout's label among kinds that the inventory has not.

    Returns:
        The objects that somebody made, and the kinds that cannot be listed.
    """
    known = {entry.ref.group_kind for entry in state.inventory}
    kinds = _listable(await cluster.discover(), known)
    answers = await together(_list(cluster, name, *kind) for kind in kinds)
    found = [one.ref for answer in answers if not isinstance(answer, str) for one in answer]
    return tuple(found), tuple(answer for answer in answers if isinstance(answer, str))


def _listable(discovery: Discovery, known: set[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the kinds to look through, each in the version that the server prefers."""
    kinds = {}
    for one in discovery.kinds.values():
        kind = (one.group, one.kind)
        is_listed = not one.verbs or {"list", "get"} <= one.verbs
        is_better = one.is_preferred or kind not in kinds
        if is_listed and is_better and kind not in known | _COPIES:
            kinds[kind] = (one.api_version, one.kind)
    return tuple(sorted(kinds.values()))


async def _list(
    cluster: Cluster, name: str, api_version: str, kind: str
) -> tuple[LiveObject, ...] | str:
    request = ListRequest(
        api_version=api_version,
        kind=kind,
        label_selector=f"{ROLLOUT_LABEL}={name}",
        metadata_only=True,
    )
    try:
        found = await cluster.list(request)
    except ClusterError as error:
        if error.status not in _UNHELPFUL:
            raise
        return kind
    return tuple(one for one in found if _is_somebodys(one))


def _is_somebodys(live: LiveObject) -> bool:
    """Whether a person or a run made it, and not a controller that copied our label."""
    return not live.metadata.get("ownerReferences")
