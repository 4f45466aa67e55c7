"""The stored form of a rollout's state: JSON with a format version.

Before: ``rollouts.state`` holds the value.
After: a store keeps the bytes where it keeps things.

The form is the same in every store. Equal states give equal bytes. Instants are RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from rollwright.errors import InvalidDocument
from rollwright.rollouts.state import FORMAT, LEFT_SNAPSHOT, RolloutState

KIND = "RolloutState"

Upgrade: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

UPGRADES: Mapping[int, Upgrade] = {}
"""Format → what turns a state of that format into one of the next."""


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    format: int
    state: msgspec.Raw


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    format: int
    state: RolloutState


_ENCODER = msgspec.json.Encoder(order="deterministic")
_ENVELOPES = msgspec.json.Decoder(_Envelope)
_STATES = msgspec.json.Decoder(RolloutState)


def encode(state: RolloutState) -> bytes:
    """Return the stored form.

    Raises:
        InvalidDocument: An instant has no time zone, or a text is no Unicode.
    """
    try:
        return _ENCODER.encode(_Document(kind=KIND, format=FORMAT, state=in_utc(state)))
    except UnicodeEncodeError as error:
        raise InvalidDocument(f"state of {state.rollout!r}: not Unicode: {error.reason}") from error


def decode(data: bytes, *, where: str, rollout: str) -> RolloutState:
    """Return the state that is stored.

    Args:
        data: The stored form.
        where: What a message calls its place: a path, a Secret.
        rollout: Whose state is expected there.

    Raises:
        InvalidDocument: It is not ours, damaged, of a newer format, or of another rollout.
    """
    state = in_utc(_parse(data, where), where)
    if state.rollout != rollout:
        raise InvalidDocument(
            f"{where}: holds the state of rollout {state.rollout!r}, expected {rollout!r}",
            hint="somebody copied or renamed it; put it back under its own name",
        )
    return state


def _parse(data: bytes, where: str) -> RolloutState:
    try:
        envelope = _ENVELOPES.decode(data)
        _check_format(envelope, where)
        if envelope.format == FORMAT:
            return _STATES.decode(envelope.state)
        body = upgrade(msgspec.json.decode(envelope.state), envelope.format, where=where)
        return msgspec.convert(body, RolloutState)
    # NB: ValidationError and DecodeError are both MsgspecError; bytes that are no UTF-8 are not.
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidDocument(
            f"{where}: damaged, or not a state of Rollwright: {error}",
            hint="restore it from a backup; or move it away and adopt the objects anew",
        ) from error


def _check_format(envelope: _Envelope, where: str) -> None:
    if envelope.kind != KIND:
        raise InvalidDocument(
            f"{where}: not a state of Rollwright: kind {envelope.kind!r}, expected {KIND!r}",
            hint="something else is kept there; choose another place for the store",
        )
    if envelope.format > FORMAT:
        raise InvalidDocument(
            f"{where}: format {envelope.format} is newer than this program reads ({FORMAT})",
            hint="upgrade Rollwright: a newer one has run this rollout",
        )


def upgrade(
    body: dict[str, Any],
    found: int,
    *,
    where: str,
    to: int = FORMAT,
    upgrades: Mapping[int, Upgrade] = UPGRADES,
) -> dict[str, Any]:
    """Bring the JSON of a state from format ``found`` to format ``to``, step by step.

    Raises:
        InvalidDocument: There is no way from that format.
    """
    for number in range(found, to):
        step = upgrades.get(number)
        if step is None:
            raise InvalidDocument(
                f"{where}: format {number} is not known",
                hint="restore it from a backup; or move it away and adopt the objects anew",
            )
        body = step(body)
    return body


def in_utc(state: RolloutState, where: str = "") -> RolloutState:
    """Return the state with every instant in UTC.

    Raises:
        InvalidDocument: An instant has no time zone.
    """
    place = where or f"state of {state.rollout!r}"
    instants = tuple(_instants(state))
    if any(instant.tzinfo is None for instant in instants):
        raise InvalidDocument(f"{place}: an instant has no time zone; expected RFC 3339 in UTC")
    if all(instant.tzinfo is UTC for instant in instants):
        return state
    journal, hold, removal = state.journal, state.hold, state.removal
    return replace(
        state,
        revisions=tuple(
            replace(
                one,
                started_at=one.started_at.astimezone(UTC),
                ended_at=one.ended_at.astimezone(UTC),
            )
            for one in state.revisions
        ),
        journal=journal
        and replace(
            journal,
            started_at=journal.started_at.astimezone(UTC),
            begun=tuple(replace(one, at=one.at.astimezone(UTC)) for one in journal.begun),
        ),
        hold=hold and replace(hold, since_at=hold.since_at.astimezone(UTC)),
        removal=removal
        and replace(
            removal,
            marked_at=removal.marked_at.astimezone(UTC),
            due_at=removal.due_at.astimezone(UTC),
            protected_due_at=removal.protected_due_at.astimezone(UTC),
        ),
        audit=tuple(replace(one, at=one.at.astimezone(UTC)) for one in state.audit),
    )


def _instants(state: RolloutState) -> Iterator[datetime]:
    for revision in state.revisions:
        yield revision.started_at
        yield revision.ended_at
    if state.journal:
        yield state.journal.started_at
        yield from (one.at for one in state.journal.begun)
    if state.hold:
        yield state.hold.since_at
    if state.removal:
        yield from (
            state.removal.marked_at, state.removal.due_at, state.removal.protected_due_at
        )  # fmt: skip
    yield from (entry.at for entry in state.audit)


def snapshots_of(state: RolloutState) -> frozenset[str]:
    """Return the snapshots that a state names, in its revisions or anywhere in ``extra``."""
    named = {revision.snapshot for revision in state.revisions if revision.snapshot}
    return frozenset(named | set(state.extra.values()))


def dropped_snapshots(before: RolloutState, after: RolloutState) -> frozenset[str]:
    """Return the snapshots that nothing names any more."""
    named = {revision.snapshot for revision in before.revisions}
    named.add(before.extra.get(LEFT_SNAPSHOT, ""))
    return frozenset(named - {""}) - snapshots_of(after)
