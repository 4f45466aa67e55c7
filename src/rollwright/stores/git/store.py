"""The store that keeps states in a branch of a git repository, where people read and review them.

A save is one commit, pushed without force: a branch that has moved takes nothing. Then it is
fetched, and the change is made again on its new head, if nobody touched *our* state; somebody
else's rollout never stands in the way. Nothing is ever merged as text.

``options`` are the options, ``layout`` the paths, ``messages`` what commits say,
``landing`` brings a change into the branch, ``cache`` is the copy on this machine,
``sealing`` protects the values of Secrets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar
from uuid import uuid4

import msgspec

from rollwright.errors import InvalidDocument, Refused, RolloutError, StateConflict, Unreachable
from rollwright.plugins.contracts import Cluster
from rollwright.plugins.secret_refs import SecretSource, read_secret
from rollwright.rollouts.state import RolloutState
from rollwright.stores.format import decode, encode
from rollwright.stores.git.cache import GitCache
from rollwright.stores.git.changes import Changes
from rollwright.stores.git.commit import Commit
from rollwright.stores.git.landing import Decide, Head, land
from rollwright.stores.git.layout import layout_of
from rollwright.stores.git.options import GitOptions
from rollwright.stores.git.sealing import SealingKey, derive, seal, unseal
from rollwright.stores.names import check_key, check_rollout, no_snapshot, snapshot_id

T = TypeVar("T")


class GitStore(GitOptions):
    """Keeps states as files in a branch of a git repository."""

    def bind(self, cluster: Cluster) -> GitStates:
        """Return the store of one cluster: a folder in the branch."""
        return GitStates(self, cluster.name)


class GitStates:
    """The states of one cluster in the branch."""

    def __init__(self, options: GitOptions, cluster: str) -> None:
        self._options = options
        self._layout = layout_of(options.path, cluster)
        self._changes = Changes(layout=self._layout, nobody=options.committer)
        self._cache = GitCache(options)

    async def load(self, rollout: str) -> RolloutState | None:
        """Return the state; ``None`` if there is none."""
        check_rollout(rollout)
        return await self._look(lambda head: self._state(head, rollout))

    async def save(self, state: RolloutState, *, after: str) -> RolloutState:
        """Save, if the version still is ``after``."""
        rollout = check_rollout(state.rollout)
        saved = replace(state, version=_next_version(after))
        content = msgspec.json.format(encode(saved), indent=2) + b"\n"

        def decide(head: Head) -> Commit:
            before = self._expect(head, rollout, after)
            wanted = self._changes.sources(before, saved)
            return self._changes.save(before, saved, content, head.session.ids(head.id, wanted))

        await self._write(decide)
        return saved

    async def put_snapshot(self, rollout: str, data: bytes) -> str:
        """Keep bytes under their digest, sealed.

        Raises:
            InvalidDocument: There is no key to seal them with.
        """
        snapshot = snapshot_id(data)
        path = self._layout.sealed(check_rollout(rollout), snapshot)
        key = self._sealing_key()

        def decide(head: Head) -> Commit | None:
            kept = head.content(path)
            if kept is not None and _is_sealed_with(key, kept, _purpose(rollout, snapshot)):
                return None
            state = self._state(head, rollout)
            sealed = seal(key, data, purpose=_purpose(rollout, snapshot))
            return self._changes.snapshot(state, (rollout, snapshot), sealed, shown)

        shown = await asyncio.to_thread(self._changes.shown, data, key.masking)
        await self._write(decide)
        return snapshot

    async def get_snapshot(self, rollout: str, snapshot: str) -> bytes:
        """Return kept bytes."""
        path = self._layout.sealed(check_rollout(rollout), snapshot)

        def open_it(head: Head) -> bytes:
            sealed = head.content(path)
            if sealed is None:
                raise no_snapshot(rollout, snapshot)
            where = head.session.where(path)
            purpose = _purpose(rollout, snapshot)
            return unseal(self._keys(), sealed, purpose=purpose, where=where)

        return await self._look(open_it)

    async def delete(self, rollout: str, *, after: str) -> None:
        """Forget a rollout and its snapshots, if the version still is ``after``; in one commit."""
        check_rollout(rollout)

        def decide(head: Head) -> Commit | None:
            before = self._expect(head, rollout, after)
            there = head.has(self._layout.rollout(rollout))
            return self._changes.forget(before, rollout) if there else None

        await self._write(decide)

    async def list(self) -> tuple[str, ...]:
        """Return the names of all rollouts, sorted."""

        def names(head: Head) -> tuple[str, ...]:
            found = head.session.names(head.id, self._layout.folder)
            states = {self._layout.state(one): one for one in found if _is_rollout(one)}
            there = head.session.ids(head.id, states)
            return tuple(sorted(states[path] for path in there))

        return await self._look(names)

    @property
    def may_keep_key(self) -> bool:
        """Whether ``put_key`` can keep one: a branch that people read holds it sealed only."""
        return self._options.key is not None

    async def key(self) -> bytes | None:
        """Return the installation's key."""
        return await self._look(self._installation_key)

    async def put_key(self, key: bytes) -> bytes:
        """Keep the installation's key sealed, if there is none; return the one that is kept.

        Raises:
            Refused: There is no key to seal it with.
        """
        check_key(key)
        if self._options.key is None:
            raise Refused(
                f"git store: the installation's key is not written to {self._options.url} as it is",
                hint="set `key` of the store, or `key` in [site]: {env: NAME} of a long random text"
                " (`openssl rand -hex 32`)",
            )
        sealing, kept = self._sealing_key(), [key]

        def decide(head: Head) -> Commit | None:
            if there := self._installation_key(head):
                kept[0] = there
                return None
            kept[0] = key
            return self._changes.key(seal(sealing, key, purpose=_KEY_PURPOSE))

        await self._write(decide)
        return kept[0]

    async def checkup(self) -> str:
        """Say what ``doctor`` should know: whether we may push, and what is kept.

        Raises:
            Unreachable: The server does not answer, or does not let us push.
        """

        def rehearse(head: Head) -> str:
            made = head.id or head.session.commit(self._changes.rehearsal(), "")
            refusal = head.session.push(made, is_rehearsal=True)
            return refusal or (f"at {head.id[:12]}" if head.id else "not made yet")

        marks = [key.mark for key in await asyncio.to_thread(self._keys)]
        kept = f"sealed with key {marks[0]}" if self._options.key else "not kept: no `key`"
        found = await self._look(rehearse)
        return f"branch {self._options.branch} {found}, may be pushed to; snapshots {kept}"

    def _state(self, head: Head, rollout: str) -> RolloutState | None:
        path = self._layout.state(rollout)
        data = head.content(path)
        if data is None:
            return None
        return decode(data, where=head.session.where(path), rollout=rollout)

    def _expect(self, head: Head, rollout: str, after: str) -> RolloutState | None:
        state = self._state(head, rollout)
        if (state.version if state else "") != after:
            raise StateConflict(
                f"state of {rollout!r} in {head.session.where()}:"
                " somebody else saved it since it was loaded",
                hint="run again: the plan is made anew from what is there now",
            )
        return state

    def _installation_key(self, head: Head) -> bytes | None:
        sealed = head.content(self._layout.key)
        if sealed is None:
            return None
        where = head.session.where(self._layout.key)
        return unseal(self._keys(), sealed, purpose=_KEY_PURPOSE, where=where)

    def _sealing_key(self) -> SealingKey:
        if self._options.key is None:
            raise InvalidDocument(
                "git store: a snapshot holds values of Secrets, and there is no key to seal it with",
                hint="set `key` of the store: {env: NAME} of a long random text"
                " (`openssl rand -hex 32`)",
            )
        return _derived(self._options.key, "`key`")

    def _keys(self) -> tuple[SealingKey, ...]:
        current = (self._options.key,) if self._options.key else ()
        return (
            *(_derived(one, "`key`") for one in current),
            *(_derived(one, "`formerKeys`") for one in self._options.former_keys),
        )

    async def _look(self, look: Callable[[Head], T]) -> T:
        def work() -> T:
            with self._cache.open() as session:
                return look(Head(session, session.fetch()))

        return await self._in_thread(work)

    async def _write(self, decide: Decide) -> None:
        def work() -> None:
            with self._cache.open() as session:
                land(session, decide)
                session.tidy()

        await self._in_thread(work)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(self._patiently, work)

    def _patiently(self, work: Callable[[], T]) -> T:
        try:
            try:
                return work()
            except Unreachable:
                if not self._cache.is_condemned:
                    raise
                return work()  # on a fresh copy
        except RolloutError:
            raise
        except OSError as error:
            raise Unreachable(
                f"git store: {error.filename or self._cache.folder}: {error.strerror}",
                retryable=False,
                hint="look at the disk and the rights of the folder `cache`: it is only a copy",
            ) from error


_KEY_PURPOSE = "installation key"


def _derived(source: SecretSource, option: str) -> SealingKey:
    # Stripped, so that a file written with blanks at its end opens what a variable sealed.
    return derive(read_secret(source, f"git store: {option}").strip(), what=option)


def _purpose(rollout: str, snapshot: str) -> str:
    return f"snapshot {rollout} {snapshot}"


def _is_sealed_with(key: SealingKey, sealed: bytes, purpose: str) -> bool:
    try:
        unseal((key,), sealed, purpose=purpose, where="")
    except InvalidDocument:
        return False
    return True


def _is_rollout(name: str) -> bool:
    try:
        check_rollout(name)
    except InvalidDocument:
        return False
    return True


def _next_version(version: str) -> str:
    number = version.partition("-")[0]
    following = int(number) + 1 if number.isdecimal() else 1
    # A part by chance: a state that was deleted and made again repeats no version.
    return f"{following}-{uuid4().hex[:12]}"
