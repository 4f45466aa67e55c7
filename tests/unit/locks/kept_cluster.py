"""The little of an API server that stores and locks need, and a clock that tests move."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any

from rollwright.errors import ClusterError, Unreachable
from rollwright.rollouts.live import live_object


def _id_of(body):
    metadata = body["metadata"]
    return body["kind"], metadata.get("namespace", ""), metadata["name"]


@dataclass
class Shelf:
    """What several clients of one server share."""

    objects: dict[Any, Any] = field(default_factory=dict)
    versions: count[int] = field(default_factory=lambda: count(1000))


@dataclass
class KeptCluster:
    """Creates, replaces, reads and deletes with compare-and-swap; fails as told.

    ``stamp`` is the server's clock, which it writes into managedFields.

    ``before`` and ``after`` are called with (verb, kind, name) and may raise: before the server
    has done it, or when its answer is on the way.
    """

    name: str = "kept"
    shelf: Shelf = field(default_factory=Shelf)
    namespaces: set[str] = field(default_factory=set)
    requests: Counter[str] = field(default_factory=Counter)
    before: Callable[..., None] = lambda *_: None
    after: Callable[..., None] = lambda *_: None
    is_hanging: bool = False
    stamp: Callable[[], datetime] | None = None

    def another(self):
        """Return another client of the same server."""
        return KeptCluster(shelf=self.shelf, namespaces=self.namespaces, stamp=self.stamp)

    def cut(self):
        """Let no request of this client through any more."""

        def fail(*_):
            raise Unreachable("no route to host")

        self.before = fail

    async def _ask(self, verb, kind, name, act):
        self.requests[verb] += 1
        await asyncio.sleep(0)
        if self.is_hanging:
            await asyncio.Event().wait()
        self.before(verb, kind, name)
        result = act()
        self.after(verb, kind, name)
        await asyncio.sleep(0)
        return result

    async def get(self, request):
        ref = request.ref
        identity = ref.kind, ref.namespace, ref.name

        def act():
            body = self.shelf.objects.get(identity)
            return live_object(copy.deepcopy(body)) if body else None

        return await self._ask("get", ref.kind, ref.name, act)

    async def list(self, request):
        wanted = [pair.split("=") for pair in request.label_selector.split(",") if pair]

        def act():
            return tuple(
                live_object(copy.deepcopy(body))
                for (kind, namespace, _), body in sorted(self.shelf.objects.items())
                if (kind, namespace) == (request.kind, request.namespace)
                and all(body["metadata"]["labels"].get(key) == value for key, value in wanted)
            )

        return await self._ask("list", request.kind, "", act)

    async def create(self, body):
        identity = kind, namespace, name = _id_of(body)

        def act():
            if kind == "Namespace":
                self.namespaces.add(name)
            elif namespace not in self.namespaces:
                raise ClusterError(f"namespaces {namespace!r} not found", status=404)
            if identity in self.shelf.objects:
                raise ClusterError(f"{name} already exists", status=409)
            return self._put(identity, body)

        return await self._ask("create", kind, name, act)

    async def replace(self, body):
        identity = kind, _, name = _id_of(body)

        def act():
            there = self.shelf.objects.get(identity)
            if there is None:
                raise ClusterError(f"{name} not found", status=404)
            if body["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]:
                raise ClusterError(f"{name} has been modified", status=409)
            if body["metadata"].get("uid") is None:
                body["metadata"]["uid"] = there["metadata"]["uid"]
            return live_object(there) if body == there else self._put(identity, body)

        return await self._ask("replace", kind, name, act)

    async def delete(self, request):
        ref = request.ref
        identity = ref.kind, ref.namespace, ref.name

        def act():
            there = self.shelf.objects.get(identity)
            version = request.resource_version
            if there and version not in {"", there["metadata"]["resourceVersion"]}:
                raise ClusterError(f"{ref} has been modified", status=409)
            self.shelf.objects.pop(identity, None)

        return await self._ask("delete", ref.kind, ref.name, act)

    def _put(self, identity, body):
        body = copy.deepcopy(dict(body))
        version = str(next(self.shelf.versions))
        body["metadata"] = {"uid": f"uid-{version}", **body["metadata"], "resourceVersion": version}
        if self.stamp:
            entry = {"manager": "rollwright", "time": f"{self.stamp():%Y-%m-%dT%H:%M:%SZ}"}
            body["metadata"]["managedFields"] = [entry]
        self.shelf.objects[identity] = body
        return live_object(copy.deepcopy(body))


@dataclass
class MovedClock:
    """Stands still until it is moved; ``run`` moves it to whatever is waited for next."""

    at: float = 1000.0
    wall: timedelta = timedelta()
    sleepers: list[Any] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    def elapsed(self):
        return self.at

    def now(self):
        return datetime(2031, 1, 1, tzinfo=UTC) + timedelta(seconds=self.at) + self.wall

    async def sleep(self, seconds):
        if seconds <= 0.05:  # moments need nobody to move the clock
            self.at += max(0.0, seconds)
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heappush(self.sleepers, (self.at + seconds, next(self.numbers), future))
        await future

    async def move(self, seconds):
        """Let time pass, and everything that was due happen when it is due."""
        end = self.at + seconds
        await idle()
        while self.sleepers and self.sleepers[0][0] <= end:
            self._wake()
            await idle()
        self.at = max(self.at, end)
        await idle()

    def _wake(self):
        due, _, future = heappop(self.sleepers)
        if not future.done():
            self.at = max(self.at, due)
            future.set_result(None)

    async def run(self):
        """Let time pass for ever."""
        while True:
            await idle()
            if self.sleepers:
                self._wake()


async def idle():
    """Let everything run that can run without time passing."""
    for _ in range(60):
        await asyncio.sleep(0)
