"""What was asked for and is not done yet, kept where a crash does not reach it.

Before: a firing is accepted. After: it is acknowledged, because whatever happens to this process,
the next one finds it. It is taken out once its run has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import orjson

from rollwright.engine.custody.notes import (
    HANDLED,
    PENDING,
    Notes,
    change_notes,
    forget_notes,
    is_notes,
    read_notes,
)
from rollwright.engine.listening import deliveries
from rollwright.engine.operations import named_spec
from rollwright.engine.site import Site
from rollwright.plugins.contracts import Firing, Subject

KIND = PENDING
"""The kind of note that holds it."""

SUPERSEDED = "superseded"
"""How a run ends that answers nothing: a newer one does."""

_AT_ONCE = 16
"""How many notes are read at a time."""

MAX_BYTES = 256 * 2**10
"""Of what a firing brings along: configuration and data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One run that is asked for.

    Attributes:
        instance: Name under which it runs; of the rollout itself, or made of the key.
        rollout: Name of the declared rollout.
        cluster: Its target, as the site calls it.
        trigger: Name of the trigger that asked.
        kind: Kind of that trigger, such as ``webhook``.
        at: When it was asked for.
        firing: What the trigger said.
    """

    instance: str
    rollout: str
    cluster: str
    trigger: str
    kind: str
    at: datetime
    firing: Firing = field(repr=False)

    @property
    def id(self) -> str:
        """Idempotency key of the run."""
        return f"{self.firing.id}:{self.instance}"


async def keep(site: Site, pending: Pending) -> Pending | None:
    """Note it; return what is noted now: a newer one may be, ``None`` if it was answered already."""
    text = orjson.dumps(_form(pending)).decode()

    def change(notes: Notes) -> Notes:
        if _is_answered(_handled(notes), pending.firing):
            return notes
        noted = _read(notes.get(KIND))
        if noted is not None and noted.at > pending.at:
            return notes
        if pending.kind != deliveries.TRIGGER:
            return {**notes, KIND: text}
        if deliveries.is_repeated(notes, pending.firing, pending.at):
            return notes
        return deliveries.with_delivery({**notes, KIND: text}, pending.firing, pending.at, text)

    noted = await change_notes(site, _spec(pending), change)
    return _read(noted.get(KIND)) if KIND in noted else None


async def settle(site: Site, pending: Pending, *, outcome: str, at: datetime) -> None:
    """Take it out, unless a newer one is noted by now, and say that it was answered."""
    firing = pending.firing
    answered = {
        "id": firing.id, "token": firing.token, "mark": firing.mark, "outcome": outcome,
        "trigger": pending.trigger, "rollout": pending.rollout, "key": firing.key,
        "uid": firing.subject.uid if firing.subject else "",
    }  # fmt: skip
    handled = orjson.dumps({**answered, "at": at.isoformat()}).decode()

    def change(notes: Notes) -> Notes:
        noted = _read(notes.get(KIND))
        is_same = noted is not None and noted.firing.id == pending.firing.id
        if outcome == SUPERSEDED and not is_same and _is_later(_handled(notes), pending):
            return notes  # whoever overtook it has answered already
        left = {key: text for key, text in notes.items() if not (is_same and key == KIND)}
        return {**left, HANDLED: handled}

    await change_notes(site, _spec(pending), change)


def _is_later(answered: Mapping[str, Any], pending: Pending) -> bool:
    return bool(answered) and datetime.fromisoformat(answered["at"]) > pending.at


async def forget(site: Site, pending: Pending) -> None:
    """Forget an instance that was removed, unless something newer is noted by now."""
    await forget_notes(site, _spec(pending), since=pending.at)


async def overtaken(site: Site, pending: Pending) -> str:
    """Return why something needs no run any more, in words; empty if it needs one."""
    notes = await read_notes(site, _spec(pending))
    noted = _read(notes.get(KIND))
    if noted is not None and noted.firing.id == pending.firing.id:
        return ""
    answered = _handled(notes).get("id", "")
    if answered == pending.firing.id:
        return "another process has answered it"
    if pending.firing.is_gone and not (answered or KIND in notes):
        return ""  # removed and forgotten; what it was made for is not let go of yet
    return "a newer request is noted" if KIND in notes else "nothing is asked for any more"


async def is_pending(site: Site, instance: str, cluster: str) -> bool:
    """Whether a run of an instance is asked for and not done."""
    return KIND in await read_notes(site, named_spec(instance, cluster))


async def all_pending(site: Site, cluster: str) -> tuple[Pending, ...]:
    """Return what is asked for and not done in a cluster."""
    read = [_read(notes.get(KIND)) async for notes in _all_notes(site, cluster)]
    return tuple(one for one in read if one is not None)


async def last_deliveries(site: Site, cluster: str) -> tuple[Pending, ...]:
    """Return what the last delivery to each instance in a cluster asked for."""
    texts = [deliveries.last_delivery(notes) async for notes in _all_notes(site, cluster)]
    return tuple(one for one in map(_read, texts) if one is not None)


async def known_keys(site: Site, trigger: str, clusters: Collection[str]) -> dict[str, str]:
    """Return the keys that a trigger has instances of, or is to have, and UIDs of their objects."""
    keys: dict[str, str] = {}
    for cluster in clusters:
        async for notes in _all_notes(site, cluster):
            noted, answered = _read(notes.get(KIND)), _handled(notes)
            if noted is not None and noted.trigger == trigger:
                keys[noted.firing.key] = noted.firing.subject.uid if noted.firing.subject else ""
            if answered.get("trigger") == trigger:
                key, uid = str(answered.get("key", "")), str(answered.get("uid", ""))
                keys[key] = keys.get(key) or uid
    return {key: uid for key, uid in keys.items() if key}


async def _all_notes(site: Site, cluster: str) -> AsyncIterator[Notes]:
    store = await site.store(named_spec("all", cluster))
    names = [name for name in await store.list() if is_notes(name)]
    for first in range(0, len(names), _AT_ONCE):
        loads = (store.load(name) for name in names[first : first + _AT_ONCE])
        for state in await asyncio.gather(*loads):
            if state is not None:
                yield state.extra


async def pending_of(site: Site, instance: str, cluster: str) -> Pending | None:
    """Return what is asked for of an instance and not done."""
    return _read((await read_notes(site, named_spec(instance, cluster))).get(KIND))


async def handled(site: Site, instance: str, cluster: str) -> Mapping[str, Any]:
    """Return which firing of an instance was answered last: id, token, outcome, at."""
    return _handled(await read_notes(site, named_spec(instance, cluster)))


def _is_answered(answered: Mapping[str, Any], firing: Firing) -> bool:
    """Whether a run answered a firing, or went well for just what it is about."""
    is_same = bool(firing.mark) and answered.get("mark") == firing.mark
    return answered.get("id") == firing.id or (is_same and answered["outcome"] == "succeeded")


def _handled(notes: Notes) -> Mapping[str, Any]:
    found: Mapping[str, Any] = orjson.loads(notes.get(HANDLED, "{}"))
    return found


def _spec(pending: Pending) -> Any:
    return named_spec(pending.instance, pending.cluster)


def _form(pending: Pending) -> dict[str, Any]:
    form = {name: getattr(pending, name) for name in Pending.__dataclass_fields__}
    return {**form, "firing": _firing_form(pending.firing)}


def _firing_form(firing: Firing) -> dict[str, Any]:
    form = asdict(firing)
    brought = {"config": firing.config, "data": firing.data}
    # What is larger is had again when it runs: data of resources and queries is read anew.
    if len(orjson.dumps(brought)) > MAX_BYTES:
        form["data"] = {}
    return form


def _read(text: str | None) -> Pending | None:
    """Return what is noted; ``None`` for what another version wrote, which runs its own way."""
    if text is None:
        return None
    try:
        form = orjson.loads(text)
        firing = dict(form["firing"])
        subject = Subject(**firing.pop("subject")) if firing.get("subject") else None
        firing = {**firing, "subject": subject, "rollouts": tuple(firing.get("rollouts", ()))}
        at = datetime.fromisoformat(form["at"])
        return Pending(**{**form, "at": at, "firing": Firing(**firing)})
    except (KeyError, TypeError, ValueError):
        return None
