"""States, checks of them and moves between stores as JSON: the contract with programs.

Before: a store loaded the state; ``state_care`` judged it.
After: ``rollwright state … -o json`` prints it; ``rollwright schema State`` says what it is like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rollwright.rollouts.machine.forms import (
    AuditForm,
    HoldForm,
    InterruptedForm,
    RefForm,
    RemovalForm,
    RevisionForm,
    schema_of_form,
)
from rollwright.rollouts.machine.history import audit_form
from rollwright.rollouts.machine.records import hold_form, journal_form, removal_form, revision_form
from rollwright.rollouts.machine.values import API_VERSION, instant, ref_form
from rollwright.rollouts.state import InventoryEntry, RolloutState
from rollwright.rollouts.state_care import CareFinding, Moved, StateCheck


class InventoryForm(TypedDict):
    """One object that a rollout owns."""

    object: RefForm
    apiVersion: str
    uid: str
    """Of the object that was applied; empty while only intended."""
    wantedDigest: str
    rulesDigest: str
    ownedDigest: str
    resourceVersion: str
    wave: int
    whyKept: str
    """Why it is still here although nobody wants it."""
    keeping: list[str]
    """Annotations that keep it from being deleted."""


class StateForm(TypedDict):
    """What is remembered of one rollout in one cluster."""

    apiVersion: str
    kind: str
    rollout: str
    cluster: str
    clusterId: str
    """UID of the namespace kube-system."""
    store: str
    """Name of its table in site.toml."""
    version: str
    """What a save compares."""
    token: int
    """Fencing token of the run that wrote last."""
    inventory: list[InventoryForm]
    revisions: list[RevisionForm]
    """The latest first."""
    interrupted: InterruptedForm | None
    """A run that is at work, or ended without closing its journal."""
    hold: HoldForm | None
    removal: RemovalForm | None
    audit: list[AuditForm]
    """The latest first."""
    extra: dict[str, str]


class CareFindingForm(TypedDict):
    """One object of which the state and the cluster say different things."""

    object: RefForm
    what: str
    """missing, foreign, claimed, unconfirmed, unlisted or unreadable."""
    text: str


class StateCheckForm(TypedDict):
    """What a look at the cluster says about a state."""

    apiVersion: str
    kind: str
    rollout: str
    cluster: str
    store: str
    readAt: str
    isTrue: bool
    """Whether the state and the cluster agree."""
    objectCount: int
    """How many objects the inventory has."""
    findings: list[CareFindingForm]
    notes: list[str]


class MovedForm(TypedDict):
    """What became of one rollout."""

    rollout: str
    isNew: bool
    """Whether it was copied now; it was there already otherwise."""
    snapshotCount: int
    lostSnapshots: list[str]
    """Those that revisions name and that the source no longer had."""
    isRemoved: bool
    """Whether the source has forgotten it."""
    version: str
    """In the store that it was moved to."""


class StateMoveForm(TypedDict):
    """What a move from one store to another did."""

    apiVersion: str
    kind: str
    source: str
    target: str
    rollouts: list[MovedForm]


class ForgottenForm(TypedDict):
    """A state that was forgotten."""

    apiVersion: str
    kind: str
    rollout: str
    store: str
    objects: list[RefForm]
    """They stay in the cluster as they are."""


FORMS: Mapping[str, Any] = {
    "State": StateForm,
    "StateCheck": StateCheckForm,
    "StateMove": StateMoveForm,
    "Forgotten": ForgottenForm,
}
"""The kinds of documents that ``rollwright state`` prints."""

_PARTS = (InventoryForm, CareFindingForm, MovedForm, *FORMS.values())


def state_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one of ``FORMS``."""
    return schema_of_form(kind, FORMS[kind], _PARTS)


def state_form(state: RolloutState, *, cluster: str, store: str) -> StateForm:
    """Return a state as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "State",
        "rollout": state.rollout,
        "cluster": cluster,
        "clusterId": state.cluster_id,
        "store": store,
        "version": state.version,
        "token": state.token,
        "inventory": [_entry(one) for one in state.inventory],
        "revisions": [revision_form(one) for one in reversed(state.revisions)],
        "interrupted": journal_form(state.journal) if state.journal else None,
        "hold": hold_form(state.hold) if state.hold else None,
        "removal": removal_form(state.removal) if state.removal else None,
        "audit": [audit_form(one) for one in state.audit_in_time],
        "extra": dict(state.extra),
    }


def _entry(one: InventoryEntry) -> InventoryForm:
    return {
        "object": ref_form(one.ref),
        "apiVersion": one.api_version,
        "uid": one.uid,
        "wantedDigest": one.wanted_digest,
        "rulesDigest": one.rules_digest,
        "ownedDigest": one.owned_digest,
        "resourceVersion": one.resource_version,
        "wave": one.wave,
        "whyKept": one.why_kept,
        "keeping": list(one.keeping),
    }


def check_form(check: StateCheck) -> StateCheckForm:
    """Return what a look at the cluster said as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "StateCheck",
        "rollout": check.rollout,
        "cluster": check.cluster,
        "store": check.store,
        "readAt": instant(check.read_at),
        "isTrue": check.is_true,
        "objectCount": len(check.state.inventory),
        "findings": [_finding(one) for one in check.findings],
        "notes": list(check.notes),
    }


def _finding(one: CareFinding) -> CareFindingForm:
    return {"object": ref_form(one.ref), "what": one.what, "text": one.text}


def move_form(source: str, target: str, moved: Iterable[Moved]) -> StateMoveForm:
    """Return what a move did as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "StateMove",
        "source": source,
        "target": target,
        "rollouts": [_moved(one) for one in moved],
    }


def _moved(one: Moved) -> MovedForm:
    return {
        "rollout": one.rollout,
        "isNew": one.is_new,
        "snapshotCount": one.snapshot_count,
        "lostSnapshots": list(one.lost),
        "isRemoved": one.is_removed,
        "version": one.version,
    }


def forgotten_form(state: RolloutState, store: str) -> ForgottenForm:
    """Return what was forgotten as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Forgotten",
        "rollout": state.rollout,
        "store": store,
        "objects": [ref_form(one.ref) for one in state.inventory],
    }
