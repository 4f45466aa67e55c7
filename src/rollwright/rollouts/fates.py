"""One wanted object's fate: create, update, adopt, replace or keep, and why.

Before: the live objects were read; ``candidates`` were sent to a dry run.
After: ``planning`` puts the changes into waves.

An object is kept without asking the server if what is wanted is what was sent last time, and the
live fields that our manager owns are what they were right after that. Everything else is decided
by the server's own answer to a dry run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rollwright.rollouts.change import Change, Forecast, Operation, Prediction
from rollwright.rollouts.diff import FieldChange, comparable, compare
from rollwright.rollouts.field_reasons import MIGRATION, with_reasons
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, digest_of_body, is_secret
from rollwright.rollouts.ownership.conflicts import adjusted, foresee
from rollwright.rollouts.ownership.fields import (
    ROLLOUT_LABEL,
    other_managers,
    owned_fields,
    values_digest,
)
from rollwright.rollouts.ownership.fieldsets import shown
from rollwright.rollouts.ownership.modes import UNSENT, Mode
from rollwright.rollouts.ownership.proposals import Proposal, as_is, as_kept, taken_over_entries
from rollwright.rollouts.ownership.takeover import source_of
from rollwright.rollouts.state import InventoryEntry
from rollwright.rollouts.status import ObjectStatus, Status


def is_unchanged(
    manifest: Manifest,
    live: LiveObject | None,
    entry: InventoryEntry | None,
    proposal: Proposal | None = None,
) -> bool:
    """Whether applying the manifest would change nothing, as far as our memory tells."""
    if live is None or entry is None or not entry.uid or live.uid != entry.uid:
        return False
    if live.is_being_deleted or entry.wanted_digest != manifest.digest:
        return False
    if proposal is not None and (proposal.is_pressing or proposal.rules != entry.rules_digest):
        return False
    if entry.resource_version and live.resource_version == entry.resource_version:
        return True
    return live.owned_digest == entry.owned_digest


def is_ours(live: LiveObject, entry: InventoryEntry | None) -> bool:
    """Whether the inventory means this very object; while only intended, its label decides."""
    if entry is None:
        return False
    return entry.uid == live.uid if entry.uid else bool(owner_of(live))


def owner_of(live: LiveObject) -> str:
    """Return the rollout that the object says it belongs to; empty if none."""
    return str(live.labels.get(ROLLOUT_LABEL, ""))


def decide(
    manifest: Manifest,
    live: LiveObject | None,
    entry: InventoryEntry | None,
    forecast: Forecast | None,
    *,
    salt: str,
    proposal: Proposal | None = None,
) -> Change:
    """Return the fate of one wanted object.

    Args:
        manifest: What is wanted.
        live: What is there.
        entry: What our inventory remembers.
        forecast: The server's answer to a dry run; ``None`` when none was made.
        salt: For digests that stand for Secret values.
        proposal: What would be sent; by default the manifest as it is.
    """
    proposal = proposal or as_is(manifest, live)
    change = _decided(proposal, entry, forecast, salt)
    if (change.rules_digest, change.manager) != (proposal.rules, proposal.manager):
        change = replace(change, rules_digest=proposal.rules, manager=proposal.manager)
    kept = as_kept(manifest)
    is_otherwise = change.writes and change.sent is None and kept is not manifest
    return replace(change, sent=kept) if is_otherwise else change


def _decided(
    proposal: Proposal, entry: InventoryEntry | None, forecast: Forecast | None, salt: str
) -> Change:
    manifest, live = proposal.wanted, proposal.live
    if proposal.mode in UNSENT:
        return _unsent(proposal)
    if live is None:
        return _create(manifest, entry, forecast, salt)
    if is_unchanged(manifest, live, entry, proposal):
        return _keep(manifest, live, entry)
    if live.is_being_deleted:
        why = "is being deleted by somebody else; it is created again when it is gone"
        return _change(manifest, live, Operation.REPLACE, why, forecast)
    if proposal.mode is Mode.IF_NOT_PRESENT:
        return _left_alone(proposal, live, entry)
    if forecast is None:
        return _unpredicted(proposal, live, entry)
    if forecast.immutable:
        why = f"cannot be changed in place: {'; '.join(forecast.immutable)}"
        return _change(manifest, live, Operation.REPLACE, why, forecast, is_immutable=True)
    return _from_forecast(proposal, live, entry, forecast, salt)


def _unsent(proposal: Proposal) -> Change:
    """Keep what is never sent: our inventory learns nothing of it, and forgets nothing."""
    live, is_ignored = proposal.live, proposal.mode is Mode.IGNORE
    gone = None if live is not None or is_ignored else _absence(proposal.wanted)
    return Change(
        ref=proposal.ref,
        api_version=proposal.api_version,
        operation=Operation.KEEP,
        why=f"is not applied (apply-mode {proposal.mode})",
        wanted=proposal.wanted,
        live_uid=live.uid if live is not None else "",
        live_resource_version=live.resource_version if live is not None else "",
        is_owned=False,
        is_skipped=is_ignored,
        status=gone,
    )


def _absence(manifest: Manifest) -> ObjectStatus:
    message = "does not exist; its apply-mode is ReadOnly"
    return ObjectStatus(
        ref=manifest.ref, status=Status.NOT_FOUND, reason="NotFound", message=message
    )


def _left_alone(proposal: Proposal, live: LiveObject, entry: InventoryEntry | None) -> Change:
    """Keep what exists; it becomes ours only if we made it."""
    kept = _keep(proposal.wanted, live, entry if is_ours(live, entry) else None)
    why = f"exists (apply-mode {proposal.mode})"
    return replace(kept, why=why, is_owned=is_ours(live, entry), is_remembered=True)


def _unpredicted(proposal: Proposal, live: LiveObject, entry: InventoryEntry | None) -> Change:
    """Return the change of an object that nobody asked about; managedFields tell of conflicts."""
    operation = Operation.UPDATE if is_ours(live, entry) else Operation.ADOPT
    why = _why(operation, proposal.wanted, live, entry)
    met = foresee(proposal.body, live, proposal.policy, taken_over_entries(proposal))
    change = _change(proposal.wanted, live, operation, why)
    conflicts = tuple(one.conflict for one in met)
    body = adjusted(proposal.body, live, met, proposal.taken_over)
    return _sending(replace(change, conflicts=conflicts), proposal, live, body)


def _sending(change: Change, proposal: Proposal, live: LiveObject, body: Body) -> Change:
    """Return the change with what is sent, where that is not what is wanted."""
    migration = proposal.migration
    is_same = body == proposal.wanted.body
    return replace(
        change,
        sent=None if is_same else replace(proposal.wanted, body=body),
        migration=migration,
        taken_over=migration.managers(live) if migration else (),
        ignored=proposal.ignored,
        notes=(*change.notes, *proposal.notes),
    )


def _create(
    manifest: Manifest, entry: InventoryEntry | None, forecast: Forecast | None, salt: str
) -> Change:
    was_applied = entry is not None and bool(entry.wanted_digest)
    why = "was applied before and is gone" if was_applied else "is not in the cluster"
    predicted = forecast.body if forecast else None
    return Change(
        ref=manifest.ref,
        api_version=manifest.api_version,
        operation=Operation.CREATE,
        why=why,
        wanted=manifest,
        prediction=forecast.prediction if forecast else Prediction.NONE,
        predicted_digest=_effect_digest(predicted, salt) if predicted else "",
        predicted_owned_digest=_owned_digest(predicted, salt) if predicted else "",
        webhook=forecast.webhook if forecast else "",
        notes=forecast.notes if forecast else (),
    )


def _from_forecast(
    proposal: Proposal,
    live: LiveObject,
    entry: InventoryEntry | None,
    forecast: Forecast,
    salt: str,
) -> Change:
    manifest, forecast = proposal.wanted, _ruled(proposal, _migrated(proposal, live, forecast))
    predicted, is_known = forecast.body, is_ours(live, entry)
    operation = Operation.UPDATE if is_known else Operation.ADOPT
    sent = proposal.body if forecast.sent is None else forecast.sent
    if predicted is None:
        is_simulated = forecast.prediction is Prediction.SIMULATED
        notes = ("not predicted: its kind is defined anew first",) if is_simulated else ()
        why = _why(operation, manifest, live, entry)
        change = _change(manifest, live, operation, why, forecast, notes=notes)
        return _sending(change, proposal, live, sent)
    fields = compare(live.body, predicted, salt=salt)
    is_same = not fields and not _moves_ownership(live, predicted)
    if is_same and is_known and not proposal.is_pressing:
        return _keep(manifest, live, None)
    why = _why(operation, manifest, live, entry, has_fields=bool(fields))
    if proposal.is_pressing and not fields:
        why = _why_migrated(operation, why, proposal.taken_over)
    change = _change(
        manifest, live, operation, why, forecast,
        fields=_with_takeover(with_reasons(fields, sent, live.body), proposal, predicted),
        predicted_digest=_effect_digest(predicted, salt),
        predicted_owned_digest=_owned_digest(predicted, salt),
    )  # fmt: skip
    return _sending(change, proposal, live, sent)


def _with_takeover(
    fields: tuple[FieldChange, ...], proposal: Proposal, predicted: Body
) -> tuple[FieldChange, ...]:
    """Say of fields that go because we take them over that this is why (AP-47a)."""
    live, migration = proposal.live, proposal.migration
    if live is None or migration is None:
        return fields
    gone = {shown(path) for path in migration.disappearing(live, predicted)}
    return tuple(replace(one, by=MIGRATION) if one.path in gone else one for one in fields)


def _ruled(proposal: Proposal, forecast: Forecast) -> Forecast:
    """Return what the server said, with what becomes of each conflict."""
    conflicts = tuple(
        replace(one, action=proposal.policy.judge(one.path, one.manager).value)
        for one in forecast.conflicts
    )
    return replace(forecast, conflicts=conflicts) if conflicts else forecast


def _migrated(proposal: Proposal, live: LiveObject, forecast: Forecast) -> Forecast:
    """Return what the server said, with what the migration changes of it (AP-47a)."""
    migration, body = proposal.migration, forecast.body
    if migration is None or body is None or forecast.prediction is not Prediction.SERVER:
        return forecast
    predicted = migration.predict(live, body)
    return replace(forecast, prediction=Prediction.SERVER_MIGRATION, body=predicted)


def _why_migrated(operation: Operation, why: str, managers: Sequence[str]) -> str:
    words = f"takes over from {source_of(managers)}"
    return f"{why}; {words}" if operation is Operation.ADOPT else words


def _why(
    operation: Operation,
    manifest: Manifest,
    live: LiveObject,
    entry: InventoryEntry | None,
    *,
    has_fields: bool = True,
) -> str:
    if operation is Operation.ADOPT:
        return _why_adopted(manifest, live, entry)
    if not has_fields:
        return "fields change their owner, not their value"
    if entry is not None and entry.wanted_digest == manifest.digest:
        return "was changed in the cluster"
    return "differs from the source"


def _why_adopted(manifest: Manifest, live: LiveObject, entry: InventoryEntry | None) -> str:
    owner = owner_of(live)
    if owner and owner != manifest.labels.get(ROLLOUT_LABEL):
        return f"moves from rollout {owner!r}"
    if entry is not None and entry.uid:
        return "was deleted and created again by somebody else"
    if owner:
        return "carries our label, and the inventory does not know it"
    managers = ", ".join(other_managers(live.metadata)) or "nobody"
    return f"exists and is not ours yet; managed by {managers}"


def _keep(manifest: Manifest, live: LiveObject, entry: InventoryEntry | None) -> Change:
    """Keep an object; with an entry because memory says so, else because the server does."""
    is_noted = entry is not None and entry.api_version == live.api_version and not entry.why_kept
    return Change(
        ref=manifest.ref,
        api_version=manifest.api_version,
        operation=Operation.KEEP,
        why="as applied" if entry else "nothing differs",
        wanted=manifest,
        live_uid=live.uid,
        live_resource_version=live.resource_version,
        owned_digest=entry.owned_digest if entry else live.owned_digest,
        is_remembered=is_noted,
    )


def _change(
    manifest: Manifest,
    live: LiveObject,
    operation: Operation,
    why: str,
    forecast: Forecast | None = None,
    **facts: Any,
) -> Change:
    # NB: nobody owns a field of an object that is created again.
    conflicts = forecast.conflicts if forecast and operation is not Operation.REPLACE else ()
    told = (*forecast.notes, *facts.pop("notes", ())) if forecast else ()
    return Change(
        ref=manifest.ref,
        api_version=manifest.api_version,
        operation=operation,
        why=why,
        wanted=manifest,
        live_uid=live.uid,
        live_resource_version=live.resource_version,
        live_digest=live.declared_digest,
        prediction=forecast.prediction if forecast else Prediction.NONE,
        conflicts=conflicts,
        webhook=forecast.webhook if forecast else "",
        notes=told,
        **facts,
    )


def _moves_ownership(live: LiveObject, predicted: Body) -> bool:
    """Whether the apply would change which fields are ours, though no value changes."""
    return owned_fields(predicted.get("metadata") or {}) != live.owned_fields


def _effect_digest(predicted: Mapping[str, Any], salt: str) -> str:
    return digest_of_body(comparable(predicted), salt)


def _owned_digest(predicted: Body, salt: str) -> str:
    """Return the digest of the fields that are ours once this is applied."""
    fields = owned_fields(predicted.get("metadata") or {})
    return values_digest(fields, predicted, salt if is_secret(predicted) else "")
