"""One wanted object's fate: create, update, adopt, replace or keep, and why.

Before: the live objects were read; ``candidates`` of ``planning`` were sent to a dry run.
After: ``planning`` puts the changes into waves.

An object is kept without asking the server if what is wanted is what was sent last time, and the
live fields that our manager owns are what they were right after that. Everything else is decided
by the server's own answer to a dry run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollwright.rollouts.diff import comparable, compare
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, digest_of
from rollwright.rollouts.ownership import ROLLOUT_LABEL, other_managers, owned_fields
from rollwright.rollouts.plan import Change, Forecast, Operation, Prediction
from rollwright.rollouts.state import InventoryEntry


def is_unchanged(manifest: Manifest, live: LiveObject | None, entry: InventoryEntry | None) -> bool:
    """Whether applying the manifest would change nothing, as far as our memory tells."""
    if live is None or entry is None or not entry.uid or live.uid != entry.uid:
        return False
    if live.is_being_deleted or entry.wanted_digest != manifest.digest:
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
) -> Change:
    """Return the fate of one wanted object.

    Args:
        manifest: What is wanted.
        live: What is there.
        entry: What our inventory remembers.
        forecast: The server's answer to a dry run; ``None`` when none was made.
        salt: For digests that stand for Secret values.
    """
    if live is None:
        return _create(manifest, entry, forecast)
    if is_unchanged(manifest, live, entry):
        return _keep(manifest, live, entry)
    if live.is_being_deleted:
        why = "is being deleted by somebody else; it is created again when it is gone"
        return _change(manifest, live, Operation.REPLACE, why, forecast)
    if forecast is None:
        operation = Operation.UPDATE if is_ours(live, entry) else Operation.ADOPT
        return _change(manifest, live, operation, _why(operation, manifest, live, entry))
    if forecast.immutable:
        why = f"cannot be changed in place: {'; '.join(forecast.immutable)}"
        return _change(manifest, live, Operation.REPLACE, why, forecast, is_immutable=True)
    return _from_forecast(manifest, live, entry, forecast, salt)


def _create(manifest: Manifest, entry: InventoryEntry | None, forecast: Forecast | None) -> Change:
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
        predicted_digest=_effect_digest(predicted) if predicted else "",
    )


def _from_forecast(
    manifest: Manifest,
    live: LiveObject,
    entry: InventoryEntry | None,
    forecast: Forecast,
    salt: str,
) -> Change:
    predicted, is_known = forecast.body, is_ours(live, entry)
    operation = Operation.UPDATE if is_known else Operation.ADOPT
    if predicted is None:
        is_simulated = forecast.prediction is Prediction.SIMULATED
        notes = ("not predicted: its kind is defined anew first",) if is_simulated else ()
        why = _why(operation, manifest, live, entry)
        return _change(manifest, live, operation, why, forecast, notes=notes)
    fields = compare(live.body, predicted, salt=salt)
    if not fields and is_known and not _moves_ownership(live, predicted):
        return _keep(manifest, live, None)
    why = _why(operation, manifest, live, entry, has_fields=bool(fields))
    return _change(
        manifest, live, operation, why, forecast,
        fields=fields, predicted_digest=_effect_digest(predicted),
    )  # fmt: skip


def _why(
    operation: Operation,
    manifest: Manifest,
    live: LiveObject,
    entry: InventoryEntry | None,
    *,
    has_fields: bool = True,
) -> str:
    if operation is Operation.ADOPT:
        return _why_adopted(live, entry)
    if not has_fields:
        return "fields change their owner, not their value"
    if entry is not None and entry.wanted_digest == manifest.digest:
        return "was changed in the cluster"
    return "differs from the source"


def _why_adopted(live: LiveObject, entry: InventoryEntry | None) -> str:
    if entry is not None and entry.uid:
        return "was deleted and created again by somebody else"
    if owner_of(live):
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
    return Change(
        ref=manifest.ref,
        api_version=manifest.api_version,
        operation=operation,
        why=why,
        wanted=manifest,
        live_uid=live.uid,
        live_resource_version=live.resource_version,
        live_digest=digest_of(comparable(live.body)),
        prediction=forecast.prediction if forecast else Prediction.NONE,
        conflicts=conflicts,
        **facts,
    )


def _moves_ownership(live: LiveObject, predicted: Body) -> bool:
    """Whether the apply would change which fields are ours, though no value changes."""
    return owned_fields(predicted.get("metadata") or {}) != live.owned_fields


def _effect_digest(predicted: Mapping[str, Any]) -> str:
    return digest_of(comparable(predicted))
