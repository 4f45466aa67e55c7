"""Pods, ReplicaSets and events around the objects that are waited for.

Before: ``observe`` waits for a workload that is not Current yet.
After: ``health`` reads them as its context, and says why in words.

Watched only once something has been waiting for a moment: most objects are Current at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from rollwright.engine.waiting.watches import SharedWatch, Watches, is_forbidden
from rollwright.plugins.contracts import ListRequest
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body

_POD = ("v1", "Pod")
_EVENT = ("v1", "Event")
_OWNED = (("apps/v1", "ReplicaSet"), ("apps/v1", "ControllerRevision"), _POD)


class Evidence:
    """What surrounds objects, by the UID of who owns it."""

    def __init__(self, watches: Watches, wake: Callable[[str], None]) -> None:
        """Begin with nothing watched.

        Args:
            watches: Where list-watches come from.
            wake: Called with the UID of an object around which something changed; with an
                empty UID when anything may have changed.
        """
        self._watches = watches
        self._wake = wake
        self._owners: dict[str, str] = {}
        self._owned: dict[str, dict[str, LiveObject]] = defaultdict(dict)
        self._events: dict[str, dict[str, LiveObject]] = defaultdict(dict)
        self._pods: dict[str, dict[str, LiveObject]] = defaultdict(dict)
        self._spaces: dict[str, tuple[SharedWatch, ...]] = {}

    def watch(self, namespace: str, *, is_alone: bool = True) -> None:
        """Watch what surrounds the objects of a namespace.

        Args:
            namespace: Theirs.
            is_alone: Whether no other namespace matters; else all are watched at once.
        """
        if namespace in self._spaces:
            return
        place = namespace if is_alone else ""
        if place not in self._spaces:
            self._spaces[place] = tuple(
                self._watches.of(
                    ListRequest(api_version=api_version, kind=kind, namespace=place), listener
                )
                for listener, kinds in ((self._take_owned, _OWNED), (self._take_event, (_EVENT,)))
                for api_version, kind in kinds
            )
        self._spaces[namespace] = self._spaces[place]

    def is_synced(self, namespace: str) -> bool:
        """Whether everything around the objects of a namespace is known, or cannot be."""
        if not namespace:
            return True
        watches = self._spaces.get(namespace)
        return watches is not None and all(one.is_synced or one.error for one in watches)

    def _narrow(self) -> None:
        """Watch single namespaces where all of them at once are forbidden."""
        if not any(is_forbidden(one.error) for one in self._spaces.get("", ())):
            return
        shared = [name for name in self._spaces if name and self._spaces[name] is self._spaces[""]]
        for name in shared:
            del self._spaces[name]
            self.watch(name)

    def _take_owned(self, before: LiveObject | None, after: LiveObject | None) -> None:
        one = after or before
        if one is None:
            self._narrow()
            self._wake("")
            return
        owner = _controller_uid(one)
        self._owners[one.uid] = owner
        gone = after is None
        for shelf in (self._owned[owner], *self._pod_shelves(one)):
            if gone:
                shelf.pop(one.uid, None)
            else:
                shelf[one.uid] = one
        self._wake(self._root(one.uid))
        if one.ref.kind == "Pod":
            self._wake(f"claims:{one.ref.namespace}")

    def _pod_shelves(self, one: LiveObject) -> Iterator[dict[str, LiveObject]]:
        if one.ref.kind == "Pod":
            yield self._pods[one.ref.namespace]

    def _take_event(self, before: LiveObject | None, after: LiveObject | None) -> None:
        one = after or before
        if one is None:
            self._narrow()
            self._wake("")
            return
        uid = str((one.body.get("involvedObject") or {}).get("uid", ""))
        if after is None:
            self._events[uid].pop(one.uid, None)
            return
        self._events[uid][one.uid] = one
        self._wake(self._root(uid))

    def _root(self, uid: str) -> str:
        """Climb to the object that nobody of the watched kinds owns."""
        for _ in range(8):
            owner = self._owners.get(uid)
            if not owner:
                return uid
            uid = owner
        return uid

    def pods(self, uid: str) -> tuple[Body, ...]:
        """Return the pods below an object, through its ReplicaSets or Jobs."""
        return tuple(self._below(uid, "Pod"))

    def owned(self, uid: str, kind: str) -> tuple[Body, ...]:
        """Return what an object owns directly, of one kind."""
        return tuple(one.body for one in self._owned[uid].values() if one.ref.kind == kind)

    def pods_in(self, namespace: str) -> tuple[Body, ...]:
        """Return every pod of a namespace."""
        return tuple(one.body for one in self._pods[namespace].values())

    def events(self, uid: str) -> tuple[Body, ...]:
        """Return the events of an object and of everything below it."""
        uids = [uid, *self._uids_below(uid)]
        return tuple(one.body for each in uids for one in self._events[each].values())

    def _below(self, uid: str, kind: str) -> Iterator[Body]:
        for one in list(self._owned[uid].values()):
            if one.ref.kind == kind:
                yield one.body
            yield from self._below(one.uid, kind)

    def _uids_below(self, uid: str) -> Iterator[str]:
        for one in list(self._owned[uid].values()):
            yield one.uid
            yield from self._uids_below(one.uid)


def _controller_uid(one: LiveObject) -> str:
    owners = one.metadata.get("ownerReferences") or ()
    return next((str(o.get("uid", "")) for o in owners if o.get("controller")), "")
