"""From something that happened to a reason to look: what starts runs.

Before: time passed, somebody pushed, a resource changed, a row appeared, a delivery came in.
After: the engine's queue makes at most one running and one waiting run of it per rollout.

A firing says only "look at this rollout" (TR-01). It carries no state and no manifest, and its
revision is a hint: what is applied is always found by asking the source again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from rollwright.plugins.contracts.cluster import Cluster
from rollwright.plugins.contracts.pushing import Candidate

WhenActive = Literal["queue", "drop"]
"""What becomes of a firing while a run of the same key is at work: it waits, or it is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The object in a cluster that a firing is about; feedback is written into its status."""

    cluster: str
    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    generation: int = 0
    is_told: bool = True
    """Whether feedback is written into its status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A reason to look at rollouts.

    Attributes:
        id: Two firings of one id are one.
        rollouts: Names of the rollouts to look at; empty for all that the trigger is for.
        key: Which instance of the rollout, such as ``default/main``; empty for the rollout itself.
        revision: Revision of the source, as far as it is known; a hint.
        actor: Who or what caused it.
        config: Values for the entry ``trigger`` of the rollout's ``config``.
        data: JSON values by name for renderers that import them, such as ``deployments/list``.
        is_gone: Whether what the instance was made for is gone, so that it is to be removed.
        subject: The object that it is about.
        when_active: What becomes of it while a run of the same key is at work.
        token: What the caller waits for; shown as handled when the run that answers it ended.
        fingerprint: Another id under which the same delivery may come again; empty for none.
        mark: What of its subject it is about, such as a generation: what was answered well for
            a mark is not run for it again; empty for what is always run.
    """

    id: str
    rollouts: tuple[str, ...] = ()
    key: str = ""
    revision: str = ""
    actor: str = ""
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_gone: bool = False
    subject: Subject | None = None
    when_active: WhenActive = "queue"
    token: str = ""
    fingerprint: str = ""
    mark: str = ""


def _never_mind() -> None:
    return


async def _nothing(_rollout: str) -> str:
    return ""


async def _no_keys() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenRequest:
    """What a listening trigger may use; it decides nothing about runs.

    Attributes:
        name: Of the trigger; unique in a site.
        rollouts: Names of the rollouts that it is for.
        clusters: Connects a cluster of the site by its name; empty for the current context.
        query: Asks a database of the site: name, statement, parameters.
        resolve: Asks the source of a rollout for its present revision.
        touches: Whether a rollout reads anything that changed between two revisions of its
            source; true where nobody can say (TR-08). A fourth value names globs of files that
            count instead of what the source says.
        recall: What the trigger remembered, such as the last revision that it saw.
        remember: Keeps what the next ``recall`` returns, also after a crash.
        failed: Reports an error that the trigger survives: a server that is away.
        recovered: Says that what was reported is over.
        place: Says where the revision of a rollout's source is from; the same text for rollouts
            that one question answers.
        rolled_out: Says which revision of its source a rollout was last carried out at without
            fault; empty if at none.
        is_per_key: Whether each key is an instance of its own, which goes with it.
        known: Returns the keys that instances were made for, or are to be made for, each with
            the UID of its object; empty where that is not known.
        folders: Where files that options name are looked for, in this order.
    """

    name: str
    rollouts: tuple[str, ...]
    clusters: Callable[[str], Awaitable[Cluster]]
    query: Callable[..., Awaitable[tuple[Mapping[str, Any], ...]]]
    resolve: Callable[[str], Awaitable[str]]
    touches: Callable[..., Awaitable[bool]]
    recall: Callable[[], Awaitable[Mapping[str, str]]]
    remember: Callable[[Mapping[str, str]], Awaitable[None]]
    failed: Callable[[Exception], None]
    recovered: Callable[[], None] = field(default=_never_mind)
    place: Callable[[str], str] = field(default=str)
    rolled_out: Callable[[str], Awaitable[str]] = field(default=_nothing)
    is_per_key: bool = False
    known: Callable[[], Awaitable[Mapping[str, str]]] = field(default=_no_keys)
    folders: tuple[Path, ...] = ()


@runtime_checkable
class TriggerListener(Protocol):
    """Waits for something to happen.

    A listener may say ``has_instances = True``: each of its keys is then a rollout of its own
    where the document does not say whether it is.
    """

    def listen(self, request: ListenRequest) -> AsyncIterator[Firing]:
        """Yield a firing for each reason to look; ends when there will be no more.

        A firing is handed over before the next one is asked for: what was remembered by then
        is not lost, whenever the process ends.
        """
        ...


@runtime_checkable
class TriggerAttendant(Protocol):
    """A listener that is asked again when a run of what it fired begins, and after a removal."""

    async def freshen(self, request: ListenRequest, firing: Firing) -> Firing | None:
        """Return a firing with what it is about as that is now; its ``id`` stays.

        What is large, or secret, is not kept with a firing: it is read when the run begins.
        ``None`` means that there is nothing left to run for.
        """
        ...

    async def removed(self, request: ListenRequest, firing: Firing) -> None:
        """Let go of what a firing was about: everything that was made for it is removed.

        Called again after a crash, so that it may find nothing left to do.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Why a genuine delivery starts nothing, for the person who wonders.

    Attributes:
        reason: In a few words, such as ``other ref``.
        event: What happened, in the sender's words.
        delivery: The sender's id of it.
    """

    reason: str
    event: str = ""
    delivery: str = ""


def _nobody_wonders(_why: Ignored) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request that came in from outside; nothing of it is believed.

    Attributes:
        headers: Names in lower case.
        body: As it came, at most as long as the receiver lets it be.
        received_at: Aware, UTC.
        remote: Address of the sender.
        path: What followed the receiver's own path.
        receiver: Name of the trigger that it was sent to.
        site: Name of the site.
        base: Folder of the site; files that options name start there.
        candidates: The rollouts that the trigger is for.
        ignored: Told why the delivery, whose origin is shown, starts nothing.
    """

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: datetime
    remote: str = ""
    path: str = ""
    receiver: str = ""
    site: str = ""
    base: Path = Path()
    candidates: tuple[Candidate, ...] = ()
    ignored: Callable[[Ignored], None] = field(default=_nobody_wonders, repr=False, compare=False)


@runtime_checkable
class TriggerReader(Protocol):
    """Reads deliveries of one kind of sender."""

    async def read(self, delivery: Delivery) -> tuple[Firing, ...]:
        """Return the reasons to look; empty for a delivery that means nothing to us.

        Raises:
            Forged: Its origin cannot be shown: no or a wrong signature, too old, a replay.
            InvalidDocument: It is genuine, and cannot be read.
        """
        ...


@runtime_checkable
class Addressed(Protocol):
    """A reader whose address nobody can guess: it is made of a secret (WH-01)."""

    def tokens(self, base: Path) -> tuple[str, ...]:
        """Return the secrets that addresses are made of, the valid ones; may read files.

        Raises:
            NotFound: One that is named is not there.
        """
        ...
