"""Which rollouts a genuine delivery is about.

Before: ``kinds`` said what it means. After: the engine looks at the rollouts that are named.

A ref that is gone, a test, an event or a repository that nobody asked for mean nothing. A push
concerns a rollout whose source is at that ref of that repository, and reads a file that changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from rollwright.plugins.contracts import Candidate, Push
from rollwright.triggers.webhook.kinds import FORGES
from rollwright.triggers.webhook.meaning import PING, Meaning
from rollwright.triggers.webhook.options import WebhookOptions

_HIDDEN = ("authorization", "cookie", "token", "signature", "secret", "password")
"""Parts of names of headers that no expression sees."""


def pushes_that_count(options: WebhookOptions, meaning: Meaning) -> tuple[Push, ...] | None:
    """Return what happened where, as far as the document asks for it.

    ``None`` for a delivery that means nothing; empty for one that names no repository.
    """
    if meaning.event == PING or not is_wanted_event(options, meaning):
        return None
    there = tuple(one for one in meaning.pushes if _counts(options, one))
    if meaning.pushes and not there:
        return None
    names_none = not meaning.pushes and (options.repositories or options.refs)
    is_empty_push = meaning.is_push and not there and options.type in FORGES
    return None if names_none or is_empty_push else there


def is_wanted_event(options: WebhookOptions, meaning: Meaning) -> bool:
    """Whether the document asks for such an event."""
    if options.events:
        return any(fnmatchcase(meaning.event, one) for one in options.events)
    return meaning.is_push


def _counts(options: WebhookOptions, push: Push) -> bool:
    if push.is_deleted:
        return False
    if options.repositories and not matches(push.repository, options.repositories):
        return False
    if options.refs and not matches(push.ref, options.refs):
        return False
    return not options.paths or push.changed is None or _touches(push.changed, options.paths)


def matches(name: str, globs: tuple[str, ...]) -> bool:
    """Whether a name is one of those that globs mean."""
    return any(fnmatchcase(name, one) for one in globs)


def _touches(changed: tuple[str, ...], globs: tuple[str, ...]) -> bool:
    return any(matches(name, globs) for name in changed)


def concerned(
    options: WebhookOptions, candidates: tuple[Candidate, ...], pushes: tuple[Push, ...]
) -> tuple[tuple[Candidate, Push], ...]:
    """Return the rollouts that are concerned, each with the push that concerns it."""
    if options.type not in FORGES:
        hint = pushes[0] if pushes else Push()
        return tuple((one, hint) for one in candidates)
    if not pushes:  # an event that was asked for, and that names no repository
        return tuple((one, Push()) for one in candidates)
    return tuple(_pairs(candidates, pushes, is_path_given=bool(options.paths)))


def _pairs(
    candidates: tuple[Candidate, ...], pushes: tuple[Push, ...], *, is_path_given: bool
) -> Iterator[tuple[Candidate, Push]]:
    for one in candidates:
        for push in pushes:
            # What the document says of paths counts instead of what the source says.
            if one.is_pushed(_without_files(push) if is_path_given else push):
                yield one, push
                break


def _without_files(push: Push) -> Push:
    return Push(
        repository=push.repository,
        urls=push.urls,
        ref=push.ref,
        default_branch=push.default_branch,
    )


async def let_through(
    text: str, candidates: tuple[Candidate, ...], body: Any, headers: Mapping[str, str]
) -> tuple[bool, ...]:
    """Return for each rollout whether an expression lets it through; an error means no (WH-08)."""
    from rollwright.plugins.cel.worker import WORKER, Batch  # noqa: PLC0415  (few have a filter)

    shown = {
        name: value.encode("utf-8", "replace").decode()
        for name, value in headers.items()
        if not any(part in name for part in _HIDDEN)
    }
    batch = Batch(
        scope="delivery",
        expressions=(text,),
        item="app",
        items=tuple({"name": one.name, "labels": dict(one.labels)} for one in candidates),
        values={"body": body, "headers": shown},
    )
    answers = await asyncio.to_thread(WORKER.ask_each, batch)
    return tuple(answer.value is True for (answer,) in answers)
