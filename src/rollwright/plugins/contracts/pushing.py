"""What a delivery says of a repository, and who may be concerned.

Before: a receiver read a delivery of a forge. After: only rollouts that may read what changed are
looked at (TR-08).

Nothing of it is believed (WH-07): it serves to choose rollouts. Where it does not say enough, a
rollout counts as concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rollwright.plugins.contracts.rendering import FetchRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What happened to one ref of a repository.

    Attributes:
        repository: Its name at the forge, such as ``shop/manifests``.
        urls: Its addresses, as far as the delivery names them.
        ref: Full name of the branch or tag; empty where the event is about none.
        default_branch: Name of the default branch; empty where it is not said.
        old: The commit of before; empty where it is not known.
        new: The commit of now; empty where it is not known.
        changed: Names of the files that changed; ``None`` where nobody can say.
        is_deleted: Whether the ref is gone.
    """

    repository: str = ""
    urls: tuple[str, ...] = ()
    ref: str = ""
    default_branch: str = ""
    old: str = ""
    new: str = ""
    changed: tuple[str, ...] | None = None
    is_deleted: bool = False


@runtime_checkable
class PushReader(Protocol):
    """A source that can tell whether a push may concern it, without asking anybody."""

    def is_pushed(self, request: FetchRequest, push: Push) -> bool:
        """Return whether the push may have changed what ``fetch`` gives."""
        ...


@runtime_checkable
class Placed(Protocol):
    """A source whose revision is that of a place which other sources share: a repository's ref."""

    def place(self, request: FetchRequest) -> str:
        """Return a text that is the same for all sources of one revision."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A rollout that a delivery may be about.

    Attributes:
        name: Of the rollout.
        labels: Its labels.
        is_pushed: Whether a push may concern its source.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    is_pushed: Callable[[Push], bool] = field(default=lambda _push: True, repr=False)
