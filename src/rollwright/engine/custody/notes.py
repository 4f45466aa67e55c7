"""What is noted about a rollout beside its state: what is desired, approved, answered.

A run owns the state while it holds the lock, and compares and swaps it; a note is changed by
whoever has something to say meanwhile. So notes are a document of their own in the same store,
under a name that no rollout may have.

Before: a trigger, a person or a receiver has something to say to a run.
After: the run reads it, between writes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import TypeAlias

import orjson

from rollwright.engine.site import Site
from rollwright.errors import StateConflict
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState

PREFIX = "rollwright--"
"""How the names of such documents begin; the name of no rollout may."""

_ATTEMPTS = 20
_LONGEST = 63

PENDING = "pending"
"""The kind of note that holds what is asked for and not done yet."""
HANDLED = "handled"
"""The kind of note that says which firing was answered last."""
_MEMORY = "memory:"
"""How the kinds of what triggers remember begin; a trigger may be called as a rollout is."""

Notes: TypeAlias = Mapping[str, str]
"""Kind of note, such as ``desired``, to its text: JSON."""


def notes_name(rollout: str) -> str:
    """Return the name that a rollout's notes are stored under."""
    name = f"{PREFIX}{rollout}"
    if len(name) <= _LONGEST:
        return name
    return f"{PREFIX}{sha256(rollout.encode()).hexdigest()[:40]}"


def is_notes(name: str) -> bool:
    """Whether a name in a store is that of notes, not of a rollout."""
    return name.startswith(PREFIX)


async def read_notes(site: Site, spec: RolloutSpec) -> Notes:
    """Return what is noted; empty if nothing is."""
    state = await (await site.store(spec)).load(notes_name(spec.name))
    return {} if state is None else state.extra


async def last_handled(site: Site, spec: RolloutSpec) -> str:
    """Return the token of the firing that was answered last, its id without one (TR-06)."""
    try:
        noted = orjson.loads((await read_notes(site, spec)).get(HANDLED, "{}"))
        return str(noted.get("token") or noted.get("id", ""))
    except (AttributeError, ValueError):
        return ""  # what another version wrote


async def change_notes(site: Site, spec: RolloutSpec, change: Callable[[Notes], Notes]) -> Notes:
    """Change what is noted, whoever else does at the same time; return what is noted now.

    Args:
        site: The installation.
        spec: The rollout.
        change: Called again with what is noted by then, when somebody else was faster. Returning
            the same writes nothing.

    Raises:
        StateConflict: Somebody else was faster every time.
    """
    store, name = await site.store(spec), notes_name(spec.name)
    for attempt in range(_ATTEMPTS):
        state = await store.load(name) or RolloutState(rollout=name)
        noted = change(state.extra)
        if noted == state.extra:
            return noted
        try:
            await store.save(replace(state, extra=dict(noted)), after=state.version)
        except StateConflict:
            if attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep(random.uniform(0.01, 0.1) * (attempt + 1))  # noqa: S311  (jitter)
        else:
            return noted
    return {}  # pragma: no cover  (the last attempt returns or raises)


async def forget_notes(site: Site, spec: RolloutSpec, *, since: datetime | None = None) -> None:
    """Forget what is noted, with the rollout itself.

    What was asked for since an instant is not about what was removed, and stays.
    """
    store, name = await site.store(spec), notes_name(spec.name)
    if await store.load(name) is None:
        return
    await change_notes(site, spec, partial(_left, since=since))
    state = await store.load(name)
    if state is None or state.extra:
        return
    with suppress(StateConflict):  # somebody notes something new just now
        await store.delete(name, after=state.version)


def _left(notes: Notes, *, since: datetime | None) -> Notes:
    return {
        kind: text
        for kind, text in notes.items()
        if kind.startswith(_MEMORY) or (kind == PENDING and _is_since(text, since))
    }


def _is_since(text: str, since: datetime | None) -> bool:
    try:
        at = datetime.fromisoformat(orjson.loads(text)["at"])
    except (KeyError, TypeError, ValueError):
        return False
    return since is not None and at > since
